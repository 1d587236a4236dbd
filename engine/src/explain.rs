//! Why a pair is one: a sentence for each comparison, the same for the same pair in every run.

use crate::compare::FAILED;
use crate::error::Error;
use crate::plan::PassPlan;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use std::fmt::Write;

/// The longest part of a text that a reason shows, in characters.
const LONGEST: usize = 80;

/// Each comparison with both original values, the similarity and, as similarity × weight, its
/// contribution: `amount 100.00=100.00 1.00×4=4.00; memo "acme"~"acme ltd" 0.91×3=2.73`. Between
/// the values stands `=` for a similarity of 1, `~` for one below, `≠` where the comparison does
/// not hold; `neutral` replaces the figures where a null leaves the comparison out.
///
/// # Errors
/// When Arrow cannot write a value of the column's type.
pub fn reason(
    pass: &PassPlan,
    similarities: &[f64],
    (left, l): (&RecordBatch, usize),
    (right, r): (&RecordBatch, usize),
    tied: bool,
) -> Result<String, Error> {
    let mut text = String::new();
    for (plan, &similarity) in pass.comparisons.iter().zip(similarities) {
        if !text.is_empty() {
            text.push_str("; ");
        }
        let sign = match similarity {
            same if same >= 1.0 => "=",
            failed if failed.total_cmp(&FAILED).is_eq() => "≠",
            _ => "~",
        };
        let (a, b) = (
            value(left.column(plan.left), l)?,
            value(right.column(plan.right), r)?,
        );
        let written = if similarity.is_nan() {
            write!(text, "{} {a}~{b} neutral", plan.label)
        } else {
            let (similarity, weight) = (similarity.max(0.0), plan.weight);
            let contribution = similarity * weight;
            write!(
                text,
                "{} {a}{sign}{b} {similarity:.2}×{weight}={contribution:.2}",
                plan.label
            )
        };
        written.map_err(|error| Error::Internal(error.to_string()))?;
    }
    if tied {
        text.push_str("; tied");
    }
    Ok(text)
}

fn value(column: &ArrayRef, row: usize) -> Result<String, Error> {
    if column.is_null(row) {
        return Ok("null".into());
    }
    let Some(texts) = column.as_string_opt::<i32>() else {
        return Ok(array_value_to_string(column, row)?);
    };
    let whole = texts.value(row);
    let mut shown: String = whole.chars().take(LONGEST).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    Ok(format!("\"{}\"", shown.replace('"', "\\\"")))
}
