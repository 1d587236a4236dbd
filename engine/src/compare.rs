//! Comparing: the similarity of one value with another, over batches of candidate pairs.
//!
//! What a comparison needs of either side is prepared once as a typed column; a pair is then two
//! look-ups and a few instructions.

use crate::block::number;
use crate::error::Error;
use crate::plan::{ComparisonPlan, OwnedMethod};
use crate::source::value::rescale;
use crate::utils::string::{Method, Prepared, prepare, similarities};
use crate::values::{Form, Values};
use crds::matching::{DateWindow, Nulls, NumberBound, PercentBase, TextMethod};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Decimal128Array, RecordBatch, UInt32Array,
    new_empty_array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, i256};
use std::sync::Arc;

/// The comparison does not hold; it counts as 0 in a weighted score.
pub const FAILED: f64 = -1.0;
/// The comparison is left out, because a value is null and `nulls: neutral` is set. Not a number,
/// so test it with `is_nan`.
pub const NEUTRAL: f64 = f64::NAN;

/// One comparison with the values of both sides at hand.
pub struct Feature {
    kernel: Kernel,
    left_nulls: Option<NullBuffer>,
    right_nulls: Option<NullBuffer>,
    on_null: f64,
    /// The share in a weighted score.
    pub weight: f64,
    /// Whether a pair that fails this comparison is dropped.
    pub must_hold: bool,
    /// What comparing one pair costs, in no unit: the cheap ones run first.
    pub cost: u8,
}

enum Kernel {
    Same(UInt32Array, UInt32Array),
    Number(Vec<i128>, Vec<i128>, Tolerance),
    Date(Date32Array, Date32Array, DateWindow),
    Text(Box<[Prepared; 2]>, f64),
}

impl Feature {
    /// Prepares a comparison. `path` is where it stands in the specification.
    ///
    /// # Errors
    /// When numbers of both sides do not fit 38 digits at the scale that they share.
    pub fn new(
        plan: &ComparisonPlan,
        path: &str,
        left: &RecordBatch,
        right: &RecordBatch,
    ) -> Result<Self, Error> {
        let (l, r) = (left.column(plan.left), right.column(plan.right));
        let (kernel, cost) = match &plan.method {
            OwnedMethod::Exact => {
                let (l, r) = in_one_type(l, r, path)?;
                let (l, r) = number(&[l], &[r])?;
                (Kernel::Same(l, r), 0)
            }
            OwnedMethod::Number(bound) => {
                let (l, r, scale) = common_scale(l, r, path)?;
                (Kernel::Number(l, r, Tolerance::new(bound, scale)), 2)
            }
            OwnedMethod::Date(window) => {
                let days = |array: &ArrayRef| array.as_primitive::<Date32Type>().clone();
                (Kernel::Date(days(l), days(r), *window), 1)
            }
            OwnedMethod::Text(text) => {
                let (method, cost) = method(text.method);
                let texts = |array: &ArrayRef| prepare(method, array.as_string::<i32>());
                (
                    Kernel::Text(Box::new([texts(l), texts(r)]), text.at_least),
                    cost,
                )
            }
        };
        Ok(Self {
            kernel,
            left_nulls: l.nulls().cloned(),
            right_nulls: r.nulls().cloned(),
            on_null: match plan.nulls {
                Nulls::Mismatch => FAILED,
                Nulls::Neutral => NEUTRAL,
                Nulls::Match => 1.0,
            },
            weight: plan.weight,
            must_hold: plan.must_hold,
            cost,
        })
    }

