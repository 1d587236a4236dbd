//! Finds which classes of an [`Instance`] add up to its target.

use super::instance::Instance;
use super::tails::{Tail, Tails};
use std::mem::take;

/// What the search is after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    /// Solutions beyond residual zero.
    pub near: bool,
    /// Solutions with residual zero, which make the others irrelevant.
    pub exact: bool,
    /// How many solutions of the best kind are enough.
    pub enough: usize,
    /// Whether interchangeable parts make one combination of amounts several solutions.
    pub exchange: bool,
}

/// Which sets of classes were found. A set lists its classes in order, each as often as it takes
/// part.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Residual zero.
    pub exact: Vec<Vec<u32>>,
    /// Within the tolerance.
    pub near: Vec<Vec<u32>>,
    /// The nearest sum that was met while there was no solution, by its distance.
    pub nearest: Option<(u128, Vec<u32>)>,
    /// The search was not cut off by its budget.
    pub complete: bool,
    /// The steps taken: classes considered and sums looked at.
    pub nodes: u64,
}

/// Buffers, kept from search to search.
#[derive(Debug, Default)]
pub(super) struct Subset {
    path: Vec<Frame>,
    chosen: Vec<u32>,
    tails: Tails,
}

/// A set of chosen classes in the tree of all.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The class chosen last, and how often in a row.
    class: u32,
    run: usize,
    /// What is missing to the target.
    rest: i128,
    /// The next class to consider.
    next: usize,
}

/// Why a descent ended.
enum End {
    Complete,
    Enough,
    Cut,
}

/// How many tails the first descent looks its sums up in, and how many times more each later one.
const FEWEST_TAILS: usize = 64;
const MORE_TAILS: usize = 8;

/// How many steps a descent may take for each tail before a longer table is worth its steps.
const STEPS_PER_TAIL: u64 = 4;

impl Subset {
    /// Searches within `budget` steps.
    pub fn find(&mut self, instance: &Instance, goal: Goal, budget: u64) -> Found {
        let mut found = Found::default();
        let mut limit = FEWEST_TAILS;
        self.tails.clear(instance);
        loop {
            found.nodes += self.tails.grow(instance, limit);
            let more = limit * MORE_TAILS;
            let allowed = found.nodes + limit as u64 * STEPS_PER_TAIL;
            let is_last = self.tails.from == 0 || allowed + more as u64 * 2 > budget;
            let allowed = if is_last { budget } else { allowed };
            let earlier = (take(&mut found.exact), take(&mut found.near));
            let end = self.descend(instance, goal, allowed, &mut found);
            found.complete = !matches!(end, End::Cut);
            if found.complete || is_last {
                if found.exact.is_empty() && found.near.is_empty() && !found.complete {
                    (found.exact, found.near) = earlier;
                }
                return found;
            }
            limit = more;
        }
    }

    /// Goes through all sets of the classes before the tails that may become a solution, each once,
    /// and completes each with tails, until `budget` steps are taken in all.
    fn descend(&mut self, instance: &Instance, goal: Goal, budget: u64, found: &mut Found) -> End {
        let mut ledger = Ledger::new(instance, goal, budget, found);
        self.chosen.clear();
        self.path.clear();
        self.path.push(Frame {
            class: u32::MAX,
            run: 0,
            rest: instance.target,
            next: 0,
        });
        self.complete(&mut ledger);
        while let Some(frame) = self.path.last_mut() {
            if ledger.has_enough() {
                return End::Enough;
            }
            if ledger.is_spent() {
                return End::Cut;
            }
            ledger.found.nodes += 1;
            let slots = instance.slots - self.chosen.len();
            let class = frame.next;
            if slots == 0
                || class >= self.tails.from
                || !instance.is_within(frame.rest, class, slots, ledger.tolerance)
            {
                self.path.pop();
                self.chosen.pop();
                continue;
            }
            frame.next += 1;
            let Ok(chosen) = u32::try_from(class) else {
                continue;
            };
            let rest = frame.rest - instance.classes[class].amount;
            let run = if frame.class == chosen {
                frame.run + 1
            } else {
                1
            };
            if !instance.may_reach(rest, class, slots - 1, ledger.tolerance) {
                continue;
            }
            let mut next = class + usize::from(run == instance.classes[class].count);
            if instance.all_positive {
                let largest = rest + ledger.tolerance;
                let later = &instance.classes[next..];
                next += later.partition_point(|class| class.amount > largest);
            }
            self.chosen.push(chosen);
            self.path.push(Frame {
                class: chosen,
                run,
                rest,
                next,
            });
            self.complete(&mut ledger);
        }
        if ledger.has_enough() {
            End::Enough
        } else if ledger.is_cut {
            End::Cut
        } else {
            End::Complete
        }
    }

