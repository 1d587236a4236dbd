//! The rules of the module on listed solutions: all subsets of the parts of every whole.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

type Solutions = BTreeMap<u32, Vec<Vec<u32>>>;

pub(super) struct Reference {
    first: Solutions,
    end: Solutions,
    contested: BTreeSet<u32>,
}

impl Reference {
    pub fn new(problem: &Problem, rules: &Rules) -> Self {
        let first: Solutions = (0..)
            .zip(&problem.wholes.items)
            .map(|(position, whole)| (whole.index, solutions(problem, rules, position, whole)))
            .filter(|(_, solutions)| !solutions.is_empty())
            .collect();
        let mut refused = BTreeSet::new();
        loop {
            let (end, contested) = settle(&first, &refused);
            let bereft = end.iter().filter(|(_, solutions)| solutions.is_empty());
            let lost: BTreeSet<u32> = bereft
                .flat_map(|(whole, _)| first[whole].iter().flatten().copied())
                .collect();
            let before = refused.len();
            refused.extend(
                end.iter()
                    .filter(|(whole, solutions)| {
                        !contested.contains(*whole)
                            && solutions.len() == 1
                            && solutions[0].iter().any(|part| lost.contains(part))
                    })
                    .map(|(whole, _)| *whole),
            );
            if refused.len() == before {
                return Self {
                    first,
                    end,
                    contested,
                };
            }
        }
    }

    fn claims(&self) -> impl Iterator<Item = (u32, Vec<u32>)> {
        let claims = self
            .end
            .iter()
            .filter(|(_, solutions)| solutions.len() == 1);
        claims.map(|(whole, solutions)| (*whole, solutions[0].clone()))
    }

    pub fn confirmed(&self) -> BTreeSet<(u32, Vec<u32>)> {
        let claims = self.claims();
        claims
            .filter(|(whole, _)| !self.contested.contains(whole))
            .collect()
    }

    pub fn contested(&self) -> BTreeSet<(u32, Vec<u32>)> {
        let claims = self.claims();
        claims
            .filter(|(whole, _)| self.contested.contains(whole))
            .collect()
    }

    /// The solutions of a whole that has several.
    pub fn ambiguous(&self, whole: u32) -> &[Vec<u32>] {
        match &self.end[&whole] {
            one if one.len() == 1 => &[],
            several => several,
        }
    }

    pub fn to_review(&self) -> impl Iterator<Item = (u32, &Vec<Vec<u32>>)> {
        self.end
            .iter()
            .filter(|(whole, solutions)| solutions.len() > 1 || self.contested.contains(whole))
            .map(|(whole, solutions)| (*whole, solutions))
    }
}

/// Takes the claims that count one at a time, in the order of `order` among those that can be
/// taken; returns those that stand against no other whole's claim or last solution.
pub(super) fn confirmed_in_order(
    reference: &Reference,
    order: &[u32],
) -> BTreeSet<(u32, Vec<u32>)> {
    let mut left = reference.first.clone();
    let mut taken = BTreeSet::new();
    loop {
        let next = order.iter().find(|whole| {
            !taken.contains(*whole)
                && !reference.contested.contains(whole)
                && left
                    .get(whole)
                    .is_some_and(|solutions| solutions.len() == 1)
        });
        let Some(&next) = next else { break };
        taken.insert(next);
        let claim = left[&next][0].clone();
        for (whole, solutions) in &mut left {
            if *whole != next {
                solutions.retain(|parts| are_disjoint(parts, &claim));
            }
        }
    }
    left.iter()
        .filter(|(whole, solutions)| taken.contains(*whole) && solutions.len() == 1)
        .map(|(whole, solutions)| (*whole, solutions[0].clone()))
        .collect()
}

fn are_disjoint(one: &[u32], other: &[u32]) -> bool {
    one.iter().all(|part| !other.contains(part))
}

/// Round by round until nothing changes: the solutions left, and which wholes' claims are
/// contested.
fn settle(first: &Solutions, refused: &BTreeSet<u32>) -> (Solutions, BTreeSet<u32>) {
    let mut left = first.clone();
    let mut contested = refused.clone();
    let mut claims: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    loop {
        let fresh: Vec<(u32, Vec<u32>)> = left
            .iter()
            .filter(|(whole, solutions)| solutions.len() == 1 && !claims.contains_key(whole))
            .map(|(whole, solutions)| (*whole, solutions[0].clone()))
            .collect();
        if fresh.is_empty() {
            return (left, contested);
        }
        claims.extend(fresh);
        for (one, parts) in &claims {
            for (other, others) in &claims {
                if one != other && !are_disjoint(parts, others) {
                    contested.insert(*one);
                }
            }
        }
        for (whole, parts) in &claims {
            if contested.contains(whole) {
                continue;
            }
            for (other, solutions) in &mut left {
                if !claims.contains_key(other) {
                    solutions.retain(|set| are_disjoint(set, parts));
                }
            }
        }
    }
}

fn solutions(problem: &Problem, rules: &Rules, position: u32, whole: &Item) -> Vec<Vec<u32>> {
    let blocks = |side: &Side, position: u32| -> BTreeSet<u32> {
        let of = side.blocks.iter().filter(|(at, _)| *at == position);
        of.map(|(_, block)| *block).collect()
    };
    let own = blocks(&problem.wholes, position);
    let candidates: Vec<&Item> = (0..)
        .zip(&problem.parts.items)
        .filter(|(at, part)| {
            let is_near = match (rules.window_days, whole.day, part.day) {
                (None, ..) => true,
                (Some(window), Some(a), Some(b)) => a.abs_diff(b) <= window,
                (Some(_), ..) => false,
            };
            is_near && part.amount != 0 && !own.is_disjoint(&blocks(&problem.parts, *at))
        })
        .map(|(_, part)| part)
        .collect();
    let mut found = Vec::new();
    for mask in 0_u32..1 << candidates.len() {
        let count = mask.count_ones() as usize;
        if count < 2 || count > rules.max_parts {
            continue;
        }
        let chosen = || {
            (0..)
                .zip(&candidates)
                .filter(|(at, _)| mask >> *at & 1 == 1)
        };
        let sum: i128 = chosen().map(|(_, part)| part.amount).sum();
        let residual = (sum - whole.amount).unsigned_abs();
        if residual <= rules.tolerance {
            let parts: Vec<u32> = chosen().map(|(_, part)| part.index).collect();
            found.push((residual, parts));
        }
    }
    let has_exact = found.iter().any(|(residual, _)| *residual == 0);
    let counts = |residual: u128| !has_exact || residual == 0;
    let kept = found.into_iter().filter(|(residual, _)| counts(*residual));
    kept.map(|(_, parts)| parts).collect()
}
