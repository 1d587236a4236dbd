//! Fingerprints of rows: few bits that are equal where all compared values are.
//!
//! Values become words of 64 bits in a form that does not depend on how a file stores them, and the
//! words of a row are added up, each multiplied by a random number of its own: multilinear hashing
//! (Lemire and Kaser, Strongly Universal String Hashing is Fast, 2014). The numbers are drawn anew
//! for each run, so two rows that differ have the same 64 bits with a probability of 2⁻⁶⁴ whatever
//! their values, also when somebody chose them. They change no result.

use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, RandomState};

/// Words of a text that are hashed as they are; a longer text is hashed by SHA-256 first.
const TEXT_WORDS: usize = 64;
/// Bytes of text that a view holds itself.
const INLINE: u128 = 12;

/// Whether values of this type can be hashed.
#[must_use]
pub fn can_hash(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Boolean
            | T::Float32
            | T::Float64
            | T::Date32
            | T::Timestamp(..)
            | T::Utf8
            | T::LargeUtf8
            | T::Utf8View
            | T::Decimal128(..)
    ) || is_small(data_type)
        || *data_type == T::UInt64
}

/// Whether a type's values are numbers that fit 64 bits with a sign.
fn is_small(data_type: &DataType) -> bool {
    use DataType as T;
    matches!(
        data_type,
        T::Int8
            | T::Int16
            | T::Int32
            | T::Int64
            | T::UInt8
            | T::UInt16
            | T::UInt32
            | T::Decimal32(..)
            | T::Decimal64(..)
    )
}

/// The random numbers of one run.
#[derive(Clone)]
pub struct Keys(RandomState);

impl Keys {
    /// Draws them.
    #[must_use]
    pub fn draw() -> Self {
        Self(RandomState::new())
    }

    fn number(&self, lane: u8, column: usize, word: usize) -> u128 {
        let half = |half: u8| u128::from(self.0.hash_one((lane, column, word, half)));
        half(0) << 64 | half(1)
    }

    /// A hash of the columns from number `column` on; `lane` makes independent ones.
    #[must_use]
    pub fn column(&self, lane: u8, column: usize) -> ColumnKeys {
        ColumnKeys {
            null: self.number(lane, column, 0),
            words: (1..=TEXT_WORDS + 1)
                .map(|word| self.number(lane, column, word))
                .collect(),
        }
    }
}

/// The random numbers for the words of one column.
pub struct ColumnKeys {
    null: u128,
    words: Vec<u128>,
}

impl ColumnKeys {
    /// Adds the values of a column to the sums of their rows. Numbers count at `scale` digits after
    /// the point, which is at least their own.
    ///
    /// # Panics
    /// When [`can_hash`] refuses the column's type.
    pub fn add(&self, array: &ArrayRef, scale: u8, sums: &mut [u128]) {
        use DataType as T;
        match array.data_type() {
            T::Boolean => {
                let values = array.as_boolean();
                self.words(array, sums, |row| u64::from(values.value(row)));
            }
            T::Int8 => self.small::<Int8Type>(array, scale, sums),
            T::Int16 => self.small::<Int16Type>(array, scale, sums),
            T::Int32 => self.small::<Int32Type>(array, scale, sums),
            T::Int64 => self.small::<Int64Type>(array, scale, sums),
            T::UInt8 => self.small::<UInt8Type>(array, scale, sums),
            T::UInt16 => self.small::<UInt16Type>(array, scale, sums),
            T::UInt32 => self.small::<UInt32Type>(array, scale, sums),
            T::Decimal32(..) => self.small::<Decimal32Type>(array, scale, sums),
            T::Decimal64(..) => self.small::<Decimal64Type>(array, scale, sums),
            T::UInt64 => {
                let values = array.as_primitive::<UInt64Type>();
                self.wide(array, scale, sums, |row| i128::from(values.value(row)));
            }
            T::Decimal128(..) => {
                let values = array.as_primitive::<Decimal128Type>().values();
                self.wide(array, scale, sums, |row| values[row]);
            }
            T::Date32 => self.bits(array.as_primitive::<Date32Type>(), sums, |days| {
                i64::from(days).cast_unsigned()
            }),
            T::Float32 => self.bits(array.as_primitive::<Float32Type>(), sums, |value| {
                u64::from(value.to_bits())
            }),
            T::Float64 => {
                self.bits(array.as_primitive::<Float64Type>(), sums, f64::to_bits);
            }
            T::Timestamp(unit, _) => match unit {
                TimeUnit::Second => self.instants::<TimestampSecondType>(array, sums),
                TimeUnit::Millisecond => self.instants::<TimestampMillisecondType>(array, sums),
                TimeUnit::Microsecond => self.instants::<TimestampMicrosecondType>(array, sums),
                TimeUnit::Nanosecond => self.instants::<TimestampNanosecondType>(array, sums),
            },
            T::Utf8View => self.views(array, sums),
            T::Utf8 => {
                let texts = array.as_string::<i32>();
                self.texts(array, sums, |row| texts.value(row));
            }
            T::LargeUtf8 => {
                let texts = array.as_string::<i64>();
                self.texts(array, sums, |row| texts.value(row));
            }
            other => unreachable!("{other} cannot be hashed"),
        }
    }

