//! The walk over the pairs of all blocks of a pass.

use super::{Condition, Join, place};
use crate::block::near::retain;
use crate::block::number::NONE;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pairs in a batch.
const BATCH: usize = 8192;
/// Pairs after which a batch is handed out though most of them belong to earlier blocks, so that
/// whoever consumes it can see to progress and cancellation.
const LOOKED_AT: usize = 1 << 20;
/// Pairs that one thread takes at a time.
const TASK: u64 = 1 << 17;
/// Stands for [`NONE`] on the right, so that two rows without a number are not equal.
const NONE_RIGHT: u32 = u32::MAX - 1;

/// Candidate pairs: record indices of both sides, side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// The left records.
    pub left: Vec<u32>,
    /// The right records.
    pub right: Vec<u32>,
}

/// All blocks of a pass, joined.
struct Joined {
    conditions: Vec<Condition>,
    joins: Vec<Join>,
    /// Each row's numbers in all blocks, side by side.
    left: Vec<u32>,
    right: Vec<u32>,
    tasks: Vec<Task>,
    next: AtomicUsize,
}

/// Some of a block's runs.
#[derive(Clone, Copy, Debug)]
struct Task {
    block: usize,
    from: usize,
    to: usize,
}

/// A share of the candidate pairs. The parts of a pass take turns at its pairs, so that all end at
/// about the same time; together they give every pair once.
pub struct Part {
    joined: Arc<Joined>,
    task: Task,
    /// How many partners of the first run are done.
    done: u32,
}

/// The pairs of all blocks in `count` parts, each pair once: one that an earlier block gives is
/// left out of the later ones.
pub fn parts(blocks: Vec<(Condition, Join)>, count: usize) -> Vec<Part> {
    let (conditions, joins): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    let side = |of: fn(&Condition) -> &Vec<u32>, none: u32| {
        let rows = conditions.first().map_or(0, |c| of(c).len());
        let mut numbers = Vec::with_capacity(rows * conditions.len());
        for row in 0..rows {
            numbers.extend(conditions.iter().map(|c| match of(c)[row] {
                NONE => none,
                number => number,
            }));
        }
        numbers
    };
    let joined = Arc::new(Joined {
        left: side(|c| &c.left, NONE),
        right: side(|c| &c.right, NONE_RIGHT),
        tasks: tasks(&joins),
        next: AtomicUsize::new(0),
        conditions: conditions
            .into_iter()
            // The numbers stand side by side now.
            .map(|condition| Condition {
                ranges: condition.ranges,
                words: condition.words,
                ..Condition::default()
            })
            .collect(),
        joins,
    });
    (0..count)
        .map(|_| Part {
            joined: joined.clone(),
            task: Task {
                block: 0,
                from: 0,
                to: 0,
            },
            done: 0,
        })
        .collect()
}

fn tasks(joins: &[Join]) -> Vec<Task> {
    let mut tasks = Vec::new();
    for (block, join) in joins.iter().enumerate() {
        let (mut from, mut pairs) = (0, 0);
        for (at, run) in join.runs.iter().enumerate() {
            pairs += run.pairs();
            if pairs >= TASK {
                tasks.push(Task {
                    block,
                    from,
                    to: at + 1,
                });
                (from, pairs) = (at + 1, 0);
            }
        }
        if from < join.runs.len() {
            tasks.push(Task {
                block,
                from,
                to: join.runs.len(),
            });
        }
    }
    tasks
}

impl Iterator for Part {
    type Item = Pairs;

    fn next(&mut self) -> Option<Pairs> {
        let mut pairs = Pairs {
            left: Vec::with_capacity(BATCH),
            right: Vec::with_capacity(BATCH),
        };
        let mut looked_at = 0;
        while pairs.right.len() < BATCH && looked_at < LOOKED_AT {
            if self.task.from == self.task.to {
                let next = self.joined.next.fetch_add(1, Ordering::Relaxed);
                match self.joined.tasks.get(next) {
                    Some(&task) => self.task = task,
                    None if looked_at == 0 => return None,
                    None => break,
                }
            }
            let join = &self.joined.joins[self.task.block];
            let run = join.runs[self.task.from];
            let from = (run.from + self.done) as usize;
            let to = (run.to as usize).min(from + BATCH - pairs.right.len());
            let word = join.words.get(self.task.from).copied();
            self.joined.append(
                (self.task.block, word),
                run.left,
                &join.rights[from..to],
                &mut pairs,
            );
            looked_at += to - from;
            if to == run.to as usize {
                self.task.from += 1;
                self.done = 0;
            } else {
                self.done += place(to - from);
            }
        }
        Some(pairs)
    }
}

impl Joined {
    /// Appends a left row's pairs with those of `rights` that the block's ranges and no earlier
    /// block hold, and whose first word is `word`, where there is one.
    fn append(
        &self,
        (block, word): (usize, Option<u32>),
        left: u32,
        rights: &[u32],
        pairs: &mut Pairs,
    ) {
        let before = pairs.right.len();
        pairs.right.extend_from_slice(rights);
        for &range in &self.joins[block].rest {
            self.conditions[block].ranges[range].retain(left, &mut pairs.right, before);
        }
        if let (Some(word), Some(shared)) = (word, &self.conditions[block].words) {
            let right = |right: u32| shared.first(left, right) == Some(word);
            retain(&mut pairs.right, before, right);
        }
        if block > 0 {
            let blocks = self.conditions.len();
            let own = &self.left[left as usize * blocks..][..block];
            retain(&mut pairs.right, before, |right| {
                let other = &self.right[right as usize * blocks..][..block];
                let held = |(earlier, (a, b)): (usize, (&u32, &u32))| {
                    a == b
                        && self.conditions[earlier]
                            .ranges
                            .iter()
                            .all(|range| range.holds(left, right))
                        && (self.conditions[earlier].words.as_ref())
                            .is_none_or(|words| words.first(left, right).is_some())
                };
                !own.iter().zip(other).enumerate().any(held)
            });
        }
        pairs.left.resize(pairs.right.len(), left);
    }
}
