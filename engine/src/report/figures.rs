//! What the reports for people show, computed once for the page and the workbook.

use super::lists::Results;
use super::reasons::Reasons;
use crate::error::Error;
use crate::ledger::Pair;
use crate::outcome::{Outcome, Side};
use crate::values::Form;
use crate::written::Texts;
use crds::matching::{MatchingSpec, Method, Score};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int64Type};
use datafusion::arrow::util::display::array_value_to_string;
use std::collections::BTreeMap;

/// Bars of the histogram of scores.
const SCORE_BARS: usize = 20;
/// Rows of a sample.
const SAMPLE: usize = 100;
/// Pairs for review whose scores are drawn.
const WATERFALLS: usize = 12;
/// Columns in the chart of differing columns.
const TOP_COLUMNS: usize = 12;
/// Ends of the age buckets, in days, and their names.
const AGES: [(i64, &str); 5] = [
    (7, "up to 7 days"),
    (30, "8 to 30 days"),
    (90, "31 to 90 days"),
    (365, "91 to 365 days"),
    (i64::MAX, "over a year"),
];

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What the left side is called.
    pub left_name: String,
    /// What the right side is called.
    pub right_name: String,
    /// By pass, the records of both sides in its confirmed pairs.
    pub confirmed: Vec<u64>,
    /// Pairs by score from 0 to 1: confirmed, and for review.
    pub scores: Vec<[u64; 2]>,
    /// Breaks by age, where the job compares an amount and a date.
    pub ages: Option<Ages>,
    /// Differing columns, the commonest first, and on how many pairs they differ.
    pub differing: Vec<(String, u64)>,
    /// How the scores of the first pairs for review came about.
    pub waterfalls: Vec<Waterfall>,
    /// The first rows of what a person looks at.
    pub samples: Vec<Sample>,
}

/// Amounts that are unmatched or for review, by age.
#[derive(Clone, Debug)]
pub struct Ages {
    /// The column of amounts.
    pub amount: String,
    /// The column of dates.
    pub date: String,
    /// The newest date of both sides.
    pub newest: String,
    /// From the youngest to the oldest.
    pub buckets: Vec<Bucket>,
}

/// The breaks of one age.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// The age in words.
    pub label: String,
    /// The sum of absolute amounts, for a bar.
    pub length: f64,
    /// The same, exact.
    pub amount: String,
    /// Rows.
    pub rows: u64,
}

/// How the score of a pair adds up.
#[derive(Clone, Debug)]
pub struct Steps {
    /// Comparisons and what they add.
    pub parts: Vec<(String, f64)>,
    /// What they add up to.
    pub total: f64,
    /// What the total is.
    pub unit: &'static str,
}

/// How the score of a pair for review came about.
#[derive(Clone, Debug)]
pub struct Waterfall {
    /// The left key.
    pub left_key: String,
    /// The right key.
    pub right_key: String,
    /// The pass.
    pub pass: String,
    /// What each comparison adds.
    pub steps: Steps,
}

/// The first rows of a list. A column whose name begins with `#` holds figures.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What the list is.
    pub title: String,
    /// How long the whole list is.
    pub total: u64,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

