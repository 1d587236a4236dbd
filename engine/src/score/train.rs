//! Learning m and u without labels: expectation maximisation over counts of patterns.
//!
//! The model (I. Fellegi and A. Sunter, "A theory for record linkage", 1969): over all pairs of the
//! pass a share λ matches; comparison i shows level l with probability mᵢ(l) among matches and uᵢ(l)
//! among the others, independently of the other comparisons. EM as in W. Winkler, "Using the EM
//! algorithm for weight computation" (1988). A missing value is left out on both sides of the
//! ratio, so mᵢ and uᵢ are shares among pairs in which both values are present.
//!
//! **u** comes from random pairs of the whole space. Nearly all of them are no matches, but in small
//! lists a match or two among them would spoil the u of a comparison that strangers never agree on;
//! so a random pair counts with the probability that it is none.
//!
//! **m and λ** come from the candidates, of which many match. Candidates are no random sample,
//! which biases estimates in two ways, and both are met without giving up pairs:
//!
//! - A block on a column gives only pairs that agree on it, so they say nothing about its m. Hence
//!   a comparison learns only from pairs that at least one block gives which does not use the
//!   comparison's columns. Given that a pair matches, whether such a block gives it depends on
//!   other comparisons alone, and so not on the level at hand: the estimate is unbiased. With
//!   several blocks (an OR) each pair counts once, however many of them give it: a match without
//!   errors is in all of them and would otherwise make the data look cleaner than it is.
//! - λ must hold for the space and not for the candidates, because the weights of the blocks' own
//!   columns count in a pair's score. The expectation step therefore uses the whole pattern with
//!   the λ of the space, for which the way a pair was found is no further evidence; and λ becomes
//!   the candidates' expected matches, each pair once, divided by the pairs of the space. Matches
//!   that no block gives are missing in it: at a recall of 0.9 that is 0.15 of a bit.
//!
//! A comparison that every block uses learns its m from the matches among the random pairs alone,
//! and where there are hardly any it keeps the start value. All candidates of such a pass agree on
//! it, so it shifts their weights alike.

use super::levels::MISSING;
use super::pattern::Pattern;

/// EM stops after this many steps at the latest.
pub const ITERATIONS: usize = 200;
/// EM stops when no m changed by more, and λ by no larger share of itself.
pub const TOLERANCE: f64 = 1e-6;
/// The m of the highest level to start from; the other levels share the rest equally.
pub const START_TOP: f64 = 0.9;
/// As many matches are added to those found, spread like the start values, so that no m is 0 and a
/// handful of matches does not make a disagreement look impossible.
pub const PSEUDO_MATCHES: f64 = 10.0;
/// As many random pairs are added to each level, so that no u is 0.
pub const PSEUDO_PAIRS: f64 = 0.5;
/// λ corresponds to at least as many matches.
const LEAST_MATCHES: f64 = 0.5;
/// λ is at most this.
const MOST: f64 = 0.5;

/// What there is to learn from.
pub struct Evidence<'a> {
    /// The number of levels of each comparison.
    pub levels: &'a [usize],
    /// The patterns of the candidates.
    pub candidates: &'a [(Pattern, u64)],
    /// The patterns of random pairs.
    pub random: &'a [(Pattern, u64)],
    /// For each comparison the blocks that do not use its columns, as bits.
    pub free: &'a [u16],
    /// The pairs of the space that the candidates are the likely matches of.
    pub space: f64,
    /// The λ to start from.
    pub start: f64,
    /// The largest λ that the cardinality of the pass allows.
    pub most: f64,
}

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// λ, the share of matches among all pairs.
    pub prior: f64,
    /// By comparison and level.
    pub m: Vec<Vec<f64>>,
    /// By comparison and level.
    pub u: Vec<Vec<f64>>,
    /// The steps that EM took.
    pub iterations: usize,
    /// Whether EM stopped because nothing changed any more.
    pub converged: bool,
}