    /// Writes the similarity, 0 to 1, [`FAILED`] or [`NEUTRAL`], of each pair `alive` into `out`.
    pub fn compare(&self, left: &[u32], right: &[u32], alive: &[u32], out: &mut [f64]) {
        match &self.kernel {
            Kernel::Same(l, r) => self.each(left, right, alive, out, |a, b| {
                let same = l.is_valid(a) && r.is_valid(b) && l.value(a) == r.value(b);
                if same { 1.0 } else { FAILED }
            }),
            Kernel::Number(l, r, tolerance) => self.each(left, right, alive, out, |a, b| {
                tolerance.similarity(l[a], r[b])
            }),
            Kernel::Date(l, r, window) => self.each(left, right, alive, out, |a, b| {
                date_similarity(i64::from(r.value(b)) - i64::from(l.value(a)), *window)
            }),
            Kernel::Text(sides, at_least) => {
                let [l, r] = sides.as_ref();
                similarities(l, r, left, right, alive, *at_least, out);
                for &pair in alive {
                    let pair = pair as usize;
                    if self.has_null(left[pair], right[pair]) {
                        out[pair] = self.on_null;
                    } else if out[pair] < *at_least {
                        out[pair] = FAILED;
                    }
                }
            }
        }
    }

    fn has_null(&self, left: u32, right: u32) -> bool {
        let is_null = |nulls: &Option<NullBuffer>, row: u32| {
            nulls
                .as_ref()
                .is_some_and(|nulls| nulls.is_null(row as usize))
        };
        is_null(&self.left_nulls, left) || is_null(&self.right_nulls, right)
    }

    fn each(
        &self,
        left: &[u32],
        right: &[u32],
        alive: &[u32],
        out: &mut [f64],
        similarity: impl Fn(usize, usize) -> f64,
    ) {
        for &pair in alive {
            let pair = pair as usize;
            let (l, r) = (left[pair], right[pair]);
            out[pair] = if self.has_null(l, r) {
                self.on_null
            } else {
                similarity(l as usize, r as usize)
            };
        }
    }
}

/// The kernel of a method, and what comparing one pair costs.
fn method(method: TextMethod) -> (Method, u8) {
    match method {
        TextMethod::Soundex => (Method::Soundex, 1),
        TextMethod::Levenshtein => (Method::Levenshtein, 3),
        TextMethod::Jaro => (Method::Jaro, 3),
        TextMethod::JaroWinkler => (Method::JaroWinkler, 3),
        TextMethod::TokenSort => (Method::TokenSort, 4),
        TextMethod::Qgram => (Method::Qgram, 4),
        TextMethod::DamerauLevenshtein => (Method::DamerauLevenshtein, 5),
        TextMethod::TokenSet => (Method::TokenSet, 6),
    }
}

/// Both columns in one type, numbers at the larger of both scales, so that equal values are equal.
///
/// # Errors
/// When numbers of both sides do not fit 38 digits at the scale that they share.
pub fn in_one_type(
    left: &ArrayRef,
    right: &ArrayRef,
    path: &str,
) -> Result<(ArrayRef, ArrayRef), Error> {
    if left.data_type() == right.data_type() {
        return Ok((left.clone(), right.clone()));
    }
    let decimals = |digits: Vec<i128>, scale, nulls: Option<&NullBuffer>| -> ArrayRef {
        let data_type = DataType::Decimal128(38, i8::try_from(scale).unwrap_or(i8::MAX));
        let values = Decimal128Array::new(digits.into(), nulls.cloned());
        Arc::new(values.with_data_type(data_type))
    };
    let (l, r, scale) = common_scale(left, right, path)?;
    Ok((
        decimals(l, scale, left.nulls()),
        decimals(r, scale, right.nulls()),
    ))
}