    fn instants<T: ArrowPrimitiveType<Native = i64>>(&self, array: &ArrayRef, sums: &mut [u128]) {
        self.bits(array.as_primitive::<T>(), sums, i64::cast_unsigned);
    }

    fn bits<T: ArrowPrimitiveType>(
        &self,
        array: &PrimitiveArray<T>,
        sums: &mut [u128],
        bits: impl Fn(T::Native) -> u64,
    ) {
        let values = array.values();
        self.words(array, sums, |row| bits(values[row]));
    }

    fn small<T: ArrowPrimitiveType<Native: Into<i64>>>(
        &self,
        array: &ArrayRef,
        scale: u8,
        sums: &mut [u128],
    ) {
        let numbers = array.as_primitive::<T>();
        let values = numbers.values();
        if scale_of(array.data_type()) == scale {
            self.words(array, sums, |row| {
                Into::<i64>::into(values[row]).cast_unsigned()
            });
        } else {
            self.wide(array, scale, sums, |row| {
                i128::from(Into::<i64>::into(values[row]))
            });
        }
    }

    /// One word a value.
    fn words(&self, array: &dyn Array, sums: &mut [u128], word: impl Fn(usize) -> u64) {
        let key = self.words[0];
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = sum.wrapping_add(key.wrapping_mul(u128::from(word(row))));
                }
            }
            Some(nulls) => {
                for (row, sum) in sums.iter_mut().enumerate() {
                    let term = if nulls.is_null(row) {
                        self.null
                    } else {
                        key.wrapping_mul(u128::from(word(row)))
                    };
                    *sum = sum.wrapping_add(term);
                }
            }
        }
    }

    /// Whole numbers of up to 38 digits: a second word for what goes beyond 64 bits, 0 otherwise.
    fn wide(&self, array: &ArrayRef, scale: u8, sums: &mut [u128], value: impl Fn(usize) -> i128) {
        let own = scale_of(array.data_type());
        let factor = 10_i128.pow(u32::from(scale.saturating_sub(own)));
        let (low_key, high_key) = (self.words[0], self.words[1]);
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        for (row, sum) in sums.iter_mut().enumerate() {
            let term = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                self.null
            } else {
                let mut digits = value(row);
                if factor != 1 {
                    digits = digits.wrapping_mul(factor);
                }
                let (low, beyond) = halves(digits);
                let term = low_key.wrapping_mul(u128::from(low));
                if beyond == 0 {
                    term
                } else {
                    term.wrapping_add(high_key.wrapping_mul(u128::from(beyond)))
                }
            };
            *sum = sum.wrapping_add(term);
        }
    }

    fn views(&self, array: &ArrayRef, sums: &mut [u128]) {
        let texts = array.as_string_view();
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        for (row, (sum, &view)) in sums.iter_mut().zip(texts.views().iter()).enumerate() {
            let length = view & 0xffff_ffff;
            let term = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                self.null
            } else if length <= INLINE {
                // The bytes follow the length, and zeros follow the bytes.
                let bytes = view >> 32;
                let term = self.words[0]
                    .wrapping_mul(length)
                    .wrapping_add(self.words[1].wrapping_mul(u128::from(low_half(bytes))));
                if length <= 8 {
                    term
                } else {
                    term.wrapping_add(self.words[2].wrapping_mul(bytes >> 64))
                }
            } else {
                self.text(texts.value(row).as_bytes())
            };
            *sum = sum.wrapping_add(term);
        }
    }

    fn texts<'a>(&self, array: &dyn Array, sums: &mut [u128], text: impl Fn(usize) -> &'a str) {
        for (row, sum) in sums.iter_mut().enumerate() {
            let term = if array.is_null(row) {
                self.null
            } else {
                self.text(text(row).as_bytes())
            };
            *sum = sum.wrapping_add(term);
        }
    }

    /// The length, then the bytes in words of eight, the last one filled up with zeros.
    fn text(&self, bytes: &[u8]) -> u128 {
        let digest;
        let (length, bytes) = if bytes.len() > TEXT_WORDS * 8 {
            digest = Sha256::digest(bytes);
            (bytes.len(), digest.as_slice())
        } else {
            (bytes.len(), bytes)
        };
        let mut sum = self.words[0].wrapping_mul(length as u128);
        let (words, rest) = bytes.as_chunks::<8>();
        for (word, key) in words.iter().zip(&self.words[1..]) {
            sum = sum.wrapping_add(key.wrapping_mul(u128::from(u64::from_le_bytes(*word))));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            let key = self.words[1 + words.len()];
            sum = sum.wrapping_add(key.wrapping_mul(u128::from(u64::from_le_bytes(last))));
        }
        sum
    }
}

