//! How often values occur: agreement on a rare one says more than on a common one.
//!
//! Where two values are equal, the chance that strangers agree is the share of records that have
//! this value, and not the average over all values (W. Winkler, "Frequency-based matching in the
//! Fellegi-Sunter model of record linkage", 1989). The share is taken over both sides without the
//! two records at hand, for else a value that only they have would look as common as one that two
//! strangers share. Where nobody else has the value, it counts as held by a fraction of a record:
//! after Good and Turing, a value seen once is expected 2·N₂/N₁ times more, with N₁ and N₂ the
//! numbers of values that one side has once and twice; here never under 0.1 nor over 1. Nulls are
//! in no count.

use crate::records::sortable;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringArray};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::Rows;
use std::collections::HashMap;
use std::sync::Arc;

/// The least and the most records that a value seen once stands for.
const ONE_OFF: std::ops::RangeInclusive<f64> = 0.1..=1.0;
/// The number of a row without a value.
const NULL: u32 = u32::MAX;

/// The values of a comparison's columns, numbered, with how rare each is.
pub struct Frequencies {
    left: Vec<u32>,
    right: Vec<u32>,
    rarities: Arc<[f64]>,
    largest: Option<f64>,
}

impl Frequencies {
    /// Counts the values of both columns, which are of one type.
    ///
    /// # Errors
    /// When Arrow cannot order the columns' type.
    pub fn of(left: &ArrayRef, right: &ArrayRef) -> Result<Self, ArrowError> {
        let columns = [left, right];
        let bytes = [Bytes::of(left)?, Bytes::of(right)?];
        let mut known: HashMap<&[u8], u32> = HashMap::new();
        let mut counts: Vec<[u64; 2]> = Vec::new();
        let mut numbers = [Vec::new(), Vec::new()];
        for (side, (column, bytes)) in columns.into_iter().zip(&bytes).enumerate() {
            numbers[side].reserve_exact(column.len());
            for row in 0..column.len() {
                if column.is_null(row) {
                    numbers[side].push(NULL);
                    continue;
                }
                let number = *known.entry(bytes.row(row)).or_insert_with(|| {
                    counts.push([0, 0]);
                    u32::try_from(counts.len() - 1).unwrap_or(NULL)
                });
                counts[number as usize][side] += 1;
                numbers[side].push(number);
            }
        }
        // Values that one side alone has are equal to none of the other's.
        let mut kept = Vec::new();
        let own: Vec<u32> = (rarities(&counts).into_iter())
            .map(|rarity| {
                if rarity.is_nan() {
                    return NULL;
                }
                kept.push(rarity);
                u32::try_from(kept.len() - 1).unwrap_or(NULL)
            })
            .collect();
        for number in numbers.iter_mut().flatten() {
            *number = own.get(*number as usize).copied().unwrap_or(NULL);
        }
        let [left, right] = numbers;
        Ok(Self {
            left,
            right,
            largest: kept.iter().copied().reduce(f64::max),
            rarities: kept.into(),
        })
    }

    /// The same for some records of either side, which have the numbers that their places say.
    #[must_use]
    pub fn among(&self, left: Option<&[u32]>, right: Option<&[u32]>) -> Self {
        let of = |all: &[u32], rows: Option<&[u32]>| match rows {
            None => all.to_vec(),
            Some(rows) => rows.iter().map(|&row| all[row as usize]).collect(),
        };
        Self {
            left: of(&self.left, left),
            right: of(&self.right, right),
            rarities: self.rarities.clone(),
            largest: self.largest,
        }
    }

    /// Where both records have the same value, −log₂ of the chance that strangers agree on it.
    #[must_use]
    pub fn rarity(&self, left: u32, right: u32) -> Option<f64> {
        let value = self.left[left as usize];
        let equal = value != NULL && value == self.right[right as usize];
        equal.then(|| self.rarities[value as usize])
    }

    /// The largest rarity of a value that both sides have.
    #[must_use]
    pub fn largest(&self) -> Option<f64> {
        self.largest
    }
}

/// The values of a column as bytes: equal ones for equal values.
enum Bytes<'a> {
    Texts(&'a StringArray),
    Rows(Rows),
}

impl<'a> Bytes<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self, ArrowError> {
        Ok(match column.as_string_opt::<i32>() {
            Some(texts) => Self::Texts(texts),
            None => Self::Rows(sortable(std::slice::from_ref(column))?),
        })
    }

    fn row(&self, row: usize) -> &[u8] {
        match self {
            Self::Texts(texts) => texts.value(row).as_bytes(),
            Self::Rows(rows) => rows.row(row).data(),
        }
    }
}

/// The rarity of each value by its counts on both sides; not a number where one side lacks it.
fn rarities(counts: &[[u64; 2]]) -> Vec<f64> {
    let one_off = one_off(counts);
    let records: u64 = counts.iter().flatten().sum();
    let rarity = |&[left, right]: &[u64; 2]| {
        if left == 0 || right == 0 {
            return f64::NAN;
        }
        let others = float(left + right - 2);
        ((float(records - 2) + one_off) / (others + one_off)).log2()
    };
    counts.iter().map(rarity).collect()
}

/// How many records a value seen once stands for, by how often each value occurs on both sides.
pub fn one_off(counts: &[[u64; 2]]) -> f64 {
    let sides = || counts.iter().flatten();
    let values_seen = |times| sides().filter(|&&count| count == times).count() as u64;
    let one_off = 2.0 * float(values_seen(2)) / float(values_seen(1).max(1));
    one_off.clamp(*ONE_OFF.start(), *ONE_OFF.end())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of records stay far below 2^52"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn the_records_at_hand_and_nulls_do_not_count() {
        let left = column(&[
            Some("smith"),
            Some("smith"),
            Some("rare"),
            None,
            Some("left"),
        ]);
        let right = column(&[
            Some("smith"),
            Some("rare"),
            None,
            Some("right"),
            Some("right"),
        ]);
        let found = Frequencies::of(&left, &right).unwrap();
        // Eight values; once on a side: smith, rare, rare, left; twice: smith, right. 2 · 2 / 4 = 1.
        assert_eq!(found.rarity(0, 0), Some((7.0_f64 / 2.0).log2()));
        assert_eq!(found.rarity(2, 1), Some(7.0_f64.log2()));
        assert_eq!(found.rarity(0, 1), None);
        assert_eq!(found.rarity(3, 2), None);
        assert_eq!(found.largest(), Some(7.0_f64.log2()));
    }

    #[test]
    fn a_value_seen_once_is_a_fraction_of_a_record() {
        let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let one = column(&names.iter().map(|n| Some(n.as_str())).collect::<Vec<_>>());
        let found = Frequencies::of(&one, &one).unwrap();
        assert_eq!(found.rarity(7, 7), Some((98.1_f64 / 0.1).log2()));
    }

    #[test]
    fn two_records_alone_say_nothing_of_frequency() {
        let one = column(&[Some("x")]);
        assert_eq!(Frequencies::of(&one, &one).unwrap().rarity(0, 0), Some(0.0));
        assert_eq!(
            Frequencies::of(&one, &column(&[None])).unwrap().largest(),
            None
        );
    }
}
