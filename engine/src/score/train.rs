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
//! **Rivals**: where a record has one partner at most, the candidates of a record compete (see
//! [`super::rivals`]). What loses clearly teaches r, the levels of pairs that are no match and yet
//! look like one, and their number ρ for every other pair. A pair that is no match then looks like
//! strangers or like a rival. Without them the persons of a household would pass for matches whose
//! names and birth dates differ, and m would say so.
//!
//! A comparison that every block uses learns its m from the matches among the random pairs alone,
//! and where there are hardly any it keeps the start value. All candidates of such a pass agree on
//! it, so it shifts their weights alike.

use super::frequency::float;
use super::levels::MISSING;
use super::pattern::Pattern;
use super::rivals::{Expected, Rivalry};

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
    /// The candidates as pairs that compete, where records have one partner at most.
    pub rivalry: Option<Rivalry<'a>>,
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
    /// What was learned of rivals; none where there are none to speak of.
    pub rivals: Option<Rivals>,
    /// The steps that EM took.
    pub iterations: usize,
    /// Whether EM stopped because nothing changed any more.
    pub converged: bool,
}

/// What was learned of the pairs that look like matches and lose to a better partner.
#[derive(Clone, Debug, PartialEq)]
pub struct Rivals {
    /// ρ, how many there are for every other pair.
    pub ratio: f64,
    /// By comparison and level, shares among rivals.
    pub r: Vec<Vec<f64>>,
}

