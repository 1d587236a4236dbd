//! Which parts a whole may be made of, by block and day.

use super::{Item, Problem, Side};
use std::ops::Range;

/// Both sides in the order of their indices; a whole or part is named by its rank in that order.
pub(super) struct Index {
    pub wholes: Vec<Item>,
    pub parts: Vec<Item>,
    window: Option<u32>,
    /// Where each whole's blocks start in `whole_blocks`, and the end.
    whole_starts: Vec<usize>,
    whole_blocks: Vec<u32>,
    /// Where each block's parts start in `members`, and the end.
    block_starts: Vec<usize>,
    /// Parts by block, day and rank.
    members: Vec<u32>,
}

impl Index {
    pub fn new(problem: &Problem, window: Option<u32>) -> Self {
        let (wholes, whole_ranks) = ranked(&problem.wholes);
        let (parts, part_ranks) = ranked(&problem.parts);
        let takes_part = |item: &Item| item.amount != 0 && (window.is_none() || item.day.is_some());

        let mut in_blocks: Vec<(u32, Option<i32>, u32)> = problem
            .parts
            .blocks
            .iter()
            .filter_map(|&(position, block)| {
                let rank = *part_ranks.get(position as usize)?;
                let item = &parts[rank as usize];
                takes_part(item).then_some((block, item.day, rank))
            })
            .collect();
        in_blocks.sort_unstable();
        in_blocks.dedup();
        let mut blocks = Vec::new();
        let mut block_starts = Vec::new();
        for (at, (block, ..)) in in_blocks.iter().enumerate() {
            if blocks.last() != Some(block) {
                blocks.push(*block);
                block_starts.push(at);
            }
        }
        block_starts.push(in_blocks.len());

        let mut of_wholes: Vec<(u32, u32)> = problem
            .wholes
            .blocks
            .iter()
            .filter_map(|&(position, block)| {
                let rank = *whole_ranks.get(position as usize)?;
                let at = blocks.binary_search(&block).ok()?;
                Some((rank, u32::try_from(at).ok()?))
            })
            .collect();
        of_wholes.sort_unstable();
        of_wholes.dedup();
        let mut whole_starts = vec![0; wholes.len() + 1];
        for (rank, _) in &of_wholes {
            whole_starts[*rank as usize + 1] += 1;
        }
        for at in 1..whole_starts.len() {
            whole_starts[at] += whole_starts[at - 1];
        }
        Self {
            wholes,
            parts,
            window,
            whole_starts,
            whole_blocks: of_wholes.into_iter().map(|(_, block)| block).collect(),
            block_starts,
            members: in_blocks.into_iter().map(|(.., rank)| rank).collect(),
        }
    }

    /// Puts the whole's candidates into `into`, each once and in the order of ranks.
    /// Returns whether there are at most `limit`, counted once a block; `into` is else of no use.
    pub fn gather(&self, whole: u32, limit: usize, into: &mut Vec<u32>) -> bool {
        into.clear();
        let item = &self.wholes[whole as usize];
        let blocks = self.whole_starts[whole as usize]..self.whole_starts[whole as usize + 1];
        for &block in &self.whole_blocks[blocks] {
            let members = &self.members[self.within_window(block, item)];
            if into.len() + members.len() > limit {
                return false;
            }
            into.extend_from_slice(members);
        }
        into.sort_unstable();
        into.dedup();
        true
    }

    fn within_window(&self, block: u32, whole: &Item) -> Range<usize> {
        let (start, end) = (
            self.block_starts[block as usize],
            self.block_starts[block as usize + 1],
        );
        let Some(window) = self.window else {
            return start..end;
        };
        let Some(day) = whole.day else {
            return start..start;
        };
        let members = &self.members[start..end];
        let day_of = |part: &u32| self.parts[*part as usize].day.map_or(i64::MIN, i64::from);
        let (first, last) = (
            i64::from(day) - i64::from(window),
            i64::from(day) + i64::from(window),
        );
        start + members.partition_point(|part| day_of(part) < first)
            ..start + members.partition_point(|part| day_of(part) <= last)
    }
}

/// The items in the order of their indices, and the rank of every position.
fn ranked(side: &Side) -> (Vec<Item>, Vec<u32>) {
    let mut order: Vec<(Item, usize)> = side.items.iter().copied().zip(0..).collect();
    order.sort_by_key(|(item, _)| (item.index, item.amount, item.day));
    let mut ranks = vec![0; order.len()];
    for (rank, (_, position)) in (0..).zip(&order) {
        ranks[*position] = rank;
    }
    (order.into_iter().map(|(item, _)| item).collect(), ranks)
}
