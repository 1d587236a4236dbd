//! Match weights: what agreement and disagreement on each comparison say, in bits.
//!
//! A pair's match weight is log₂(λ / (1 − λ)), more where records have one partner at most (see
//! [`super::rivals`]), plus, for each comparison, log₂(m/u) of its level; its
//! score is the probability 2^w / (1 + 2^w). Where both values are equal, u is the chance that
//! strangers agree on this very value, see [`super::frequency`]. A comparison with a missing value
//! adds nothing.
//!
//! Where the model knows rivals (see [`super::train`]), pairs that are no match look like strangers
//! or like rivals, which occur ρ times as often as other pairs: the sum loses
//! log₂(1 + ρ·2^b), with b the sum of log₂(r/u). It is next to nothing unless the pair looks more
//! like a rival than like strangers, as two persons of one household do.
//!
//! A higher level never weighs less than a lower one: where the estimates say so, for want of data,
//! the levels are pooled until they do not (pool adjacent violators; Ayer et al. 1955).

use super::frequency::{Frequencies, float};
use super::levels::{Levels, MISSING};
use super::model::PassModel;
use super::rivals::times;
use super::rounded;
use crate::compare::in_one_type;
use crate::error::Error;
use crate::plan::PassPlan;
use crate::values::{Form, Values};

/// Beyond this many bits for or against, the probability is as good as 1 or 0.
const CERTAIN: f64 = 50.0;
/// Half a step of a rounded score is less than this.
const ROUNDING: f64 = 1e-12;

/// The weights of one pass over the records at hand.
pub struct FellegiSunter {
    prior: f64,
    /// log₂ρ; minus infinity where the model knows no rivals.
    rivals: f64,
    comparisons: Vec<Weights>,
}

struct Weights {
    levels: Levels,
    bits: Vec<f64>,
    /// log₂ of the highest level's m.
    top: f64,
    /// log₂(r/u) by level; empty where the model knows no rivals.
    rivals: Vec<f64>,
    /// log₂ of the highest level's r.
    rivals_top: f64,
    frequencies: Frequencies,
}

/// What one comparison adds to a pair's match weight, in bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution {
    /// What its level adds, on average over values.
    pub level: f64,
    /// What the frequency of the value at hand adds to that; 0 where the values differ.
    pub frequency: f64,
    /// What it says for a rival and against strangers.
    pub rivals: f64,
}

impl Contribution {
    const NONE: Self = Self {
        level: 0.0,
        frequency: 0.0,
        rivals: 0.0,
    };

    /// Both together.
    #[must_use]
    pub fn bits(self) -> f64 {
        self.level + self.frequency
    }
}

impl FellegiSunter {
    /// Takes the weights from a model that fits the pass, for the records of both sides, of which
    /// so many are open on either side.
    ///
    /// # Errors
    /// When the values of a comparison cannot be brought to a common scale.
    pub fn new(
        pass: &PassPlan,
        model: &PassModel,
        (left, right): (&Values, &Values),
        open: (usize, usize),
    ) -> Result<Self, Error> {
        let mut comparisons = Vec::new();
        for (index, (plan, learned)) in pass.comparisons.iter().zip(&model.comparisons).enumerate()
        {
            let path = format!("{}.compare[{index}]", pass.path);
            let column = |values: &Values, place: usize| {
                let batch = values.whole(Form::Compared, &[place])?;
                Ok::<_, Error>(batch.column(place).clone())
            };
            let (l, r) = (column(left, plan.left)?, column(right, plan.right)?);
            let (l, r) = in_one_type(&l, &r, &path)?;
            let (m, u) = (learned.m(), learned.u());
            let rivals = learned.r().unwrap_or_default();
            comparisons.push(Weights {
                rivals: rivals.iter().zip(&u).map(|(r, u)| (r / u).log2()).collect(),
                rivals_top: rivals.last().copied().unwrap_or(1.0).log2(),
                levels: plan.levels.clone(),
                bits: monotone_bits(&m, &u),
                top: m.last().copied().unwrap_or(1.0).log2(),
                frequencies: Frequencies::of(&l, &r)?,
            });
        }
        let prior = model.prior_between(open.0, open.1);
        let records = (float(open.0 as u64), float(open.1 as u64));
        let times = times(prior, records, pass.one_partner());
        Ok(Self {
            prior: (times * prior / (1.0 - prior)).log2(),
            rivals: model.rivals_between(open.0, open.1).log2(),
            comparisons,
        })
    }

    /// The same weights for some records of either side, by their places among these; all of a side
    /// where none are named.
    #[must_use]
    pub fn among(&self, left: Option<&[u32]>, right: Option<&[u32]>) -> Self {
        let comparisons = self.comparisons.iter().map(|weights| Weights {
            levels: weights.levels.clone(),
            bits: weights.bits.clone(),
            top: weights.top,
            rivals: weights.rivals.clone(),
            rivals_top: weights.rivals_top,
            frequencies: weights.frequencies.among(left, right),
        });
        Self {
            prior: self.prior,
            rivals: self.rivals,
            comparisons: comparisons.collect(),
        }
    }

