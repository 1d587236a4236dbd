//! Differences: the columns of matched pairs that say something else on either side.
//!
//! Values are compared as the files have them, before any clean-up. Two nulls do not differ; a null
//! and a value do.

pub mod keyed;

use crate::assign::Edge;
use crate::compare::{FAILED, Feature, check_scales};
use crate::error::Error;
use crate::ledger::Pair;
use crate::outcome::Outcome;
use crate::plan::{ComparisonPlan, OwnedMethod};
use crate::values::{Form, Values, Window};
use crate::written::Texts;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder, UInt32Array,
};
use datafusion::arrow::compute::kernels::cmp::distinct;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type, i256};
use std::collections::BTreeSet;

/// How many pairs are compared in one go; it bounds the memory for similarities.
const STEP: usize = 8192;

/// One column of one pair that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The pair, by index.
    pub pair: u32,
    /// The column, by its index in [`crate::plan::Plan::differences`].
    pub column: u32,
}

/// The places of the columns that differences look at, on the left and on the right.
#[must_use]
pub fn columns(plans: &[ComparisonPlan]) -> [Vec<usize>; 2] {
    let of = |place: fn(&ComparisonPlan) -> usize| -> Vec<usize> {
        let places: BTreeSet<usize> = plans.iter().map(place).collect();
        places.into_iter().collect()
    };
    [of(|plan| plan.left), of(|plan| plan.right)]
}

/// Compares the columns of every matched pair, marks those that differ as [`Outcome::Differing`],
/// and returns what differs in the order of pairs, then of the specification.
///
/// # Errors
/// When numbers of both sides do not fit 38 digits at the scale that they share, or values cannot be
/// read back.
pub fn find(
    plans: &[ComparisonPlan],
    [left, right]: [&Values; 2],
    pairs: &mut [Pair],
) -> Result<Vec<Found>, Error> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let path = |column| format!("diff[{column}]");
    check_scales(plans, path, Form::Original, [left, right])?;
    let matched: Vec<u32> = (0_u32..)
        .zip(&*pairs)
        .filter(|(_, pair)| pair.outcome == Outcome::Matched)
        .map(|(index, _)| index)
        .collect();
    let columns = columns(plans);
    let [left_columns, right_columns] = &columns;
    let most = left.rows_at_a_time(Form::Original, left_columns);
    let most = most.min(right.rows_at_a_time(Form::Original, right_columns));
    let mut found = Vec::new();
    for part in matched.chunks((most / 2).max(1)) {
        let edges = |part: &[u32]| -> Vec<Edge> {
            let edge = |&pair: &u32| pairs[pair as usize].chosen.edge;
            part.iter().map(edge).collect()
        };
        let own = edges(part);
        let lefts = own.iter().map(|edge| edge.left);
        let lefts = left.window(Form::Original, left_columns, lefts)?;
        let rights = own.iter().map(|edge| edge.right);
        let rights = right.window(Form::Original, right_columns, rights)?;
        for (plan, column) in plans.iter().zip(0_u32..) {
            let path = format!("diff[{column}]");
            let comparing = Comparing::new(plan, &path, &lefts.batch, &rights.batch)?;
            for step in part.chunks(STEP) {
                let edges = edges(step);
                let l = edges.iter().map(|edge| lefts.place(edge.left)).collect();
                let r = edges.iter().map(|edge| rights.place(edge.right)).collect();
                let differs = comparing.differs(l, r)?;
                let differing = step.iter().zip(&differs).filter(|(_, differs)| **differs);
                found.extend(differing.map(|(&pair, _)| Found { pair, column }));
            }
        }
    }
    found.sort_unstable_by_key(|found| (found.pair, found.column));
    for found in &found {
        pairs[found.pair as usize].outcome = Outcome::Differing;
    }
    Ok(found)
}

/// One column of both sides, ready to be compared.
enum Comparing<'a> {
    /// Whether values of one type are equal.
    Distinct(&'a ArrayRef, &'a ArrayRef),
    /// What a comparison says of them.
    Method(Box<Feature>, &'a ArrayRef, &'a ArrayRef),
}

impl<'a> Comparing<'a> {
    fn new(
        plan: &ComparisonPlan,
        path: &str,
        left: &'a RecordBatch,
        right: &'a RecordBatch,
    ) -> Result<Self, Error> {
        let (l, r) = (left.column(plan.left), right.column(plan.right));
        let alike = l.data_type() == r.data_type() && keyed::can_hash(l.data_type());
        if alike && matches!(plan.method, OwnedMethod::Exact) {
            return Ok(Self::Distinct(l, r));
        }
        let feature = Feature::new(plan, path, left, right)?;
        Ok(Self::Method(Box::new(feature), l, r))
    }

