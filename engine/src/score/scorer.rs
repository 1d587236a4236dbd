//! From the similarities of a pair's values to its score.

use super::fellegi_sunter::{Contribution, FellegiSunter, least_bits, probability};
use super::pattern::{Counter, Pattern};
use super::rounded;
use crate::assign::Edge;
use crate::compare::{FAILED, Feature};
use crate::error::Error;
use crate::plan::PassPlan;
use crate::score::levels::Levels;
use crds::matching::Score;
use datafusion::arrow::array::RecordBatch;
use std::sync::Arc;

/// Slack for pruning: far above the rounding errors of a sum of 64 terms, so that no pair is pruned
/// that the final score would keep.
const PRUNING_SLACK: f64 = 1e-9;

/// The comparisons of one pass over the records of both sides.
pub struct Features {
    all: Vec<Feature>,
    levels: Vec<Levels>,
}

impl Features {
    /// Prepares the comparisons of a pass over normalised columns.
    ///
    /// # Errors
    /// When the values of a comparison cannot be brought to a common scale.
    pub fn new(pass: &PassPlan, left: &RecordBatch, right: &RecordBatch) -> Result<Self, Error> {
        let mut features = Vec::new();
        for (index, plan) in pass.comparisons.iter().enumerate() {
            let path = format!("{}.compare[{index}]", pass.path);
            features.push(Feature::new(plan, &path, left, right)?);
        }
        Ok(Self {
            all: features,
            levels: pass
                .comparisons
                .iter()
                .map(|plan| plan.levels.clone())
                .collect(),
        })
    }

    /// Counts the patterns of pairs, the first of which has the number `first`; `blocks` are the
    /// blocks that gave each, or empty.
    pub fn count(
        &self,
        first: usize,
        (left, right): (&[u32], &[u32]),
        blocks: &[u16],
        counter: &mut Counter,
    ) {
        let pairs: Vec<u32> = (0..).take(left.len()).collect();
        let mut patterns: Vec<Pattern> = (0..left.len())
            .map(|pair| Pattern::new(blocks.get(pair).copied().unwrap_or_default()))
            .collect();
        let mut similarities = vec![0.0; left.len()];
        for (index, (feature, levels)) in self.all.iter().zip(&self.levels).enumerate() {
            feature.compare(left, right, &pairs, &mut similarities);
            for (pattern, &similarity) in patterns.iter_mut().zip(&similarities) {
                pattern.set(index, levels.level(similarity));
            }
        }
        counter.add(first, patterns);
    }

    /// The similarity of each comparison, in the order of the specification, for one pair.
    fn similarities(&self, left: u32, right: u32) -> Vec<f64> {
        self.all
            .iter()
            .map(|feature| {
                let mut similarity = [0.0];
                feature.compare(&[left], &[right], &[0], &mut similarity);
                similarity[0]
            })
            .collect()
    }
}

/// How similarities become a score.
enum Method {
    All,
    Weighted,
    FellegiSunter(FellegiSunter),
}

/// The comparisons of one pass, ready to score pairs of record indices.
pub struct Scorer {
    features: Arc<Features>,
    method: Method,
    /// The features by the order in which they run.
    order: Vec<usize>,
    keep: f64,
}

/// Room for the work on a batch of pairs, used again for the next one.
#[derive(Default)]
pub struct Scratch {
    alive: Vec<u32>,
    found: Vec<Vec<f64>>,
    /// By comparison and pair, what a model with rivals says for these.
    rivals: Vec<Vec<f64>>,
    reached: Vec<f64>,
    weight: Vec<f64>,
}

impl Scratch {
    fn reset(&mut self, features: usize, pairs: usize) {
        self.alive.clear();
        self.alive.extend((0..).take(pairs));
        for found in [&mut self.found, &mut self.rivals] {
            found.resize_with(features, Vec::new);
            for found in found {
                // What is read of it was written for this batch.
                found.resize(pairs, 0.0);
            }
        }
        for sums in [&mut self.reached, &mut self.weight] {
            sums.clear();
            sums.resize(pairs, 0.0);
        }
    }
}