    /// The prior match weight, in bits.
    #[must_use]
    pub fn prior(&self) -> f64 {
        self.prior
    }

    /// What is taken off a pair whose comparisons together say this for a rival, in bits.
    #[must_use]
    pub fn rivals(&self, bits: f64) -> f64 {
        let bits = self.rivals + bits;
        // log₂(1 + 2^x), which is x to the last bit where 2^x is large.
        if bits > CERTAIN {
            bits
        } else {
            bits.exp2().ln_1p() / std::f64::consts::LN_2
        }
    }

    /// What a comparison adds for two records of this similarity.
    #[must_use]
    pub fn contribution(
        &self,
        comparison: usize,
        similarity: f64,
        left: u32,
        right: u32,
    ) -> Contribution {
        let weights = &self.comparisons[comparison];
        let level = weights.levels.level(similarity);
        if level == MISSING {
            return Contribution::NONE;
        }
        let level = usize::from(level);
        let average = weights.bits[level];
        let rarity = if level + 1 == weights.bits.len() {
            weights.frequencies.rarity(left, right)
        } else {
            None
        };
        let for_rivals = weights.rivals.get(level).copied().unwrap_or_default();
        Contribution {
            level: average,
            frequency: rarity.map_or(0.0, |rarity| weights.top + rarity - average),
            rivals: rarity
                .filter(|_| !weights.rivals.is_empty())
                .map_or(for_rivals, |rarity| weights.rivals_top + rarity),
        }
    }

    /// The most that a comparison can add for any pair.
    #[must_use]
    pub fn most(&self, comparison: usize) -> f64 {
        let weights = &self.comparisons[comparison];
        let rarest = weights
            .frequencies
            .largest()
            .map(|rarity| weights.top + rarity);
        // Level weights do not fall, so the highest is the largest; a missing value adds 0.
        (weights.bits.last().into_iter().copied())
            .chain(rarest)
            .fold(0.0, f64::max)
    }
}

/// The probability of a match weight, rounded as every score is.
#[must_use]
pub fn probability(bits: f64) -> f64 {
    rounded(1.0 / (1.0 + (-bits.clamp(-CERTAIN, CERTAIN)).exp2()))
}

/// A match weight that no pair whose probability reaches `score` is below.
#[must_use]
pub fn least_bits(score: f64) -> f64 {
    let score = score - ROUNDING;
    if score <= 0.0 {
        f64::NEG_INFINITY
    } else {
        (score / (1.0 - score)).log2()
    }
}

/// log₂(m/u) by level, pooled so that it never falls from one level to the next higher one.
#[must_use]
pub fn monotone_bits(m: &[f64], u: &[f64]) -> Vec<f64> {
    // Pools of neighbouring levels: m, u and how many levels.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&m, &u) in m.iter().zip(u) {
        let mut pool = (m, u, 1);
        while let Some(&(below_m, below_u, levels)) = pools.last()
            && below_m * pool.1 > pool.0 * below_u
        {
            pool = (pool.0 + below_m, pool.1 + below_u, pool.2 + levels);
            pools.pop();
        }
        pools.push(pool);
    }
    pools
        .into_iter()
        .flat_map(|(m, u, levels)| std::iter::repeat_n((m / u).log2(), levels))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_never_fall(
            shares in prop::collection::vec((1e-9..1.0_f64, 1e-9..1.0_f64), 2..9),
        ) {
            let (m, u): (Vec<f64>, Vec<f64>) = shares.into_iter().unzip();
            let bits = monotone_bits(&m, &u);
            prop_assert_eq!(bits.len(), m.len());
            prop_assert!(bits.windows(2).all(|pair| pair[0] <= pair[1] + 1e-9));
            let ratios: Vec<f64> = m.iter().zip(&u).map(|(m, u)| (m / u).log2()).collect();
            if ratios.is_sorted() {
                prop_assert_eq!(bits, ratios);
            }
        }

        #[test]
        fn a_pair_that_reaches_a_score_has_its_bits(bits in -60.0..60.0_f64, score in 0.0..=1.0_f64) {
            if probability(bits) >= rounded(score) {
                prop_assert!(bits >= least_bits(rounded(score)) - 1e-9);
            }
        }
    }

    #[test]
    fn levels_without_data_are_pooled() {
        let bits = monotone_bits(&[0.125, 0.25, 0.625], &[0.5, 0.0, 0.5]);
        let expected = [-2.0, (0.875_f64 / 0.5).log2(), (0.875_f64 / 0.5).log2()];
        for (found, expected) in bits.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{bits:?}");
        }
        let probabilities = [0.0, 1e9, -1e9].map(probability);
        assert_eq!(format!("{probabilities:?}"), "[0.5, 1.0, 0.0]");
    }
}