/// Learns λ, m and u. The result depends on the counts alone.
#[must_use]
pub fn train(evidence: &Evidence<'_>) -> Learned {
    let most = evidence.most.min(MOST);
    let mut learned = Learned {
        prior: evidence.start.min(most),
        m: evidence.levels.iter().map(|&count| start(count)).collect(),
        u: Tally::of_random(evidence).u(),
        iterations: 0,
        converged: false,
    };
    while !learned.converged && learned.iterations < ITERATIONS {
        let tally = Tally::expected(evidence, &learned);
        let prior = (tally.matches.max(LEAST_MATCHES) / evidence.space.max(1.0)).min(most);
        let next = Learned {
            prior,
            iterations: learned.iterations + 1,
            converged: (prior / learned.prior - 1.0).abs() < TOLERANCE,
            u: tally.u(),
            m: tally.into_m(),
        };
        let moved = (next.m.iter().flatten())
            .zip(learned.m.iter().flatten())
            .any(|(new, old)| (new - old).abs() >= TOLERANCE);
        learned = next;
        learned.converged &= !moved;
    }
    learned
}

/// The m that EM starts from.
fn start(levels: usize) -> Vec<f64> {
    let mut m = vec![(1.0 - START_TOP) / float(levels as u64 - 1); levels];
    m[levels - 1] = START_TOP;
    m
}

/// How many matches and other pairs are expected at each level.
struct Tally {
    matches: f64,
    m: Vec<Vec<f64>>,
    u: Vec<Vec<f64>>,
}

impl Tally {
    fn empty(evidence: &Evidence<'_>) -> Self {
        let pseudo = |&count: &usize| start(count).iter().map(|m| m * PSEUDO_MATCHES).collect();
        Self {
            matches: 0.0,
            m: evidence.levels.iter().map(pseudo).collect(),
            u: (evidence.levels.iter())
                .map(|&count| vec![PSEUDO_PAIRS; count])
                .collect(),
        }
    }

    /// Every random pair counts as no match.
    fn of_random(evidence: &Evidence<'_>) -> Self {
        let mut tally = Self::empty(evidence);
        for (pattern, count) in evidence.random {
            for (comparison, u) in tally.u.iter_mut().enumerate() {
                if let Some(share) = u.get_mut(usize::from(pattern.level(comparison))) {
                    *share += float(*count);
                }
            }
        }
        tally
    }

    /// The expectation step.
    fn expected(evidence: &Evidence<'_>, learned: &Learned) -> Self {
        let mut tally = Self::empty(evidence);
        let odds = learned.log_odds();
        for (pattern, count) in evidence.candidates {
            let matches = odds.probability(pattern) * float(*count);
            tally.matches += matches;
            for (comparison, m) in tally.m.iter_mut().enumerate() {
                if pattern.blocks & evidence.free[comparison] != 0
                    && let Some(share) = m.get_mut(usize::from(pattern.level(comparison)))
                {
                    *share += matches;
                }
            }
        }
        for (pattern, count) in evidence.random {
            let probability = odds.probability(pattern);
            let both = tally.m.iter_mut().zip(&mut tally.u);
            for (comparison, (m, u)) in both.enumerate() {
                let level = usize::from(pattern.level(comparison));
                if level < m.len() {
                    m[level] += probability * float(*count);
                    u[level] += (1.0 - probability) * float(*count);
                }
            }
        }
        tally
    }

    fn u(&self) -> Vec<Vec<f64>> {
        self.u.iter().map(|counts| shares(counts)).collect()
    }

    fn into_m(self) -> Vec<Vec<f64>> {
        self.m.iter().map(|counts| shares(counts)).collect()
    }
}

fn shares(counts: &[f64]) -> Vec<f64> {
    let sum: f64 = counts.iter().sum();
    counts.iter().map(|count| count / sum).collect()
}

/// Natural logarithms of the prior odds and of m/u, for one step.
struct LogOdds {
    prior: f64,
    ratios: Vec<Vec<f64>>,
}

impl Learned {
    fn log_odds(&self) -> LogOdds {
        let ratios =
            |(m, u): (&Vec<f64>, &Vec<f64>)| m.iter().zip(u).map(|(m, u)| (m / u).ln()).collect();
        LogOdds {
            prior: (self.prior / (1.0 - self.prior)).ln(),
            ratios: self.m.iter().zip(&self.u).map(ratios).collect(),
        }
    }
}

impl LogOdds {
    fn probability(&self, pattern: &Pattern) -> f64 {
        let mut odds = self.prior;
        for (comparison, ratios) in self.ratios.iter().enumerate() {
            let level = pattern.level(comparison);
            if level != MISSING {
                odds += ratios[usize::from(level)];
            }
        }
        1.0 / (1.0 + (-odds).exp())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of pairs stay far below 2^52"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
