//! The ledger of a run: which records are taken, by which pairs, over the passes.

use crate::assign::{Assignment, Chosen, Edge, groups};
use crate::outcome::{Outcome, Side};
use crate::split;

/// A pair of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The pair and its score.
    pub chosen: Chosen,
    /// The pass that made it, by index.
    pub pass: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// The group that it belongs to: records that are joined through pairs have one number.
    pub group: u32,
    /// What the sum of its group is, where the pass adds records up.
    pub split: Option<Split>,
}

/// What is known of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Why the group holds, or why a person decides.
    pub why: split::Why,
    /// How many records add up.
    pub parts: u32,
    /// The sum of the parts less the one record, in digits at `scale`.
    pub residual: i128,
    /// The digits after the point of `residual`.
    pub scale: u8,
}

/// Which records are taken, over the passes.
#[derive(Debug)]
pub struct Ledger {
    /// Left records in no confirmed pair yet.
    pub left_open: Vec<bool>,
    /// Right records in no confirmed pair yet.
    pub right_open: Vec<bool>,
    confirmed: Vec<Pair>,
    /// By group, in the order of passes.
    review: Vec<Pair>,
    groups: u32,
}

impl Ledger {
    /// Nothing is decided yet.
    #[must_use]
    pub fn new(lefts: usize, rights: usize) -> Self {
        Self {
            left_open: vec![true; lefts],
            right_open: vec![true; rights],
            confirmed: Vec::new(),
            review: Vec::new(),
            groups: 0,
        }
    }

    /// Books what a pass decided. Confirmed records leave; those for review go on.
    pub fn book(&mut self, pass: usize, assignment: &Assignment) {
        for (outcome, chosen) in [
            (Outcome::Matched, &assignment.confirmed),
            (Outcome::Review, &assignment.review),
        ] {
            let ends: Vec<(u32, u32)> =
                chosen.iter().map(|c| (c.edge.left, c.edge.right)).collect();
            let numbers = groups(&ends);
            let pairs = chosen.iter().zip(&numbers).map(|(&chosen, number)| Pair {
                chosen,
                pass,
                outcome,
                group: self.groups + number,
                split: None,
            });
            let mut pairs: Vec<Pair> = pairs.collect();
            if !pairs.is_sorted_by_key(|pair| pair.group) {
                pairs.sort_by_key(|pair| pair.group);
            }
            self.groups += numbers.iter().max().map_or(0, |most| most + 1);
            self.add(pairs);
        }
    }

    /// Books the groups that a pass added up; the wholes are on `side`.
    pub fn book_splits(&mut self, pass: usize, side: Side, scale: u8, found: &[split::Group]) {
        for group in found {
            let confirmed = group.verdict == split::Verdict::Confirmed;
            let known = Split {
                why: group.why,
                parts: u32::try_from(group.parts.len()).unwrap_or(u32::MAX),
                residual: group.residual,
                scale,
            };
            let pair = |&part: &u32| {
                let (left, right) = match side {
                    Side::Left => (group.whole, part),
                    Side::Right => (part, group.whole),
                };
                Pair {
                    chosen: Chosen {
                        edge: Edge {
                            left,
                            right,
                            score: group.score,
                            weight: group.score,
                        },
                        tied: false,
                        ambiguous: group.why == split::Why::Ambiguous,
                    },
                    pass,
                    outcome: if confirmed {
                        Outcome::Matched
                    } else {
                        Outcome::Review
                    },
                    group: self.groups,
                    split: Some(known),
                }
            };
            let pairs = group.parts.iter().map(pair).collect();
            self.groups += 1;
            self.add(pairs);
        }
    }

    /// Takes pairs of one outcome, by group.
    fn add(&mut self, pairs: Vec<Pair>) {
        let Some(first) = pairs.first() else {
            return;
        };
        if first.outcome == Outcome::Review {
            self.review.extend(pairs);
            return;
        }
        for pair in &pairs {
            self.left_open[pair.chosen.edge.left as usize] = false;
            self.right_open[pair.chosen.edge.right as usize] = false;
        }
        if self.confirmed.is_empty() {
            self.confirmed = pairs;
        } else {
            self.confirmed.extend(pairs);
        }
    }

    /// Every pair that a pass confirmed or put to review, also where a later pass has overruled it.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.confirmed.iter().chain(&self.review)
    }

    /// The pairs of the result, by left key, then right key: every confirmed one, and of those for
    /// review the first of each record, in the order of passes, where no later pass confirmed one of
    /// its records. A sum is for review as a whole or not at all.
    #[must_use]
    pub fn close(self) -> Vec<Pair> {
        let (mut left, mut right) = (self.left_open, self.right_open);
        let mut pairs = self.confirmed;
        for group in self.review.chunk_by(|a, b| a.group == b.group) {
            let is_open = |pair: &&Pair| {
                left[pair.chosen.edge.left as usize] && right[pair.chosen.edge.right as usize]
            };
            let kept: Vec<Pair> = group.iter().filter(is_open).copied().collect();
            let is_sum = group[0].split.is_some();
            if is_sum && kept.len() < group.len() {
                continue;
            }
            for pair in &kept {
                left[pair.chosen.edge.left as usize] = false;
                right[pair.chosen.edge.right as usize] = false;
            }
            pairs.extend(kept);
        }
        let keys = |pair: &Pair| (pair.chosen.edge.left, pair.chosen.edge.right);
        if !pairs.is_sorted_by_key(keys) {
            pairs.sort_by_key(keys);
        }
        pairs
    }
}