/// Both columns' digits at the larger of both scales; 0 where null.
///
/// # Errors
/// When numbers of both sides do not fit 38 digits at the scale that they share.
pub fn common_scale(
    left: &ArrayRef,
    right: &ArrayRef,
    path: &str,
) -> Result<(Vec<i128>, Vec<i128>, u8), Error> {
    let scale = scale_of(left).max(scale_of(right));
    let digits =
        |array: &ArrayRef| {
            let from = scale_of(array);
            let raw: Vec<i128> = match array.data_type() {
                DataType::Decimal128(..) => {
                    array.as_primitive::<Decimal128Type>().values().to_vec()
                }
                _ => (array.as_primitive::<Int64Type>().values().iter())
                    .map(|&value| i128::from(value))
                    .collect(),
            };
            raw.into_iter()
            .enumerate()
            .map(|(row, value)| {
                if array.is_null(row) { Ok(0) } else { rescale(value, from, 38, scale) }
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| {
                Error::spec(
                    path,
                    format!(
                        "a value has more than 38 digits when both sides are written with {scale} \
                         digits after the point; declare a smaller scale on the finer side"
                    ),
                )
            })
        };
    Ok((digits(left)?, digits(right)?, scale))
}

/// Whether the numbers of both sides fit 38 digits at the scale that they share: where values are in
/// files, only those of some records are looked at at a time, and the answer is about all.
///
/// # Errors
/// When they do not, or cannot be read back. `path` names a comparison, by its index.
pub fn check_scales(
    plans: &[ComparisonPlan],
    path: impl Fn(usize) -> String,
    form: Form,
    [left, right]: [&Values; 2],
) -> Result<(), Error> {
    let schemas = [left.schema(), right.schema()];
    for (index, plan) in plans.iter().enumerate() {
        let types = [
            schemas[0].field(plan.left).data_type(),
            schemas[1].field(plan.right).data_type(),
        ];
        let numbers = types
            .iter()
            .all(|t| matches!(t, DataType::Int64 | DataType::Decimal128(..)));
        if !numbers || types[0] == types[1] {
            continue;
        }
        let [no_left, no_right] = types.map(new_empty_array);
        for batch in left.steps(form, &[plan.left]) {
            common_scale(batch?.column(plan.left), &no_right, &path(index))?;
        }
        for batch in right.steps(form, &[plan.right]) {
            common_scale(&no_left, batch?.column(plan.right), &path(index))?;
        }
    }
    Ok(())
}

fn scale_of(array: &ArrayRef) -> u8 {
    match array.data_type() {
        DataType::Decimal128(_, scale) => u8::try_from(*scale).unwrap_or(0),
        _ => 0,
    }
}

/// A number comparison's bounds at the scale of the digits that it compares. Whether a bound holds
/// is decided in integers; floats only say how far inside it a difference is.
struct Tolerance {
    abs: Option<(u128, f64)>,
    percent: Option<Percent>,
}

struct Percent {
    digits: u128,
    hundred: u128,
    base: PercentBase,
}

impl Tolerance {
    fn new(bound: &NumberBound, scale: u8) -> Self {
        let ten = |power: u8| i256::from_i128(10_i128.pow(u32::from(power)));
        let abs = bound.abs.as_ref().map(|abs| {
            let (digits, own) = abs.parts();
            let limit = i256::from_i128(digits)
                .wrapping_mul(ten(scale))
                .wrapping_div(ten(own));
            // Differences are whole at this scale, so the part of the bound below it says nothing.
            let whole = limit.to_i128().map_or(u128::MAX, i128::unsigned_abs);
            (
                whole,
                float(digits.unsigned_abs()) * power(scale) / power(own),
            )
        });
        let percent = bound.percent.as_ref().map(|percent| {
            let (digits, own) = percent.parts();
            Percent {
                digits: digits.unsigned_abs(),
                hundred: 100 * 10_u128.pow(u32::from(own)),
                base: bound.base.unwrap_or_default(),
            }
        });
        Self { abs, percent }
    }

    fn similarity(&self, left: i128, right: i128) -> f64 {
        if left == right {
            return 1.0;
        }
        let difference = left.abs_diff(right);
        let mut bound = 0.0_f64;
        let mut holds = false;
        if let Some((limit, float)) = self.abs {
            holds |= difference <= limit;
            bound = bound.max(float);
        }
        if let Some(percent) = &self.percent {
            let base = match percent.base {
                PercentBase::Max => left.unsigned_abs().max(right.unsigned_abs()),
                PercentBase::Left => left.unsigned_abs(),
                PercentBase::Right => right.unsigned_abs(),
            };
            // |difference| / base ≤ percent / 100, multiplied out.
            holds |= at_most(difference, percent.hundred, percent.digits, base);
            bound = bound.max(float(percent.digits) * float(base) / float(percent.hundred));
        }
        if holds {
            1.0 - 0.5 * (float(difference) / bound).min(1.0)
        } else {
            FAILED
        }
    }
}

/// a · b ≤ c · d, exactly. The products stay under 10^76, which 256 bits hold.
fn at_most(a: u128, b: u128, c: u128, d: u128) -> bool {
    if let (Some(one), Some(other)) = (a.checked_mul(b), c.checked_mul(d)) {
        return one <= other;
    }
    let wide = |value: u128| i256::from_parts(value, 0);
    wide(a).wrapping_mul(wide(b)) <= wide(c).wrapping_mul(wide(d))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only how near, never whether, depends on it"
)]
fn float(value: u128) -> f64 {
    value as f64
}