/// Computes the figures. `plain` pairs of the first pass simply match and are counted only.
///
/// # Errors
/// When Arrow cannot write a value, or values cannot be read back.
pub fn figures(results: &Results<'_>, plain: u64) -> Result<Figures, Error> {
    let spec = results.spec;
    let name = |name: &Option<String>, side: &str| name.clone().unwrap_or_else(|| side.into());
    let mut samples = vec![review_sample(results)?, difference_sample(results)?];
    for side in [Side::Left, Side::Right] {
        samples.push(unmatched_sample(results, side)?);
    }
    Ok(Figures {
        left_name: name(&spec.left.name, "left"),
        right_name: name(&spec.right.name, "right"),
        scores: scores(results, plain),
        confirmed: confirmed(results, plain),
        ages: ages(results)?,
        differing: differing(results),
        waterfalls: waterfalls(results)?,
        samples,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a score is from 0 to 1"
)]
fn scores(results: &Results<'_>, plain: u64) -> Vec<[u64; 2]> {
    let mut bars = vec![[0, 0]; SCORE_BARS];
    bars[SCORE_BARS - 1][0] = plain;
    for pair in results.pairs.iter().filter(|pair| pair.split.is_none()) {
        let bar = (pair.chosen.edge.score * SCORE_BARS as f64) as usize;
        let part = usize::from(pair.outcome == Outcome::Review);
        bars[bar.min(SCORE_BARS - 1)][part] += 1;
    }
    bars
}

fn confirmed(results: &Results<'_>, plain: u64) -> Vec<u64> {
    let mut records = vec![[Vec::new(), Vec::new()]; results.plan.passes.len()];
    for pair in results.pairs {
        if pair.outcome != Outcome::Review {
            let [lefts, rights] = &mut records[pair.pass];
            lefts.push(pair.chosen.edge.left);
            rights.push(pair.chosen.edge.right);
        }
    }
    let count = |mut rows: Vec<u32>| {
        rows.sort_unstable();
        rows.dedup();
        rows.len() as u64
    };
    let mut counts: Vec<u64> = records
        .into_iter()
        .map(|[lefts, rights]| count(lefts) + count(rights))
        .collect();
    if let Some(first) = counts.first_mut() {
        *first += 2 * plain;
    }
    counts
}

fn waterfalls(results: &Results<'_>) -> Result<Vec<Waterfall>, Error> {
    // Under `all` comparisons hold or fail; nothing adds up.
    let adds_up = |pair: &Pair| results.plan.passes[pair.pass].score != Score::All;
    let first: Vec<u32> = (0_u32..)
        .zip(results.pairs)
        .filter(|(_, pair)| pair.outcome == Outcome::Review && pair.split.is_none())
        .filter(|(_, pair)| adds_up(pair))
        .map(|(index, _)| index)
        .take(WATERFALLS)
        .collect();
    let reasons = Reasons::of(results, &[], &first)?;
    let waterfall = |&index: &u32| {
        let pair = &results.pairs[index as usize];
        Some(Waterfall {
            left_key: results.key(0, pair).to_owned(),
            right_key: results.key(1, pair).to_owned(),
            pass: results.plan.passes[pair.pass].name.clone(),
            steps: reasons.steps(pair)?,
        })
    };
    Ok(first.iter().filter_map(waterfall).collect())
}

fn review_sample(results: &Results<'_>) -> Result<Sample, Error> {
    let is_open = |pair: &&u32| results.pairs[**pair as usize].outcome == Outcome::Review;
    let open = || results.shown.iter().filter(is_open);
    let first: Vec<u32> = open().take(SAMPLE).copied().collect();
    let reasons = Reasons::of(results, &[], &first)?;
    let rows = first.iter().map(|&index| {
        let pair = &results.pairs[index as usize];
        Ok(vec![
            results.key(0, pair).to_owned(),
            results.key(1, pair).to_owned(),
            results.plan.passes[pair.pass].name.clone(),
            format!("{:.4}", pair.chosen.edge.score),
            reasons.reason(pair)?,
        ])
    });
    Ok(Sample {
        title: "For review".into(),
        total: open().count() as u64,
        header: ["left key", "right key", "pass", "#score", "why"]
            .map(Into::into)
            .to_vec(),
        rows: rows.collect::<Result<_, Error>>()?,
    })
}

fn unmatched_sample(results: &Results<'_>, side: Side) -> Result<Sample, Error> {
    let at = usize::from(side == Side::Right);
    let rows = &results.unmatched[at];
    let sample = results.unmatched_rows(at, &rows[..rows.len().min(SAMPLE)])?;
    let schema = sample.schema();
    let columns = sample.columns().iter().map(Texts::of);
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let mut shown = Vec::new();
    for row in 0..sample.num_rows() {
        let cells = columns.iter().map(|column| column.text(row));
        shown.push(cells.collect::<Result<Vec<_>, _>>()?);
    }
    let is_figure = |data_type: &DataType| data_type.is_numeric();
    let names = schema.fields().iter().skip(1).map(|field| {
        let sign = if is_figure(field.data_type()) {
            "#"
        } else {
            ""
        };
        format!("{sign}{}", field.name())
    });
    Ok(Sample {
        title: format!("Unmatched on the {}", side.name()),
        total: rows.len() as u64,
        header: std::iter::once("key".to_owned()).chain(names).collect(),
        rows: shown,
    })
}

fn difference_sample(results: &Results<'_>) -> Result<Sample, Error> {
    let found = results.found;
    let batch = results.differences(&found[..found.len().min(SAMPLE)])?;
    let mut rows = Vec::new();
    for row in 0..batch.num_rows() {
        let cells = batch.columns().iter().map(|column| {
            if column.is_null(row) {
                Ok(String::new())
            } else {
                array_value_to_string(column, row)
            }
        });
        rows.push(cells.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(Sample {
        title: "Differences".into(),
        total: found.len() as u64,
        header: batch
            .schema()
            .fields()
            .iter()
            .map(|f| f.name().replace('_', " "))
            .collect(),
        rows,
    })
}

fn differing(results: &Results<'_>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for found in results.found {
        let column = &results.plan.differences[found.column as usize];
        *counts.entry(column.label.as_str()).or_default() += 1;
    }
    let mut counts: Vec<(String, u64)> = counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(TOP_COLUMNS);
    counts
}

/// The columns that hold the amount and the date of a break, on either side.
fn break_columns(spec: &MatchingSpec) -> Option<([String; 2], [String; 2])> {
    let both = |name: &String| [name.clone(), name.clone()];
    if let Some(fx) = &spec.fx {
        return Some((both(&fx.amount), both(&fx.date)));
    }
    let comparisons = || spec.passes.iter().flat_map(|pass| &pass.compare);
    let first = |wanted: fn(&Method<'_>) -> bool| {
        comparisons()
            .find(|c| wanted(&c.method()))
            .map(|comparison| {
                let (left, right) = comparison.columns();
                [left.to_owned(), right.to_owned()]
            })
    };
    let sums = || spec.passes.iter().filter_map(|pass| pass.sum.as_ref());
    let amount = first(|method| matches!(method, Method::Number(_)))
        .or_else(|| sums().next().map(|sum| both(&sum.column)))?;
    let date = first(|method| matches!(method, Method::Date(_)))
        .or_else(|| sums().find_map(|sum| sum.date_column.as_ref().map(both)))?;
    Some((amount, date))
}

fn ages(results: &Results<'_>) -> Result<Option<Ages>, Error> {
    let Some((amounts, dates)) = break_columns(results.spec) else {
        return Ok(None);
    };
    let mut sides = Vec::new();
    for (side, own) in results.sides.into_iter().enumerate() {
        let schema = own.values.schema();
        let place = |name: &str| schema.index_of(name);
        let (Ok(amount), Ok(date)) = (place(&amounts[side]), place(&dates[side])) else {
            return Ok(None);
        };
        let mut columns = vec![amount, date];
        columns.dedup();
        let batch = own.values.whole(Form::Original, &columns)?;
        sides.push((batch.column(amount).clone(), batch.column(date).clone()));
    }
    Ok(sums_by_age(results, &sides).map(|(newest, buckets)| Ages {
        amount: amounts[0].clone(),
        date: dates[0].clone(),
        newest,
        buckets,
    }))
}

/// The newest date of both sides and the amounts that are open by their age; none where the columns
/// hold no amounts and dates, or nothing is open. `sides` are amounts and dates.
fn sums_by_age(
    results: &Results<'_>,
    sides: &[(ArrayRef, ArrayRef)],
) -> Option<(String, Vec<Bucket>)> {
    let mut newest = None;
    let mut columns = Vec::new();
    for (amount, date) in sides {
        let days = date.as_primitive_opt::<Date32Type>()?;
        newest = newest.max(days.iter().flatten().max());
        columns.push((amount, days));
    }
    let newest = newest?;
    let scale = columns
        .iter()
        .filter_map(|(amount, _)| scale(amount))
        .max()?;
    let mut sums = [(0_i128, 0_u64); AGES.len()];
    for (side, (amount, days)) in columns.iter().enumerate() {
        let open = results
            .pairs
            .iter()
            .filter(|pair| pair.outcome == Outcome::Review);
        let mut rows: Vec<u32> = open
            .map(|pair| [pair.chosen.edge.left, pair.chosen.edge.right][side])
            .collect();
        rows.sort_unstable();
        rows.dedup();
        for &row in rows.iter().chain(&results.unmatched[side]) {
            let row = row as usize;
            if days.is_null(row) || amount.is_null(row) {
                continue;
            }
            let age = i64::from(newest) - i64::from(days.value(row));
            let bucket = AGES.iter().position(|(end, _)| age <= *end)?;
            let digits = digits(amount, row, scale)?;
            sums[bucket].0 = sums[bucket].0.checked_add(digits.checked_abs()?)?;
            sums[bucket].1 += 1;
        }
    }
    if sums.iter().all(|(_, rows)| *rows == 0) {
        return None;
    }
    let buckets = AGES
        .iter()
        .zip(sums)
        .map(|((_, label), (sum, rows))| Bucket {
            label: (*label).to_owned(),
            length: float(sum),
            amount: Decimal128Type::format(sum, scale),
            rows,
        })
        .collect();
    Some((Date32Type::to_naive_date_opt(newest)?.to_string(), buckets))
}

fn scale(amount: &ArrayRef) -> Option<i8> {
    match amount.data_type() {
        DataType::Decimal128(_, scale) => Some(*scale),
        DataType::Int64 => Some(0),
        _ => None,
    }
}

/// A value's digits at a scale of at least its own.
fn digits(amount: &ArrayRef, row: usize, at: i8) -> Option<i128> {
    let own = scale(amount)?;
    let value = match amount.data_type() {
        DataType::Int64 => i128::from(amount.as_primitive::<Int64Type>().value(row)),
        _ => amount.as_primitive::<Decimal128Type>().value(row),
    };
    value.checked_mul(10_i128.checked_pow(u32::try_from(at - own).ok()?)?)
}

#[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
fn float(value: i128) -> f64 {
    value as f64
}

/// Decimals as people write them.
trait Written {
    fn format(digits: i128, scale: i8) -> String;
}

impl Written for Decimal128Type {
    fn format(digits: i128, scale: i8) -> String {
        use datafusion::arrow::datatypes::DecimalType;
        Self::format_decimal(digits, 38, scale)
    }
}