/// Learns λ, m, u, ρ and r. The result depends on the counts alone.
#[must_use]
pub fn train(evidence: &Evidence<'_>) -> Learned {
    let most = evidence.most.min(MOST);
    let mut learned = Learned {
        prior: evidence.start.min(most),
        m: evidence.levels.iter().map(|&count| start(count)).collect(),
        u: Tally::of_random(evidence).u(),
        rivals: None,
        iterations: 0,
        converged: false,
    };
    let mut rivals = 0.0;
    while !learned.converged && learned.iterations < ITERATIONS {
        let tally = Tally::expected(evidence, &learned);
        let prior = (tally.matches.max(LEAST_MATCHES) / evidence.space.max(1.0)).min(most);
        rivals = tally.rivals;
        let next = Learned {
            prior,
            iterations: learned.iterations + 1,
            converged: (prior / learned.prior - 1.0).abs() < TOLERANCE,
            u: tally.u(),
            rivals: evidence.rivalry.as_ref().map(|_| Rivals {
                ratio: (tally.rivals / evidence.space.max(1.0)).min(MOST),
                r: tally.r.iter().map(|counts| shares(counts)).collect(),
            }),
            m: tally.m.iter().map(|counts| shares(counts)).collect(),
        };
        let (m, old_m) = (next.m.iter().flatten(), learned.m.iter().flatten());
        let r = |learned: &Learned| {
            let rivals = learned.rivals.as_ref();
            rivals.map(|rivals| rivals.r.iter().flatten().copied().collect::<Vec<f64>>())
        };
        let (r, old_r) = (r(&next), r(&learned));
        let moved = (m.zip(old_m))
            .chain(r.iter().flatten().zip(old_r.iter().flatten()))
            .any(|(new, old)| (new - old).abs() >= TOLERANCE);
        learned = next;
        learned.converged &= !moved;
    }
    // So few say nothing: the start values outweigh them.
    if rivals < PSEUDO_MATCHES {
        learned.rivals = None;
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
    rivals: f64,
    m: Vec<Vec<f64>>,
    u: Vec<Vec<f64>>,
    r: Vec<Vec<f64>>,
}

impl Tally {
    fn empty(evidence: &Evidence<'_>) -> Self {
        let pseudo = |&count: &usize| start(count).iter().map(|m| m * PSEUDO_MATCHES).collect();
        Self {
            matches: 0.0,
            rivals: 0.0,
            r: Vec::new(),
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
        // Rivals of which nothing is known look like strangers.
        tally.r = (learned.u.iter())
            .map(|u| u.iter().map(|u| u * PSEUDO_MATCHES).collect())
            .collect();
        let odds = learned.log_odds();
        let expected = odds.expected(evidence);
        for ((pattern, _), expected) in evidence.candidates.iter().zip(expected) {
            tally.matches += expected.matches;
            tally.rivals += expected.rivals;
            for (comparison, (m, r)) in tally.m.iter_mut().zip(&mut tally.r).enumerate() {
                let level = usize::from(pattern.level(comparison));
                if pattern.blocks & evidence.free[comparison] != 0 && level < m.len() {
                    m[level] += expected.matches;
                    r[level] += expected.rivals;
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
}

fn shares(counts: &[f64]) -> Vec<f64> {
    let sum: f64 = counts.iter().sum();
    counts.iter().map(|count| count / sum).collect()
}

/// The probability of these odds, whose natural logarithm this is.
fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

/// Natural logarithms of the prior odds, of m/u, of ρ and of r/u, for one step.
struct LogOdds {
    prior: f64,
    ratios: Vec<Vec<f64>>,
    rivals: Option<(f64, Vec<Vec<f64>>)>,
}

impl Learned {
    fn log_odds(&self) -> LogOdds {
        let over_u = |shares: &Vec<Vec<f64>>| {
            let ratios = |(shares, u): (&Vec<f64>, &Vec<f64>)| {
                shares.iter().zip(u).map(|(m, u)| (m / u).ln()).collect()
            };
            shares.iter().zip(&self.u).map(ratios).collect()
        };
        LogOdds {
            prior: (self.prior / (1.0 - self.prior)).ln(),
            ratios: over_u(&self.m),
            rivals: (self.rivals.as_ref()).map(|rivals| (rivals.ratio.ln(), over_u(&rivals.r))),
        }
    }
}

impl LogOdds {
    /// The logarithms of the odds of a match, and of how many rivals there are for every stranger.
    fn of(&self, pattern: &Pattern) -> (f64, f64) {
        let sum = |start: f64, ratios: &[Vec<f64>]| {
            let mut sum = start;
            for (comparison, ratios) in ratios.iter().enumerate() {
                let level = pattern.level(comparison);
                if level != MISSING {
                    sum += ratios[usize::from(level)];
                }
            }
            sum
        };
        let odds = sum(self.prior, &self.ratios);
        match &self.rivals {
            None => (odds, f64::NEG_INFINITY),
            Some((ratio, ratios)) => {
                let rivals = sum(*ratio, ratios);
                // ln(1 + e^x), without the overflow of e^x.
                (
                    odds - rivals.max(0.0) - (-rivals.abs()).exp().ln_1p(),
                    rivals,
                )
            }
        }
    }

    fn probability(&self, pattern: &Pattern) -> f64 {
        logistic(self.of(pattern).0)
    }

    /// What is expected of the candidates of each pattern.
    fn expected(&self, evidence: &Evidence<'_>) -> Vec<Expected> {
        let Some(rivalry) = &evidence.rivalry else {
            let alone = |(pattern, count): &(Pattern, u64)| Expected {
                matches: self.probability(pattern) * float(*count),
                rivals: 0.0,
            };
            return evidence.candidates.iter().map(alone).collect();
        };
        let times = rivalry.times(logistic(self.prior)).ln();
        let (mut odds, mut sure) = (Vec::new(), Vec::new());
        for (pattern, _) in evidence.candidates {
            let (own, rivals) = self.of(pattern);
            let own = own + times;
            odds.push(own.exp());
            // At first a rival is what would pass for a match.
            sure.push(logistic(self.rivals.as_ref().map_or(own, |_| rivals)));
        }
        rivalry.expected(&odds, &sure)
    }
}

#[cfg(test)]
#[path = "train_tests.rs"]
mod tests;