fn power(scale: u8) -> f64 {
    10_f64.powi(i32::from(scale))
}

#[expect(clippy::cast_precision_loss, reason = "days stay far below 2^52")]
fn date_similarity(days: i64, window: DateWindow) -> f64 {
    let (min, max) = (i64::from(window.min_days), i64::from(window.max_days));
    if !(min..=max).contains(&days) {
        return FAILED;
    }
    match days {
        0 => 1.0,
        1.. => 1.0 - 0.5 * days as f64 / max as f64,
        _ => 1.0 - 0.5 * days as f64 / min as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tolerance(abs: Option<&str>, percent: Option<&str>, base: PercentBase) -> Tolerance {
        let bound = |text: &str| text.to_owned().try_into().unwrap();
        let bound = NumberBound {
            abs: abs.map(bound),
            percent: percent.map(bound),
            base: Some(base),
        };
        Tolerance::new(&bound, 2)
    }

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn an_absolute_bound_is_inclusive_and_falls_to_one_half() {
        let t = tolerance(Some("0.05"), None, PercentBase::Max);
        near(t.similarity(10_000, 10_000), 1.0);
        near(t.similarity(10_000, 10_005), 0.5);
        near(t.similarity(-2, 2), 0.6);
        near(t.similarity(10_000, 10_006), FAILED);
        // Half a cent of bound is no bound for whole cents.
        near(
            tolerance(Some("0.009"), None, PercentBase::Max).similarity(1, 2),
            FAILED,
        );
        near(
            tolerance(Some("0"), None, PercentBase::Max).similarity(1, 1),
            1.0,
        );
    }

    #[test]
    fn a_percentage_is_of_its_base_and_the_wider_bound_counts() {
        let one = |base| tolerance(None, Some("1"), base);
        near(one(PercentBase::Left).similarity(10_000, 10_100), 0.5);
        near(one(PercentBase::Left).similarity(10_000, 10_101), FAILED);
        assert!(one(PercentBase::Max).similarity(10_000, 10_101) > 0.5);
        near(one(PercentBase::Right).similarity(10_101, 10_000), FAILED);
        let both = tolerance(Some("2.00"), Some("1"), PercentBase::Left);
        near(both.similarity(10_000, 10_200), 0.5);
        near(both.similarity(100_000, 100_500), 0.75);
        near(one(PercentBase::Max).similarity(0, 1), FAILED);
    }

    #[test]
    fn the_largest_numbers_stay_exact() {
        let most = 10_i128.pow(38) - 1;
        let t = tolerance(None, Some("200"), PercentBase::Max);
        near(t.similarity(most, -most), 0.5);
        let t = tolerance(None, Some("199.999999999999999999"), PercentBase::Max);
        near(t.similarity(most, -most), FAILED);
    }

    #[test]
    fn a_date_window_has_two_ends() {
        let window = |min_days, max_days| DateWindow { min_days, max_days };
        near(date_similarity(0, window(0, 30)), 1.0);
        near(date_similarity(30, window(0, 30)), 0.5);
        near(date_similarity(31, window(0, 30)), FAILED);
        near(date_similarity(-1, window(0, 30)), FAILED);
        near(date_similarity(-1, window(-2, 30)), 0.75);
        near(date_similarity(0, window(2, 5)), FAILED);
    }
}
