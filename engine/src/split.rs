//! Splits: one record of one side (a whole) that equals the sum of several of the other (its parts),
//! as an invoice paid in instalments or a bank line that bundles ledger entries.
//!
//! **Solutions.** The candidates of a whole are the parts that share a block with it, lie within the
//! window (both days inclusive; with a window, a record without a day has no counterpart) and are not
//! zero, for a zero adds nothing and would make every solution ambiguous. A solution is a set of 2 to
//! `max_parts` candidates whose sum differs from the whole by at most the tolerance. Amounts of both
//! signs are exact. A single equal part is no split: passes that pair records find it.
//! If a whole has solutions with residual zero, then only those count; otherwise all within the
//! tolerance do. Nothing else ranks them: neither fewer parts nor nearer days make one of two
//! solutions the right one. One solution is *unique*, two or more are *ambiguous*; parts with equal
//! amounts are interchangeable, so a solution that uses some but not all of them is ambiguous, and
//! those nearest in days, then by index, are proposed.
//!
//! **Competition.** Every part goes to one whole at most. A unique solution is a claim. It rules out
//! the solutions of other wholes that need one of its parts; a whole that keeps one solution then
//! claims that, and so on until nothing changes. A whole that had solutions stays on the kind it
//! began with, residual zero or within tolerance. Claims are contested, and rule out nothing, where
//! - two of them need the same part, or
//! - together they leave a third whole, which had solutions, with none: whichever of them were taken
//!   last would meet that whole's claim on its last solution. All claims that touch one of its
//!   solutions are then contested. (If it has too many solutions to list: all that touch one of its
//!   candidates.)
//!
//! All other claims are confirmed. As no claim that counts empties another whole's choice, taking the
//! claims in any other order leads to the same ones: no confirmation depends on its turn. That a part
//! fits a single whole is no reason to confirm: nothing says that every part belongs to a whole.
//!
//! **Budgets.** `node_budget` bounds the steps of each search, `max_candidates` its candidates (after
//! those that no sum with others brings back to the whole are left out; eight times as many are looked
//! through). A whole over a budget is not searched again, claims
//! nothing and blocks nobody: it goes to review with the first solution found if any, else with the
//! parts whose sum came nearest; over `max_candidates`, among the candidates nearest in days. Sums
//! are exact while no amount exceeds `i128::MAX / (2 * (max_parts + 1))`; a whole that would need a
//! larger one counts as over budget too.
//!
//! **Review.** Contested, ambiguous and exhausted wholes are proposed in the order of their indices,
//! each with parts that are still free. A whole of which no solution is left free has no group.
//!
//! The search is depth first over the distinct amounts with their multiplicities, largest first,
//! bounded by the largest and smallest sum that the remaining amounts allow and by their greatest
//! common divisor. The last part, and in longer searches the last two, are looked up in sorted sums
//! (the idea of Horowitz and Sahni, "Computing Partitions with Applications to the Knapsack
//! Problem", J. ACM 21, 1974).

mod candidates;
mod instance;
mod parallel;
mod resolve;
mod search;
mod subset;
mod tails;
#[cfg(test)]
mod tests;
pub mod weighed;

use crate::threads;
use candidates::Index;

/// What counts as a split.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The largest difference between a whole and the sum of its parts, inclusive, in digits at the
    /// scale of the amounts.
    pub tolerance: u128,
    /// The largest number of parts; below 2 nothing is a split.
    pub max_parts: usize,
    /// The largest distance in days between a part and its whole, inclusive.
    pub window_days: Option<u32>,
    /// How many steps one search for a whole's parts may take.
    pub node_budget: u64,
    /// Among how many candidates the parts of a whole are looked for.
    pub max_candidates: usize,
}

/// A record as a split sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// The record's index, which occurs once on its side and is in the order of keys.
    pub index: u32,
    /// Digits; every amount of a problem has the same scale.
    pub amount: i128,
    /// Days since an epoch.
    pub day: Option<i32>,
}

/// The open records of one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// In any order. Records whose amount is null are left out.
    pub items: Vec<Item>,
    /// Which position of `items` lies in which block, in any order. An item may lie in several
    /// blocks; one in none takes no part.
    pub blocks: Vec<(u32, u32)>,
}

/// Where to look for splits. With many records on the left, the wholes are the right ones.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Records that may be a sum.
    pub wholes: Side,
    /// Records that may be summed.
    pub parts: Side,
}

/// What follows from a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The whole and its parts are matched.
    Confirmed,
    /// A person decides.
    Review,
}

/// Why a group has its [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No other set of parts fits the whole, and no other whole needs one of these.
    Unique,
    /// Other parts fit as well.
    Ambiguous,
    /// The whole `rival` needs some of these parts too.
    Contested {
        /// The index of such a whole.
        rival: u32,
    },
    /// The search ended early: the parts may not be the only ones that fit, and their sum may lie
    /// beyond the tolerance.
    BudgetExhausted,
    /// Its score lies below the threshold from which groups are confirmed.
    Unsure,
}

/// A whole and its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The index of the whole.
    pub whole: u32,
    /// The indices of the parts, ascending, at least two.
    pub parts: Vec<u32>,
    /// Whether it holds.
    pub verdict: Verdict,
    /// Why.
    pub why: Why,
    /// The sum of the parts minus the whole, in digits.
    pub residual: i128,
    /// What [`weighed`] evidence makes of the group, 0 to 1; 1 where amounts alone decide.
    pub score: f64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// By whole. No record is in two groups.
    pub groups: Vec<Group>,
    /// Wholes over a budget, with or without a group.
    pub exhausted: u64,
    /// Wholes that have solutions, but none whose parts were left for their review.
    pub crowded_out: u64,
    /// Steps of all searches.
    pub nodes: u64,
}

/// Finds the splits of a problem on all cores. The outcome depends on neither the order of the
/// records nor the number of cores.
///
/// `progress` is told how many wholes of how many were searched, from several threads; it answers
/// `false` to stop, and the result is then `None`.
pub fn solve(
    problem: &Problem,
    rules: &Rules,
    progress: &(dyn Fn(u64, u64) -> bool + Sync),
) -> Option<Outcome> {
    solve_on(threads::count(), problem, rules, progress)
}

fn solve_on(
    threads: usize,
    problem: &Problem,
    rules: &Rules,
    progress: &(dyn Fn(u64, u64) -> bool + Sync),
) -> Option<Outcome> {
    let index = Index::new(problem, rules.window_days);
    resolve::resolve(&index, rules, threads, progress)
}
