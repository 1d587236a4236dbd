//! One value: from text or a number to the exact value of a type, or the reason why not.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use datafusion::arrow::datatypes::{Date32Type, Decimal128Type, DecimalType};

/// How a date is written when the dataset does not say.
pub const DEFAULT_DATE_FORMAT: &str = "%Y-%m-%d";

/// A date format, parsed once.
#[derive(Clone, Debug)]
pub struct DateFormat(Vec<Item<'static>>);

impl DateFormat {
    /// Parses strftime notation such as `%d/%m/%Y`.
    ///
    /// # Errors
    /// When the notation is not understood, or names no whole date.
    pub fn new(notation: &str) -> Result<Self, String> {
        let items = StrftimeItems::new(notation).parse_to_owned().map_err(|_| {
            format!(
                "`{notation}` is no date format; write strftime notation such as \
                 {DEFAULT_DATE_FORMAT} or %d/%m/%Y"
            )
        })?;
        let format = Self(items);
        // What the format writes it must be able to read: `%d/%m` names no year, for one.
        let sample = chrono::NaiveDate::from_ymd_opt(2001, 2, 3)
            .map(|date| date.format_with_items(format.0.iter()).to_string());
        match sample.map(|sample| format.days(&sample)) {
            Some(Ok(_)) => Ok(format),
            _ => Err(format!(
                "`{notation}` does not name a whole date; it needs a year, a month and a day"
            )),
        }
    }

    /// The date as days since 1970-01-01. White space around it is dropped.
    ///
    /// # Errors
    /// A reason without the value.
    pub fn days(&self, text: &str) -> Result<i32, String> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text.trim(), self.0.iter())
            .and_then(|()| parsed.to_naive_date())
            .map(Date32Type::from_naive_date)
            .map_err(|_| "is no date in the column's format".to_owned())
    }
}

/// A whole number. White space around it is dropped.
///
/// # Errors
/// A reason without the value.
pub fn integer(text: &str) -> Result<i64, String> {
    text.trim()
        .parse()
        .map_err(|_| "is no whole number of at most 64 bits".to_owned())
}

/// A decimal number as its digits at `scale`: `1.5` at scale 2 is 150. White space around it is
/// dropped. It is never rounded: zeros at its end may go, other digits may not.
///
/// # Errors
/// A reason without the value.
pub fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let text = text.trim();
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !digits_only(whole) || !digits_only(fraction) {
        return Err("is no decimal number; write digits with a point, as in -1234.50".into());
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > usize::from(scale) {
        return Err(format!(
            "has {} digits after the point where its type has {scale}",
            fraction.len()
        ));
    }
    let too_large = || too_large(precision, scale);
    let mut value = 0_i128;
    let zeros = usize::from(scale) - fraction.len();
    let digits = whole.bytes().chain(fraction.bytes());
    for digit in digits.chain(std::iter::repeat_n(b'0', zeros)) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit - b'0')))
            .ok_or_else(too_large)?;
    }
    within(if negative { -value } else { value }, precision).ok_or_else(too_large)
}

/// A number given as digits at one scale, at another one, exactly.
///
/// # Errors
/// A reason without the value.
pub fn rescale(digits: i128, from: u8, precision: u8, scale: u8) -> Result<i128, String> {
    let factor = 10_i128.pow(u32::from(from.abs_diff(scale)));
    if scale >= from {
        digits
            .checked_mul(factor)
            .and_then(|digits| within(digits, precision))
            .ok_or_else(|| too_large(precision, scale))
    } else if digits % factor != 0 {
        Err(format!(
            "has more digits after the point than its type's {scale}"
        ))
    } else {
        within(digits / factor, precision).ok_or_else(|| too_large(precision, scale))
    }
}

/// A binary floating-point number as a decimal, its exact value rounded half to even.
///
/// # Errors
/// A reason without the value.
pub fn decimal_of_float(value: f64, precision: u8, scale: u8) -> Result<i128, String> {
    if !value.is_finite() {
        return Err("is not a finite number".into());
    }
    // The standard library writes the exact value and rounds a tie to even, as a test pins.
    decimal(&format!("{value:.*}", usize::from(scale)), precision, scale)
}

fn too_large(precision: u8, scale: u8) -> String {
    format!("has more digits than decimal({precision},{scale}) holds")
}

fn within(value: i128, precision: u8) -> Option<i128> {
    Decimal128Type::is_valid_decimal_precision(value, precision).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        assert_eq!(decimal("1.5", 18, 2), Ok(150));
        assert_eq!(decimal(" -0.05 ", 18, 2), Ok(-5));
        assert_eq!(decimal("+7", 18, 2), Ok(700));
        assert_eq!(decimal("1.500", 18, 2), Ok(150));
        assert_eq!(decimal(".5", 3, 2), Ok(50));
        assert!(decimal("1.005", 18, 2).is_err());
        assert!(decimal("1000", 5, 2).is_err());
        assert_eq!(decimal("999.99", 5, 2), Ok(99_999));
        for text in [
            "", "-", ".", "1e3", "1,5", "NaN", "inf", "1.2.3", "--1", "٣",
        ] {
            assert!(decimal(text, 18, 2).is_err(), "{text}");
        }
        assert!(decimal(&"9".repeat(60), 38, 0).is_err());
        assert_eq!(decimal(&"9".repeat(38), 38, 0), Ok(10_i128.pow(38) - 1));
    }

    #[test]
    fn floats_round_half_to_even() {
        assert_eq!(decimal_of_float(0.125, 18, 2), Ok(12));
        assert_eq!(decimal_of_float(0.375, 18, 2), Ok(38));
        assert_eq!(decimal_of_float(0.5, 18, 0), Ok(0));
        assert_eq!(decimal_of_float(1.5, 18, 0), Ok(2));
        assert_eq!(decimal_of_float(2.5, 18, 0), Ok(2));
        assert_eq!(decimal_of_float(-2.5, 18, 0), Ok(-2));
        assert_eq!(decimal_of_float(0.1 + 0.2, 18, 2), Ok(30));
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert!(decimal_of_float(value, 18, 2).is_err());
        }
    }

    #[test]
    fn scales_change_exactly() {
        assert_eq!(rescale(150, 2, 18, 4), Ok(15_000));
        assert_eq!(rescale(15_000, 4, 18, 2), Ok(150));
        assert!(rescale(15_001, 4, 18, 2).is_err());
        assert!(rescale(i128::MAX, 0, 38, 38).is_err());
    }

    #[test]
    fn dates_follow_their_format() {
        let format = DateFormat::new("%d/%m/%Y").unwrap();
        assert_eq!(format.days("02/01/1970"), Ok(1));
        assert!(format.days("31/02/2024").is_err());
        assert!(format.days("2024-01-01").is_err());
        assert!(DateFormat::new("%d/%m").is_err());
        assert!(DateFormat::new("%Q").is_err());
    }
}
