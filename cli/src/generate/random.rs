//! Random draws that are the same on every platform and in every version of this program.
//!
//! Only the generator's words come from a library, whose stream is specified; every distribution is
//! made here, because those of libraries change between versions. Logarithms and cosines come from
//! `libm`, because those of operating systems differ in the last bit.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a stream is for. Two subjects never share a stream, whatever their index.
#[derive(Clone, Copy)]
pub enum Subject {
    /// The order of the left file.
    LeftOrder,
    /// The order of the right file.
    RightOrder,
    /// A payment and what becomes of it.
    Payment,
    /// A counterparty.
    Party,
    /// A person as they are.
    Person,
    /// A household: a surname, an address, a telephone.
    Household,
    /// A person as the left list has them.
    LeftCopy,
    /// A person as the right list has them.
    RightCopy,
}

/// A stream of draws.
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of the `index`-th thing of a subject under a seed.
    pub fn new(seed: u64, subject: Subject, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&index.to_le_bytes());
        key[16] = subject as u8;
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A whole number below `bound`, or 0 where `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.0.next_u64()) * bound as u128;
        usize::try_from(product >> 64).unwrap_or_default()
    }

    /// A whole number from `low` to `high`, both included; `low` where `high` is lower.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = usize::try_from(high - low).map_or(1, |span| span + 1);
        low + i64::try_from(self.below(span)).unwrap_or_default()
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let bits = (self.0.next_u64() >> 11) as f64;
        bits / 9_007_199_254_740_992.0
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of the items, each as likely. The items must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of the items, by their weights. The items must not be empty.
    pub fn weighted<'a, T>(&mut self, items: &'a [(T, f64)]) -> &'a T {
        let total: f64 = items.iter().map(|(_, weight)| weight).sum();
        let mut left = self.unit() * total;
        for (item, weight) in items {
            left -= weight;
            if left < 0.0 {
                return item;
            }
        }
        &items[items.len() - 1].0
    }

    /// An index into a list whose cumulative weights these are.
    pub fn cumulative(&mut self, weights: &[f64]) -> usize {
        let Some(total) = weights.last() else {
            return 0;
        };
        let point = self.unit() * total;
        weights
            .partition_point(|&weight| weight <= point)
            .min(weights.len() - 1)
    }

    /// A standard normal number (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        radius * libm::cos(TAU * self.unit())
    }

    /// Digits.
    pub fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap_or_default()))
            .collect()
    }

    /// Puts the items in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

/// Cumulative weights of a Zipf-Mandelbrot law: the weight of rank r (from 0) is 1 / (r + 1 + flat).
/// `flat` makes the first ranks more alike.
pub fn skewed(count: usize, flat: f64) -> Vec<f64> {
    let mut total = 0.0;
    let mut rank = 1.0 + flat;
    (0..count)
        .map(|_| {
            total += 1.0 / rank;
            rank += 1.0;
            total
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_for_ever() {
        let mut random = Random::new(1, Subject::Payment, 2);
        let drawn: Vec<usize> = (0..6).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, [412, 839, 546, 707, 757, 72]);
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut random = Random::new(7, Subject::Person, 0);
        for _ in 0..10_000 {
            assert!(random.below(3) < 3);
            assert!((-2..=2).contains(&random.between(-2, 2)));
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(random.cumulative(&skewed(5, 0.0)) < 5);
        }
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(3, 1), 3);
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(7, Subject::Person, 1);
        let rare = (0..100_000)
            .filter(|_| *random.weighted(&[("often", 0.9), ("rare", 0.1)]) == "rare")
            .count();
        // Five standard deviations of a binomial draw.
        assert!(rare.abs_diff(10_000) < 475, "{rare}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::new(7, Subject::Person, 2);
        let drawn: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 100_000.0;
        let variance = drawn.iter().map(|x| x * x).sum::<f64>() / 100_000.0;
        assert!(
            mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023,
            "{mean} {variance}"
        );
    }
}