/// The order in which comparisons run: those that drop pairs by themselves first, cheap ones first,
/// and among these the ones that say most. While a comparison that could add much is still open,
/// no pair falls below the threshold.
fn order(features: &[Feature], method: &Method) -> Vec<usize> {
    let says = |index: usize| match method {
        Method::All => 0.0,
        Method::Weighted => features[index].weight,
        Method::FellegiSunter(weights) => weights.most(index),
    };
    let mut order: Vec<usize> = (0..features.len()).collect();
    order.sort_by(|&a, &b| {
        let by_cost = |index: usize| (!features[index].must_hold, features[index].cost);
        (by_cost(a).cmp(&by_cost(b)))
            .then(says(b).total_cmp(&says(a)))
            .then(a.cmp(&b))
    });
    order
}

impl Scorer {
    /// A scorer of a pass; with `learned` weights where its score is `fellegiSunter`.
    #[must_use]
    pub fn new(pass: &PassPlan, features: Arc<Features>, learned: Option<FellegiSunter>) -> Self {
        let method = match learned {
            Some(weights) => Method::FellegiSunter(weights),
            None if pass.score == Score::Weighted => Method::Weighted,
            None => Method::All,
        };
        Self {
            order: order(&features.all, &method),
            features,
            method,
            keep: pass.keep,
        }
    }

    /// Adds the pairs whose score reaches the pass's lower threshold, and to `evidence`, where it is
    /// wanted, what each comparison says of them: under `fellegiSunter` in bits.
    pub fn score(
        &self,
        left: &[u32],
        right: &[u32],
        scratch: &mut Scratch,
        edges: &mut Vec<Edge>,
        mut evidence: Option<&mut Vec<f64>>,
    ) {
        scratch.reset(self.features.all.len(), left.len());
        match &self.method {
            Method::All => self.filter(left, right, scratch),
            Method::Weighted => self.average(left, right, scratch),
            Method::FellegiSunter(weights) => self.weigh(weights, left, right, scratch),
        }
        for &pair in &scratch.alive {
            let pair = pair as usize;
            let (score, weight) = self.total(
                |feature| scratch.found[feature][pair],
                |feature| scratch.rivals[feature][pair],
            );
            if score >= self.keep {
                edges.push(Edge {
                    left: left[pair],
                    right: right[pair],
                    score,
                    weight,
                });
                if let Some(evidence) = &mut evidence {
                    evidence.extend(scratch.found.iter().map(|found| found[pair]));
                }
            }
        }
    }

    /// Runs the comparisons in their order and keeps a pair alive while those that must hold do and
    /// `goes_on` says so, which gets the comparison, the pair and the place of its similarity.
    fn run(
        &self,
        (left, right): (&[u32], &[u32]),
        (alive, found): (&mut Vec<u32>, &mut [Vec<f64>]),
        mut goes_on: impl FnMut(usize, usize, &mut f64) -> bool,
    ) {
        for &index in &self.order {
            let feature = &self.features.all[index];
            let similarities = &mut found[index];
            feature.compare(left, right, alive, similarities);
            alive.retain(|&pair| {
                let similarity = &mut similarities[pair as usize];
                let failed = similarity.total_cmp(&FAILED).is_eq();
                !(feature.must_hold && failed) && goes_on(index, pair as usize, similarity)
            });
            if alive.is_empty() {
                return;
            }
        }
    }

    fn filter(&self, left: &[u32], right: &[u32], scratch: &mut Scratch) {
        let Scratch { alive, found, .. } = scratch;
        self.run((left, right), (alive, found), |_, _, _| true);
    }

    fn average(&self, left: &[u32], right: &[u32], scratch: &mut Scratch) {
        let Scratch {
            alive,
            found,
            reached,
            weight,
            ..
        } = scratch;
        let open = self.open(|index| self.features.all[index].weight);
        self.run((left, right), (alive, found), |index, pair, similarity| {
            if !similarity.is_nan() {
                let own = self.features.all[index].weight;
                reached[pair] += own * similarity.max(0.0);
                weight[pair] += own;
            }
            // The best that the comparisons still open can make of this pair.
            let (open, weight) = (open[index], weight[pair]);
            weight + open <= 0.0
                || (reached[pair] + open) / (weight + open) >= self.keep - PRUNING_SLACK
        });
    }

