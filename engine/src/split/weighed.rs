//! Splits with evidence: what is known of each whole and part, besides amounts, decides between sums.
//!
//! **Hypotheses.** A set of 1 to `max_parts` candidates whose sum lies within the tolerance of the
//! whole is a hypothesis. Its merit is the sum of its pairs' merits and, under [`Measure::Odds`], of
//! what the amounts say: how rarely a stranger's amount would lie where the sum does. A single part
//! that equals the whole is a hypothesis too, for it may be the better explanation; it is never a
//! group.
//!
//! The pairs of a group share their whole, and so do their disagreements: a text that says nothing
//! agrees with none of the parts. Hence what a comparison says against a group counts once, as its
//! worst pair says it, and not once for each part: of `Σᵢ wᵢ` and `minᵢ wᵢ` the larger counts.
//!
//! **Odds.** Merits are match weights, the base-2 logarithms of odds. Of hypotheses that share a
//! record at most one holds, or none does. So the probability of one is its odds by the sum of the
//! odds of all that share a record with it, itself and none (odds 1) included. Beside these stand,
//! for the whole, all its candidates with more for than against them without a sum that fits, and for
//! each part its best pair with another whole without one: [`MISS`] says how rarely true parts do not
//! add up.
//!
//! **Mean.** Merits are scores, and the mean of a group's pairs is its score.
//!
//! **Decision.** In rounds: a group whose score reaches `accept`, while every rival's score is lower
//! by more than `margin`, is confirmed; then everything that needs one of its records is off, and the
//! rest is judged anew, until no round confirms any. A round judges all groups by the same state and
//! confirms none that share a record, so nothing depends on turns. Groups that would reach the lower
//! threshold without their rivals go to review, the best first, with records that are still free.
//!
//! **Search.** Branch and bound, the candidates with most merit first, the last part looked up by its
//! amount. At first a candidate is hoped to have nothing against it, which finds every hypothesis.
//! Where that takes more than [`HOPEFUL`] of the budget, those are looked for whose merits, simply
//! added up, are enough.
//!
//! **Budgets.** As for sums without evidence: a whole whose search is cut short claims nothing,
//! blocks nobody, and goes to review with the best group that was met.

mod decide;
mod lists;
mod search;
#[cfg(test)]
mod tests;

use super::{Item, Outcome, Rules};
use crate::threads;

/// Merits are whole numbers of this fraction, so that their sums have no order.
pub const UNITS: f64 = 1e9;
/// The largest merit of one pair, in units: beyond a million bits nothing changes.
const MOST: f64 = 1e15;
/// log₂ of how rarely the parts of a true sum do not add up to the whole: one in twenty.
pub const MISS: f64 = -4.321_928_094_887_363;
/// log₂ of how often they do.
pub const HIT: f64 = -0.074_000_581_443_776_93;

/// The share of the budget for the search that finds every hypothesis: one in so many.
const HOPEFUL: u64 = 8;

/// A whole and a part that may belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The whole's position.
    pub whole: u32,
    /// The part's position.
    pub part: u32,
    /// What speaks for the two, in [`UNITS`].
    pub merit: i64,
}

/// What the amounts say for a sum, in [`UNITS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// Where the sum equals the whole.
    pub exact: i64,
    /// Where it lies within the tolerance.
    pub near: i64,
}

/// Where to look.
#[derive(Clone, Debug, Default)]
pub struct Problem {
    /// Records that may be a sum, in the order of their indices.
    pub wholes: Vec<Item>,
    /// Records that may be summed, in the order of their indices.
    pub parts: Vec<Item>,
    /// What may belong together, in any order, each once.
    pub candidates: Vec<Candidate>,
    /// What each comparison says of each candidate, side by side in [`UNITS`]; each comes on top of
    /// what the merit has besides. Empty where merits simply add up.
    pub evidence: Vec<i64>,
    /// What the amounts say, for each whole; without meaning under [`Measure::Mean`].
    pub fits: Vec<Fit>,
}

/// What merits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Match weights in bits, which add up.
    Odds,
    /// Scores from 0 to 1, of which the mean counts.
    Mean,
}

/// What a group needs to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// What merits are.
    pub measure: Measure,
    /// From this score a group is confirmed.
    pub accept: f64,
    /// From this score a person looks at it.
    pub review: f64,
    /// How near a rival's score may not be; 0: it must be lower.
    pub margin: f64,
}

/// A merit in [`UNITS`].
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what 64 bits hold"
)]
pub fn units(merit: f64) -> i64 {
    (merit * UNITS).round().clamp(-MOST, MOST) as i64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what a sum of merits loses beyond 52 bits is far below a unit's meaning"
)]
fn real(units: i64) -> f64 {
    units as f64 / UNITS
}

/// Finds the splits of a problem on all cores. The outcome depends on neither the order of candidates
/// nor the number of cores. `progress` as for [`super::solve`].
pub fn solve(
    problem: &Problem,
    rules: &Rules,
    thresholds: &Thresholds,
    progress: &(dyn Fn(u64, u64) -> bool + Sync),
) -> Option<Outcome> {
    let threads = threads::count();
    solve_on(threads, problem, rules, thresholds, progress)
}

fn solve_on(
    threads: usize,
    problem: &Problem,
    rules: &Rules,
    thresholds: &Thresholds,
    progress: &(dyn Fn(u64, u64) -> bool + Sync),
) -> Option<Outcome> {
    let lists = lists::Lists::new(problem, rules.window_days);
    decide::decide(problem, &lists, rules, thresholds, threads, progress)
}
