//! Rivals: pairs that look like matches and lose to a better partner.
//!
//! Where a record has one partner at most, its candidates compete: with odds o, a pair is the match
//! with probability o / (1 + Σo), the sum over all pairs of its two records. The losers are no
//! matches, and yet nothing like strangers: persons of one household, payments of one customer.
//! They are what tells such pairs from matches where no better partner is in the data, the class of
//! its own that W. Winkler gave them ("Improved decision rules in the Fellegi-Sunter model of record
//! linkage", 1993), here found by the competition instead of by chance.
//!
//! For the same reason a record without a partner is as rare as records without partners are: among
//! n records of the other side the odds of a pair are those of any pair of the space over the share
//! of records that have none, for either side with one partner at most. That is the prior under
//! which all matchings with as many pairs are equally likely (M. Fortini et al., "On Bayesian record
//! linkage", 2001; M. Sadinle, "Bayesian estimation of bipartite matchings for record linkage",
//! 2017).
//!
//! Sums are over whole units, so that they depend neither on the order of the pairs nor on threads.

use super::frequency::float;
use crate::threads;
use std::ops::Range;
use std::thread::ScopedJoinHandle;

/// Odds are counted in units of 2⁻²⁴, and up to 2³⁰: from there on a pair is as good as certain.
const UNIT: f64 = 16_777_216.0;
const MOST_ODDS: f64 = 1_073_741_824.0;
/// Expected pairs are counted in units of 2⁻³².
const SHARE: f64 = 4_294_967_296.0;

/// As many records without a partner are added to either side, so that in short lists a pair is not
/// likely merely because others are gone.
const PSEUDO_ALONE: f64 = 10.0;
/// The share of a side's records that count as without a partner at least.
const LEAST_ALONE: f64 = 0.05;

/// How many times the odds of a pair are those of any pair of the space, by which sides' records
/// have `one` partner at most: `prior` is the share of matches among all pairs of so many records.
#[must_use]
pub fn times(prior: f64, (lefts, rights): (f64, f64), one: [bool; 2]) -> f64 {
    let matches = prior * lefts * rights;
    let alone = |one: bool, records: f64| {
        if one {
            let alone = (records - matches).max(0.0) + PSEUDO_ALONE;
            (alone / (records + PSEUDO_ALONE)).max(LEAST_ALONE)
        } else {
            1.0
        }
    };
    let times = 1.0 / (alone(one[0], lefts) * alone(one[1], rights));
    // Before its values are seen no pair is likelier than not.
    times.min((1.0 - prior) / prior).max(1.0)
}

/// The candidates as pairs that compete for records.
pub struct Rivalry<'a> {
    /// By pair the place of its pattern.
    places: &'a [u32],
    /// By pair its records, left and right; none of a side whose records may have several partners.
    sides: [Option<&'a [u32]>; 2],
    /// The records of either side.
    records: (f64, f64),
}

/// What is expected of the pairs of one pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// So many of them are matches.
    pub matches: f64,
    /// So many lose clearly and look like rivals.
    pub rivals: f64,
}

/// The odds of a record's best pair and of its second best, and the sum over all, in units.
#[derive(Clone, Copy, Default)]
struct Field {
    best: u64,
    second: u64,
    sum: u64,
}

impl Field {
    fn add(&mut self, odds: u64) {
        self.sum = self.sum.saturating_add(odds);
        if odds > self.best {
            (self.second, self.best) = (self.best, odds);
        } else {
            self.second = self.second.max(odds);
        }
    }

    /// The best of the others, for a pair with these odds.
    fn other(&self, odds: u64) -> u64 {
        if odds == self.best {
            self.second
        } else {
            self.best
        }
    }
}

