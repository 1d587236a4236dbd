//! One value: from text or a number to the exact value of a type, or the reason why not.

use chrono::format::{Item, Parsed, StrftimeItems, parse};
use datafusion::arrow::datatypes::{Date32Type, Decimal128Type, DecimalType};
use std::fmt::Write;

/// How a date is written when the dataset does not say.
pub const DEFAULT_DATE_FORMAT: &str = "%Y-%m-%d";

/// A date format, parsed once.
#[derive(Clone, Debug)]
pub struct DateFormat {
    items: Vec<Item<'static>>,
    /// The parts of a format whose parts all have one width, which is read without chrono.
    fixed: Option<Vec<Part>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    Month,
    Day,
    Literal(u8),
}

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
        let format = Self {
            items,
            fixed: fixed_parts(notation),
        };
        // What the format writes it must be able to read: `%d/%m` names no year, for one. It may
        // name a time beside the date, which is then read and left out.
        let sample = chrono::DateTime::UNIX_EPOCH.format_with_items(format.items.iter());
        let mut written = String::new();
        match write!(written, "{sample}").map(|()| format.days(&written)) {
            Ok(Ok(0)) => Ok(format),
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
        let text = text.trim();
        if let Some(days) = self.fixed.as_ref().and_then(|parts| fixed(parts, text)) {
            return Ok(days);
        }
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter())
            .and_then(|()| parsed.to_naive_date())
            .map(Date32Type::from_naive_date)
            .map_err(|_| "is no date in the column's format".to_owned())
    }
}

/// The parts of a notation that names a year of four digits, a month and a day of two and nothing
/// else; none for any other.
fn fixed_parts(notation: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut bytes = notation.bytes();
    while let Some(byte) = bytes.next() {
        parts.push(match byte {
            b'%' => match bytes.next()? {
                b'Y' => Part::Year,
                b'm' => Part::Month,
                b'd' => Part::Day,
                _ => return None,
            },
            // White space in a format stands for any, also none.
            byte if byte.is_ascii_punctuation() => Part::Literal(byte),
            _ => return None,
        });
    }
    let once = |part| parts.iter().filter(|&&found| found == part).count() == 1;
    (once(Part::Year) && once(Part::Month) && once(Part::Day)).then_some(parts)
}

/// The date of a text in which every part has its width; none for any other text.
fn fixed(parts: &[Part], text: &str) -> Option<i32> {
    let (mut year, mut month, mut day) = (0, 0, 0);
    let mut rest = text.as_bytes();
    for part in parts {
        let (target, width) = match part {
            Part::Literal(byte) => {
                rest = rest.strip_prefix(&[*byte])?;
                continue;
            }
            Part::Year => (&mut year, 4),
            Part::Month => (&mut month, 2),
            Part::Day => (&mut day, 2),
        };
        let (digits, after) = rest.split_at_checked(width)?;
        for digit in digits {
            *target = *target * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        rest = after;
    }
    let year = i32::try_from(year).ok().filter(|_| rest.is_empty())?;
    chrono::NaiveDate::from_ymd_opt(year, month, day).map(Date32Type::from_naive_date)
}

/// A date and a time of the day as ISO 8601 text, without a time that is midnight.
#[must_use]
pub fn moment(days: i32, millis: u32) -> String {
    let date = Date32Type::to_naive_date_opt(days).unwrap_or_default();
    let time = chrono::NaiveTime::from_num_seconds_from_midnight_opt(
        millis / 1000,
        millis % 1000 * 1_000_000,
    );
    match time.filter(|_| millis > 0) {
        None => date.format("%Y-%m-%d").to_string(),
        Some(time) => date
            .and_time(time)
            .format("%Y-%m-%dT%H:%M:%S%.f")
            .to_string(),
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
    if let Some(value) = short_decimal(text.as_bytes(), scale) {
        return within(value, precision).ok_or_else(|| too_large(precision, scale));
    }
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

/// [`decimal`] for the usual number of at most 18 digits at its scale; none for any other text.
fn short_decimal(text: &[u8], scale: u8) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let (mut value, mut count, mut fraction) = (0_u64, 0_u8, None);
    for &byte in digits {
        if byte == b'.' && fraction.is_none() {
            fraction = Some(0_u8);
            continue;
        }
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        count += 1;
        fraction = fraction.map(|fraction| fraction + 1);
    }
    let zeros = scale.checked_sub(fraction.unwrap_or(0))?;
    if count == 0 || count + zeros > 18 {
        return None;
    }
    let value = i128::from(value * 10_u64.pow(u32::from(zeros)));
    Some(if negative { -value } else { value })
}

/// A number as JSON writes it, perhaps with an exponent, as [`decimal`].
///
/// # Errors
/// A reason without the value.
pub fn number(text: &str, precision: u8, scale: u8) -> Result<i128, String> {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        return decimal(text, precision, scale);
    };
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all = format!("{whole}{fraction}");
    if all.bytes().all(|byte| byte == b'0') {
        return decimal(&all, precision, scale);
    }
    let Some(point) = exponent
        .parse::<i64>()
        .ok()
        .filter(|exponent| exponent.abs() <= 1000)
        .and_then(|exponent| exponent.checked_add(i64::try_from(whole.len()).ok()?))
    else {
        return Err(too_large(precision, scale));
    };
    // The point moves; zeros are added where it leaves the digits.
    let plain = match usize::try_from(point) {
        Ok(point) if point >= all.len() => format!("{sign}{all:0<point$}"),
        Ok(point) => format!("{sign}{}.{}", &all[..point], &all[point..]),
        Err(_) => {
            let zeros = usize::try_from(-point).unwrap_or(0);
            format!("{sign}.{}{all}", "0".repeat(zeros))
        }
    };
    decimal(&plain, precision, scale)
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
    fn exponents_of_json_are_exact() {
        assert_eq!(number("1.5E2", 18, 2), Ok(15_000));
        assert_eq!(number("-1e-05", 18, 5), Ok(-1));
        assert_eq!(number("125e-2", 18, 2), Ok(125));
        assert_eq!(number("0.0012e+3", 18, 2), Ok(120));
        assert_eq!(number("0e999999999999", 18, 2), Ok(0));
        assert!(number("1e-3", 18, 2).is_err());
        assert!(number("1e400", 38, 0).is_err());
        assert!(number("1e99999999999999999999", 38, 0).is_err());
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
        assert!(DateFormat::new("%H:%M").is_err());
        let moments = ["%Y-%m-%d %H:%M", "%d.%m.%Y %I:%M %p"].map(DateFormat::new);
        let [day_first, american] = moments.map(Result::unwrap);
        assert_eq!(day_first.days("1970-01-02 23:59"), Ok(1));
        assert!(day_first.days("1970-01-02").is_err());
        assert_eq!(american.days("02.01.1970 11:59 PM"), Ok(1));
        let zone = DateFormat::new("%Y-%m-%dT%H:%M:%S%z").unwrap();
        assert_eq!(zone.days("1970-01-02T00:30:00+0200"), Ok(1));
        // Narrower than the format's own width, which chrono reads too.
        assert_eq!(format.days("2/1/1970"), Ok(1));
        assert_eq!(DateFormat::new("%Y%m%d").unwrap().days("19700102"), Ok(1));
        assert!(format.days("01/01/1970x").is_err());
        assert_eq!(moment(1, 0), "1970-01-02");
        assert_eq!(moment(0, 3_723_004), "1970-01-01T01:02:03.004");
    }
}
