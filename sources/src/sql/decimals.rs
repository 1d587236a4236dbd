//! Numbers whose type the job does not declare: decimals with as many digits after the point as the
//! longest of them. That shows only at the end, so the rows are written once more.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::spool::Spool;

/// The digits of the longest decimal.
const MOST: u8 = 38;

/// By the place of a column, its digits after the point.
pub type Decimals = BTreeMap<usize, u8>;

/// The most digits of a column's values, before and after the point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digits {
    before: usize,
    after: usize,
}

impl Digits {
    /// Counts a number; false where the text is none.
    pub fn count(&mut self, text: &str) -> bool {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return false;
        }
        self.before = self.before.max(whole.trim_start_matches('0').len());
        self.after = self.after.max(fraction.len());
        true
    }

    /// The digits after the point.
    ///
    /// # Errors
    /// When the column, which has this name, has more digits than a decimal.
    pub fn scale(self, name: &str) -> Result<u8, String> {
        let most = usize::from(MOST);
        let scale = u8::try_from(self.after).ok();
        match scale {
            Some(scale) if self.before + self.after <= most => Ok(scale),
            _ => Err(format!(
                "its column `{name}` has {} digits before the point and {} after it, and a decimal \
                 holds {most}; declare its type in `columns`, or round it in the query, as in \
                 round({name}, 6)",
                self.before, self.after
            )),
        }
    }
}

/// The same rows with these columns as decimals, in another temporary file.
///
/// # Errors
/// When a file cannot be read or written.
pub fn typed(spool: &Spool, decimals: &Decimals) -> Result<Spool, ArrowError> {
    let source = BufReader::with_capacity(1 << 20, File::open(spool.path())?);
    let reader = StreamReader::try_new(source, None)?;
    let fields = reader.schema();
    let fields = fields.fields().iter().enumerate();
    let fields = fields.map(|(place, field)| match decimals.get(&place) {
        Some(scale) => Arc::new(Field::new(field.name(), decimal_type(*scale), true)),
        None => field.clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut typed = Spool::new()?;
    let buffer = BufWriter::with_capacity(1 << 20, typed.file());
    let mut writer = StreamWriter::try_new(buffer, &schema)?;
    for batch in reader {
        let batch = batch?;
        let columns = batch.columns().iter().enumerate();
        let columns = columns.map(|(place, column)| match decimals.get(&place) {
            Some(scale) => parsed(column, *scale),
            None => Ok(column.clone()),
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        writer.write(&RecordBatch::try_new(schema.clone(), columns)?)?;
    }
    writer.finish()?;
    writer.into_inner()?.flush()?;
    Ok(typed)
}

fn decimal_type(scale: u8) -> DataType {
    // A scale is at most 38.
    DataType::Decimal128(MOST, i8::try_from(scale).unwrap_or(0))
}

fn parsed(column: &ArrayRef, scale: u8) -> Result<ArrayRef, ArrowError> {
    let texts = column.as_string::<i32>();
    let values = texts.iter().map(|text| {
        let value = text.map(|text| value(text, scale));
        value.map(|value| value.ok_or_else(|| ArrowError::ParseError("a number".into())))
    });
    let values = values
        .map(Option::transpose)
        .collect::<Result<Decimal128Array, _>>()?;
    Ok(Arc::new(values.with_data_type(decimal_type(scale))))
}

/// The number's digits at a scale that holds them all; it has been counted.
fn value(text: &str, scale: u8) -> Option<i128> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let zeros = usize::from(scale).checked_sub(fraction.len())?;
    let digits = whole.bytes().chain(fraction.bytes());
    let mut value = 0_i128;
    for digit in digits.chain(std::iter::repeat_n(b'0', zeros)) {
        value = value
            .checked_mul(10)?
            .checked_add(i128::from(digit.checked_sub(b'0')?))?;
    }
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::{Digits, value};

    #[test]
    fn digits_are_counted_without_leading_zeros() {
        let mut digits = Digits::default();
        for text in ["0.5", "-12.250", "0", "123"] {
            assert!(digits.count(text), "{text}");
        }
        assert_eq!(digits.scale("x"), Ok(3));
        assert_eq!((digits.before, digits.after), (3, 3));
        for text in ["", "-", ".5", "1e5", "NaN", "1,5"] {
            assert!(!digits.count(text), "{text}");
        }
    }

    #[test]
    fn more_digits_than_a_decimal_holds_are_an_error_with_a_remedy() {
        let mut digits = Digits::default();
        assert!(digits.count(&"9".repeat(38)));
        assert_eq!(digits.scale("x"), Ok(0));
        assert!(digits.count("0.1"));
        let message = digits.scale("total").unwrap_err();
        assert!(message.contains("`total` has 38 digits") && message.contains("round(total"));
    }

    #[test]
    fn values_are_exact_at_the_columns_scale() {
        assert_eq!(value("-12.25", 4), Some(-122_500));
        assert_eq!(value("0.001", 3), Some(1));
        assert_eq!(value(&"9".repeat(38), 0), Some(10_i128.pow(38) - 1));
        assert_eq!(value("1.25", 1), None);
    }
}