impl<'a> Rivalry<'a> {
    /// The pairs with the places of their patterns and their records, of which there are so many on
    /// either side, and whether these have `one` partner at most; none where no side's have.
    #[must_use]
    pub fn new(
        places: &'a [u32],
        [left, right]: [&'a [u32]; 2],
        records: (f64, f64),
        one: [bool; 2],
    ) -> Option<Self> {
        let sides = [one[0].then_some(left), one[1].then_some(right)];
        sides.iter().any(Option::is_some).then_some(Self {
            places,
            sides,
            records,
        })
    }

    /// [`times`] for these records.
    #[must_use]
    pub fn times(&self, prior: f64) -> f64 {
        times(prior, self.records, self.sides.map(|side| side.is_some()))
    }

    /// By pattern what is expected of its pairs, from the odds of the patterns, and from how sure it
    /// is that a pair of the pattern is a rival when it is no match.
    #[must_use]
    pub fn expected(&self, odds: &[f64], rival: &[f64]) -> Vec<Expected> {
        let odds: Vec<u64> = odds.iter().map(|&odds| units(odds)).collect();
        let [left, right] = self.sides;
        let fields = std::thread::scope(|scope| {
            let right = scope.spawn(|| self.fields(right, &odds));
            [self.fields(left, &odds), joined(right)]
        });
        let threads = threads::count();
        let size = self.places.len().div_ceil(threads).max(1);
        let mut sums = vec![(0_u64, 0_u64); odds.len()];
        std::thread::scope(|scope| {
            let part = |begin: usize| {
                let pairs = begin..(begin + size).min(self.places.len());
                let (fields, odds) = (&fields, &odds);
                scope.spawn(move || self.sums(pairs, fields, odds, rival))
            };
            let begins = (0..self.places.len()).step_by(size);
            let parts: Vec<_> = begins.map(part).collect();
            for part in parts {
                for (sum, (matches, rivals)) in sums.iter_mut().zip(joined(part)) {
                    sum.0 = sum.0.saturating_add(matches);
                    sum.1 = sum.1.saturating_add(rivals);
                }
            }
        });
        sums.into_iter()
            .map(|(matches, rivals)| Expected {
                matches: float(matches) / SHARE,
                rivals: float(rivals) / SHARE,
            })
            .collect()
    }

    /// By pattern the expected matches and rivals among some pairs, in units.
    fn sums(
        &self,
        pairs: Range<usize>,
        fields: &[Vec<Field>; 2],
        odds: &[u64],
        rival: &[f64],
    ) -> Vec<(u64, u64)> {
        let mut sums = vec![(0_u64, 0_u64); odds.len()];
        for pair in pairs {
            let place = self.places[pair] as usize;
            let own = odds[place];
            let (mut others, mut best) = (0_u64, 0_u64);
            for (fields, records) in fields.iter().zip(self.sides) {
                if let Some(records) = records {
                    let field = &fields[records[pair] as usize];
                    others = others.saturating_add(field.sum.saturating_sub(own));
                    best = best.max(field.other(own));
                }
            }
            let (own, best) = (float(own) / UNIT, float(best) / UNIT);
            let is_match = own / (1.0 + own + float(others) / UNIT);
            // Whoever is as good as the best of the others has not lost.
            let loses = if best > own {
                (1.0 - own / best) * best / (1.0 + best)
            } else {
                0.0
            };
            let sum = &mut sums[place];
            sum.0 = sum.0.saturating_add(share(is_match));
            sum.1 = sum
                .1
                .saturating_add(share((1.0 - is_match) * loses * rival[place]));
        }
        sums
    }

    fn fields(&self, records: Option<&[u32]>, odds: &[u64]) -> Vec<Field> {
        let records = records.unwrap_or_default();
        let last = records.iter().max().map_or(0, |&last| last as usize + 1);
        let mut fields = vec![Field::default(); last];
        for (&record, &place) in records.iter().zip(self.places) {
            fields[record as usize].add(odds[place as usize]);
        }
        fields
    }
}

fn joined<T>(part: ScopedJoinHandle<'_, T>) -> T {
    part.join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2^54"
)]
fn units(odds: f64) -> u64 {
    (odds.min(MOST_ODDS) * UNIT).round() as u64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2^32"
)]
fn share(probability: f64) -> u64 {
    (probability * SHARE).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_has_a_better_rival_is_no_match_and_one_without_is() {
        // Left 0 has a sure pair and a lesser one, left 1 the lesser one alone.
        let (places, left, right) = ([0, 1, 1], [0, 0, 1], [0, 1, 2]);
        let rivalry = Rivalry::new(&places, [&left, &right], (9.0, 9.0), [true; 2]).unwrap();
        let [sure, lesser] = rivalry.expected(&[1e6, 1e3], &[1.0, 0.5])[..] else {
            panic!("two patterns");
        };
        assert!((sure.matches - 0.999).abs() < 1e-4 && sure.rivals < 1e-6);
        assert!((lesser.matches - 1.0).abs() < 0.01, "{lesser:?}");
        assert!((lesser.rivals - 0.5).abs() < 0.01, "{lesser:?}");
    }

    #[test]
    fn without_pairs_nothing_is_expected() {
        let rivalry = Rivalry::new(&[], [&[], &[]], (0.0, 0.0), [true; 2]).unwrap();
        assert_eq!(rivalry.expected(&[], &[]), []);
        assert!((rivalry.times(0.5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn pairs_that_are_equally_good_share_and_none_of_them_loses() {
        let places = [0; 9];
        let left = [0, 0, 0, 1, 1, 1, 2, 2, 2];
        let right = [0, 1, 2, 0, 1, 2, 0, 1, 2];
        let rivalry = Rivalry::new(&places, [&left, &right], (9.0, 9.0), [true; 2]).unwrap();
        let expected = rivalry.expected(&[1e9], &[1.0])[0];
        assert!((expected.matches - 9.0 / 5.0).abs() < 1e-6, "{expected:?}");
        assert!(expected.rivals < 1e-9);
    }

    #[test]
    fn odds_rise_with_the_share_of_records_that_have_a_partner() {
        // A million records a side, four fifths of which match.
        let records = (1e6, 1e6);
        let near = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-3, "{found}");
        };
        near(times(0.8 / 1e6, records, [true, true]), 25.0);
        near(times(0.8 / 1e6, records, [true, false]), 5.0);
        near(times(0.8 / 1e6, records, [false, false]), 1.0);
        // Where every record has one, a twentieth counts as without.
        near(times(1.0 / 1e6, records, [true, true]), 400.0);
    }

    #[test]
    fn no_pair_is_likely_before_its_values_are_seen() {
        for records in [1.0, 2.0, 12.0, 150.0, 1e4, 1e6] {
            let prior = f64::min(1.0 / records, 0.5);
            let odds = prior / (1.0 - prior) * times(prior, (records, records), [true, true]);
            assert!(odds < 1.0 + 1e-9, "{records} records: {odds}");
        }
    }

    #[test]
    fn records_compete_only_where_they_have_one_partner() {
        let (places, left, right) = ([0, 1], [0, 0], [0, 1]);
        let expected = |one| {
            let rivalry = Rivalry::new(&places, [&left, &right], (9.0, 9.0), one)?;
            Some(rivalry.expected(&[1e6, 1e3], &[1.0, 1.0])[1].matches > 0.99)
        };
        assert_eq!(expected([true, false]), Some(false));
        assert_eq!(expected([false, true]), Some(true));
        assert_eq!(expected([false, false]), None);
    }
}