    /// Leaves each comparison's bits in the place of its similarity.
    fn weigh(&self, weights: &FellegiSunter, left: &[u32], right: &[u32], scratch: &mut Scratch) {
        let Scratch {
            alive,
            found,
            rivals,
            reached,
            ..
        } = scratch;
        let open = self.open(|index| weights.most(index));
        let least = least_bits(self.keep) - weights.prior() - PRUNING_SLACK;
        self.run((left, right), (alive, found), |index, pair, value| {
            let (l, r) = (left[pair], right[pair]);
            let contribution = weights.contribution(index, *value, l, r);
            rivals[index][pair] = contribution.rivals;
            *value = contribution.bits();
            // What speaks for rivals only ever takes away, so the sum without it is a bound.
            reached[pair] += *value;
            reached[pair] + open[index] >= least
        });
    }

    /// By feature, what those that run after it can add at most.
    fn open(&self, most: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut open = vec![0.0; self.features.all.len()];
        let mut sum = 0.0;
        for &index in self.order.iter().rev() {
            open[index] = sum;
            sum += most(index);
        }
        open
    }

    /// The score and what decides between pairs, added up in the order of the specification so that
    /// they never depend on the order in which the comparisons ran.
    fn total(&self, found: impl Fn(usize) -> f64, rivals: impl Fn(usize) -> f64) -> (f64, f64) {
        let features = &self.features.all;
        match &self.method {
            Method::All => (1.0, 1.0),
            Method::Weighted => {
                let (mut sum, mut weight) = (0.0, 0.0);
                for (index, feature) in features.iter().enumerate() {
                    let similarity = found(index);
                    if !similarity.is_nan() {
                        sum += feature.weight * similarity.max(0.0);
                        weight += feature.weight;
                    }
                }
                // Where nothing could be compared there is no evidence for a match.
                let score = if weight > 0.0 {
                    rounded(sum / weight)
                } else {
                    0.0
                };
                (score, score)
            }
            Method::FellegiSunter(weights) => {
                let all = 0..features.len();
                let bits = (all.clone()).fold(weights.prior(), |sum, index| sum + found(index));
                let bits = bits - weights.rivals(all.map(rivals).sum());
                (probability(bits), rounded(bits))
            }
        }
    }

    /// What each comparison says of one pair, in the order of the specification.
    #[must_use]
    pub fn explain(&self, left: u32, right: u32) -> Explained {
        let similarities = self.features.similarities(left, right);
        let Method::FellegiSunter(weights) = &self.method else {
            let holds = |index: usize| similarities[index].total_cmp(&FAILED).is_ne();
            let all = (0..similarities.len()).all(holds);
            let (score, weight) = match self.method {
                Method::All if !all => (0.0, 0.0),
                _ => self.total(|index| similarities[index], |_| 0.0),
            };
            return Explained {
                similarities,
                learned: None,
                score,
                weight,
            };
        };
        let contributions: Vec<Contribution> = (similarities.iter().enumerate())
            .map(|(index, &similarity)| weights.contribution(index, similarity, left, right))
            .collect();
        let (score, weight) = self.total(
            |index| contributions[index].bits(),
            |index| contributions[index].rivals,
        );
        let rivals = weights.rivals(contributions.iter().map(|part| part.rivals).sum());
        Explained {
            similarities,
            score,
            weight,
            learned: Some(Weighed {
                prior: weights.prior(),
                contributions,
                rivals,
            }),
        }
    }
}

/// What the comparisons say of one pair, in the order of the specification.
pub struct Explained {
    /// Similarities, [`FAILED`] or [`NEUTRAL`](crate::compare::NEUTRAL).
    pub similarities: Vec<f64>,
    /// What the match weight is made of, under `fellegiSunter`.
    pub learned: Option<Weighed>,
    /// 0 to 1; that a comparison which must hold does not is left out of account.
    pub score: f64,
    /// What an optimal assignment adds up: the score, or the match weight in bits.
    pub weight: f64,
}

/// The parts of a match weight, in bits.
pub struct Weighed {
    /// The weight of any pair before its values are seen.
    pub prior: f64,
    /// What each comparison adds, in the order of the specification.
    pub contributions: Vec<Contribution>,
    /// What is taken off because records that lose to a better partner look like this too; not
    /// negative.
    pub rivals: f64,
}