    /// Looks up the tails that complete the set chosen so far.
    fn complete(&self, ledger: &mut Ledger) {
        let Some(frame) = self.path.last() else {
            return;
        };
        let chosen = &self.chosen;
        let instance = ledger.instance;
        let fits = |tail: Tail| {
            let count = chosen.len() + tail.len();
            count >= 2 && count <= instance.slots
        };
        let set = |tail: Tail| {
            chosen
                .iter()
                .copied()
                .chain(self.tails.classes(tail))
                .collect()
        };
        let start = self.tails.at(frame.rest - ledger.tolerance);
        let highest = frame.rest + ledger.tolerance;
        for &tail in &self.tails.sums[start..] {
            if tail.sum > highest || ledger.has_enough() {
                break;
            }
            if ledger.is_spent() {
                ledger.is_cut = true;
                break;
            }
            ledger.found.nodes += 1;
            if fits(tail) && ledger.counts(tail.sum - frame.rest) {
                ledger.book(set(tail), tail.sum - frame.rest);
            }
        }
        let end = self.tails.sums.len().min(start + 1);
        for &tail in &self.tails.sums[start.saturating_sub(1)..end] {
            let distance = tail.sum.abs_diff(frame.rest);
            if ledger.is_nearer(distance) && fits(tail) {
                ledger.found.nearest = Some((distance, set(tail)));
            }
        }
    }
}

/// What was found so far, and what is still of use.
struct Ledger<'a> {
    instance: &'a Instance,
    goal: Goal,
    budget: u64,
    found: &'a mut Found,
    /// How far from the target a sum may lie to be of use.
    tolerance: i128,
    exact: usize,
    near: usize,
    /// Tails were left out because the budget was spent.
    is_cut: bool,
}

impl<'a> Ledger<'a> {
    fn new(instance: &'a Instance, goal: Goal, budget: u64, found: &'a mut Found) -> Self {
        Self {
            instance,
            goal,
            budget,
            found,
            tolerance: if goal.near { instance.tolerance } else { 0 },
            exact: 0,
            near: 0,
            is_cut: false,
        }
    }

    fn has_enough(&self) -> bool {
        self.exact >= self.goal.enough || !self.goal.exact && self.near >= self.goal.enough
    }

    fn is_spent(&self) -> bool {
        self.found.nodes >= self.budget
    }

    fn counts(&self, residual: i128) -> bool {
        residual.abs() <= self.tolerance
    }

    fn book(&mut self, set: Vec<u32>, residual: i128) {
        let counts = if self.goal.exchange && self.instance.can_exchange(&set) {
            self.goal.enough
        } else {
            1
        };
        if residual == 0 && self.goal.exact {
            self.exact += counts;
            self.found.exact.push(set);
            self.tolerance = 0;
        } else {
            self.near += counts;
            self.found.near.push(set);
            if self.goal.exact && self.near >= self.goal.enough {
                self.tolerance = 0;
            }
        }
    }

    fn is_nearer(&self, distance: u128) -> bool {
        let nearest = self.found.nearest.as_ref();
        self.exact + self.near == 0 && nearest.is_none_or(|(best, _)| distance < *best)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Item, Rules};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn instance(target: i128, amounts: &[i128], tolerance: u128, max_parts: usize) -> Instance {
        let item = |(index, amount)| Item {
            index,
            amount,
            day: None,
        };
        let items: Vec<Item> = (0..).zip(amounts.iter().copied()).map(item).collect();
        let parts: Vec<u32> = items.iter().map(|item| item.index).collect();
        let rules = Rules {
            tolerance,
            max_parts,
            window_days: None,
            node_budget: 0,
            max_candidates: 100,
        };
        let mut instance = Instance::default();
        instance.fill(&item((0, target)), &items, &parts, &rules);
        instance
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_number_of_tails_finds_each_set_of_amounts_once(
            amounts in prop::collection::vec((-5_i128..30).prop_filter("zero", |a| *a != 0), 2..12),
            target in -5_i128..100,
            tolerance in 0_u128..3,
            max_parts in 2_usize..8,
        ) {
            let instance = instance(target, &amounts, tolerance, max_parts);
            let goal = Goal { near: true, exact: false, enough: usize::MAX, exchange: false };
            let mut subset = Subset::default();
            let mut all = Vec::new();
            subset.tails.clear(&instance);
            for limit in [1, 3, 20, 200, 5_000] {
                subset.tails.grow(&instance, limit);
                let mut found = Found::default();
                subset.descend(&instance, goal, u64::MAX, &mut found);
                let distinct: BTreeSet<Vec<u32>> = found.near.iter().cloned().collect();
                prop_assert_eq!(distinct.len(), found.near.len());
                all.push(distinct);
            }
            prop_assert!(all.iter().all(|sets| *sets == all[0]));
            let sums = |mask: u32| -> i128 {
                let chosen = amounts.iter().enumerate().filter(|(at, _)| mask >> at & 1 == 1);
                chosen.map(|(_, amount)| amount).sum()
            };
            let fits = |mask: &u32| {
                (2..=max_parts).contains(&(mask.count_ones() as usize))
                    && (sums(*mask) - target).unsigned_abs() <= tolerance
            };
            let exists = (0_u32..1 << amounts.len()).any(|mask| fits(&mask));
            prop_assert_eq!(!all[0].is_empty(), exists);
        }
    }
}