/// The lower 64 bits, and how the upper ones differ from the sign that these give: 0 where the
/// number fits 64 bits.
fn halves(digits: i128) -> (u64, u64) {
    let low = low_half(digits.cast_unsigned());
    let high = low_half(digits.cast_unsigned() >> 64);
    let sign = (low.cast_signed() >> 63).cast_unsigned();
    (low, high ^ sign)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
fn low_half(value: u128) -> u64 {
    value as u64
}

/// The finished hash of a sum: its upper half.
#[must_use]
pub fn finished(sum: u128) -> u64 {
    low_half(sum >> 64)
}

/// The digits after the point of a number's type; 0 for others.
#[must_use]
pub fn scale_of(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Decimal32(_, scale)
        | DataType::Decimal64(_, scale)
        | DataType::Decimal128(_, scale) => u8::try_from(*scale).unwrap_or(0),
        _ => 0,
    }
}

/// A whole number as another one, one to one, whose upper bits depend on all of its bits: the
/// finaliser of `SplitMix64` (Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators,
/// 2014).
#[must_use]
pub fn scattered(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The values of a column of whole numbers or dates as 64 bits each.
///
/// # Panics
/// When the column is of another type.
pub fn whole(array: &ArrayRef) -> Box<dyn Iterator<Item = u64> + '_> {
    use DataType as T;
    fn values<T: ArrowPrimitiveType<Native: Into<i64>>>(
        array: &ArrayRef,
    ) -> Box<dyn Iterator<Item = u64> + '_> {
        let values = array.as_primitive::<T>().values().iter();
        Box::new(values.map(|&value| Into::<i64>::into(value).cast_unsigned()))
    }
    match array.data_type() {
        T::Int8 => values::<Int8Type>(array),
        T::Int16 => values::<Int16Type>(array),
        T::Int32 => values::<Int32Type>(array),
        T::Int64 => values::<Int64Type>(array),
        T::UInt8 => values::<UInt8Type>(array),
        T::UInt16 => values::<UInt16Type>(array),
        T::UInt32 => values::<UInt32Type>(array),
        T::Date32 => values::<Date32Type>(array),
        other => unreachable!("{other} is neither a whole number nor a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Decimal128Array, Int8Array, Int64Array, StringArray};
    use datafusion::arrow::compute::cast;
    use std::sync::Arc;

    fn hashes(keys: &ColumnKeys, array: &ArrayRef, scale: u8) -> Vec<u64> {
        let mut sums = vec![0; array.len()];
        keys.add(array, scale, &mut sums);
        sums.into_iter().map(finished).collect()
    }

    #[test]
    fn a_text_has_one_hash_however_it_is_stored() {
        let keys = Keys::draw().column(0, 0);
        let mut texts: Vec<Option<String>> = (0..40).map(|n| Some("é".repeat(n))).collect();
        texts.extend([
            None,
            Some("a".repeat(512)),
            Some("a".repeat(513)),
            Some("b".repeat(513)),
        ]);
        texts.extend(
            ["", "\0", "\0\0", "a", "a\0", "abcdefgh", "abcdefgh\0"].map(|t| Some(t.into())),
        );
        let array: ArrayRef = Arc::new(StringArray::from(texts.clone()));
        let plain = hashes(&keys, &array, 0);
        for to in [DataType::LargeUtf8, DataType::Utf8View] {
            assert_eq!(hashes(&keys, &cast(&array, &to).unwrap(), 0), plain);
        }
        for (one, a) in texts.iter().zip(&plain) {
            for (other, b) in texts.iter().zip(&plain) {
                assert_eq!(one == other, a == b, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_number_has_one_hash_at_every_width_and_scale() {
        let keys = Keys::draw().column(0, 0);
        let numbers = [Some(-128), Some(-1), Some(0), Some(1), Some(127), None];
        let small: ArrayRef = Arc::new(Int8Array::from(numbers.to_vec()));
        let integers = cast(&small, &DataType::Int64).unwrap();
        let decimals = cast(&small, &DataType::Decimal128(9, 2)).unwrap();
        let narrow = cast(&small, &DataType::Decimal64(9, 2)).unwrap();
        let expected = hashes(&keys, &small, 4);
        for array in [&integers, &decimals, &narrow] {
            assert_eq!(hashes(&keys, array, 4), expected);
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_told_apart() {
        let keys = Keys::draw().column(0, 0);
        let beyond = 1_i128 << 64;
        let numbers = vec![
            5,
            5 + beyond,
            5 - beyond,
            -5,
            -5 + beyond,
            5 + 2 * beyond,
            i128::MAX,
        ];
        let wide: ArrayRef = Arc::new(Decimal128Array::from(numbers));
        let mut found = hashes(&keys, &wide, 10);
        let small: ArrayRef = Arc::new(Int64Array::from(vec![5]));
        assert_eq!(hashes(&keys, &small, 0)[0], found[0]);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn scattering_is_one_to_one() {
        let mut seen: Vec<u64> = (0..1000).chain((0..64).map(|bit| 1 << bit)).collect();
        seen.sort_unstable();
        seen.dedup();
        let count = seen.len();
        let mut scattered: Vec<u64> = seen.into_iter().map(scattered).collect();
        scattered.sort_unstable();
        scattered.dedup();
        assert_eq!(scattered.len(), count);
    }
}