    /// Whether the values of the left and right rows differ, pair by pair.
    fn differs(&self, lefts: Vec<u32>, rights: Vec<u32>) -> Result<Vec<bool>, Error> {
        match self {
            Self::Distinct(left, right) => {
                let left = take(left, &UInt32Array::from(lefts), None)?;
                let right = take(right, &UInt32Array::from(rights), None)?;
                let differs = distinct(&left, &right)?;
                Ok(differs.values().iter().collect())
            }
            Self::Method(feature, left, right) => {
                let alive: Vec<u32> = (0..).take(lefts.len()).collect();
                let mut similarities = vec![0.0; lefts.len()];
                feature.compare(&lefts, &rights, &alive, &mut similarities);
                let differs = similarities.iter().zip(lefts.iter().zip(&rights));
                let differs = differs.map(|(similarity, (&l, &r))| {
                    similarity.total_cmp(&FAILED).is_eq()
                        && !(left.is_null(l as usize) && right.is_null(r as usize))
                });
                Ok(differs.collect())
            }
        }
    }
}

/// The values behind some differences, as texts, in the order of the differences.
pub struct DifferenceTexts {
    /// The left values; null where the value is.
    pub left: StringArray,
    /// The right values; null where the value is.
    pub right: StringArray,
    /// Right minus left: a decimal for numbers, days for dates, else null.
    pub delta: StringArray,
}

/// Writes the values of differences. `plans` and `pairs` are those of [`find`]; the windows hold the
/// original values of their records.
///
/// # Errors
/// When Arrow cannot write a value of a column's type.
pub fn values(
    plans: &[ComparisonPlan],
    [left, right]: [&Window; 2],
    pairs: &[Pair],
    found: &[Found],
) -> Result<DifferenceTexts, Error> {
    let (lefts, rights): (Vec<&ArrayRef>, Vec<&ArrayRef>) = plans
        .iter()
        .map(|plan| (left.batch.column(plan.left), right.batch.column(plan.right)))
        .unzip();
    let l = |found: &Found| left.place(pairs[found.pair as usize].chosen.edge.left) as usize;
    let r = |found: &Found| right.place(pairs[found.pair as usize].chosen.edge.right) as usize;
    let delta = found.iter().map(|found| {
        let column = found.column as usize;
        delta((lefts[column], l(found)), (rights[column], r(found)))
    });
    Ok(DifferenceTexts {
        left: texts(&lefts, found, l)?,
        right: texts(&rights, found, r)?,
        delta: delta.collect(),
    })
}

fn texts(
    columns: &[&ArrayRef],
    found: &[Found],
    row: impl Fn(&Found) -> usize,
) -> Result<StringArray, Error> {
    let written = columns
        .iter()
        .map(|column| Texts::of(column))
        .collect::<Result<Vec<_>, _>>()?;
    let mut builder = StringBuilder::new();
    let mut text = String::new();
    for found in found {
        let (column, row) = (found.column as usize, row(found));
        if columns[column].is_null(row) {
            builder.append_null();
        } else {
            text.clear();
            written[column].write(row, &mut text)?;
            builder.append_value(&text);
        }
    }
    Ok(builder.finish())
}

/// Right minus left as text; none where a value is null or the columns are neither numbers nor
/// dates.
fn delta((left, l): (&ArrayRef, usize), (right, r): (&ArrayRef, usize)) -> Option<String> {
    if left.is_null(l) || right.is_null(r) {
        return None;
    }
    if let (Some(left), Some(right)) = (digits(left, l), digits(right, r)) {
        let scale = left.1.max(right.1);
        return Some(decimal_text(
            at_scale(right, scale).wrapping_sub(at_scale(left, scale)),
            scale,
        ));
    }
    let days = |column: &ArrayRef, row| {
        let dates = column.as_primitive_opt::<Date32Type>()?;
        Some(i64::from(dates.value(row)))
    };
    Some((days(right, r)? - days(left, l)?).to_string())
}

/// A number as its digits and their scale.
fn digits(column: &ArrayRef, row: usize) -> Option<(i128, u8)> {
    match column.data_type() {
        DataType::Int64 => Some((i128::from(column.as_primitive::<Int64Type>().value(row)), 0)),
        DataType::Decimal128(_, scale) => Some((
            column.as_primitive::<Decimal128Type>().value(row),
            u8::try_from(*scale).ok()?,
        )),
        _ => None,
    }
}

/// Digits at a scale that is at least their own. 256 bits hold 38 digits at any of them, and the
/// difference of two.
fn at_scale((digits, own): (i128, u8), scale: u8) -> i256 {
    let factor = 10_i128.pow(u32::from(scale.saturating_sub(own)));
    i256::from_i128(digits).wrapping_mul(i256::from_i128(factor))
}

fn decimal_text(digits: i256, scale: u8) -> String {
    let text = digits.to_string();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{text}");
    }
    let padded = format!("{text:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deltas_keep_the_common_scale() {
        let text = |digits: i128, scale| decimal_text(i256::from_i128(digits), scale);
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(1250, 2), "12.50");
        assert_eq!(text(0, 3), "0.000");
        assert_eq!(text(-7, 0), "-7");
    }

    #[test]
    fn deltas_of_the_largest_numbers_do_not_wrap() {
        let most = 10_i128.pow(38) - 1;
        let delta = at_scale((most, 0), 38).wrapping_sub(at_scale((-most, 0), 38));
        let nines = "9".repeat(37);
        assert_eq!(
            decimal_text(delta, 38),
            format!("1{nines}8.{}", "0".repeat(38))
        );
    }
}
