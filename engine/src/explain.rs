//! Why a pair is one: a sentence for each comparison, the same for the same pair in every run.

use crate::assign::Chosen;
use crate::compare::FAILED;
use crate::error::Error;
use crate::ledger::Split;
use crate::outcome::Side;
use crate::plan::{ComparisonPlan, PassPlan};
use crate::report::Steps;
use crate::score::Explained;
use crate::score::fellegi_sunter::Contribution;
use crate::split::Why;
use crate::sum::SumPlan;
use crate::written;
use crds::matching::Score;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, DecimalType};
use std::fmt::Write;

/// The longest part of a text that a reason shows, in characters.
const LONGEST: usize = 80;
/// What rivals take off is told from this many bits on: less shows as zero.
const LEAST_RIVALS: f64 = 0.005;

/// Each comparison with both original values, the similarity and, as similarity × weight, its
/// contribution: `amount 100.00=100.00 1.00×4=4.00; memo "acme"~"acme ltd" 0.91×3=2.73`. Between
/// the values stands `=` for a similarity of 1, `~` for one below, `≠` where the comparison does
/// not hold; `neutral` replaces the figures where a null leaves the comparison out.
///
/// Under `fellegiSunter` the contribution is in bits, and where a value's frequency changes it, its
/// parts follow in brackets; then come the prior, what is taken off because rivals look like
/// this too, and the sum:
/// `surname "smith"="smith" 1.00→+6.54 (+7.74, frequency -1.20); prior -12.29; weight -5.75`.
///
/// # Errors
/// When Arrow cannot write a value of the column's type.
pub fn reason(
    pass: &PassPlan,
    explained: &Explained,
    (left, l): (&RecordBatch, usize),
    (right, r): (&RecordBatch, usize),
    chosen: Option<&Chosen>,
) -> Result<String, Error> {
    let mut text = String::new();
    let failed = |error: std::fmt::Error| Error::Internal(error.to_string());
    for (index, (plan, &similarity)) in
        (pass.comparisons.iter().zip(&explained.similarities)).enumerate()
    {
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
        } else if let Some(learned) = &explained.learned {
            write!(text, "{} {a}{sign}{b} ", plan.label)
                .and_then(|()| bits(&mut text, similarity, learned.contributions[index]))
        } else {
            let (similarity, weight) = (similarity.max(0.0), plan.weight);
            let contribution = similarity * weight;
            write!(
                text,
                "{} {a}{sign}{b} {similarity:.2}×{weight}={contribution:.2}",
                plan.label
            )
        };
        written.map_err(failed)?;
    }
    if let Some(learned) = &explained.learned {
        write!(text, "; prior {:+.2}", learned.prior).map_err(failed)?;
        if learned.rivals >= LEAST_RIVALS {
            write!(text, "; rivals {:+.2}", -learned.rivals).map_err(failed)?;
        }
        write!(text, "; weight {:+.2}", explained.weight).map_err(failed)?;
    }
    if chosen.is_some_and(|chosen| chosen.tied) {
        text.push_str("; tied");
    }
    if chosen.is_some_and(|chosen| chosen.ambiguous) {
        text.push_str("; ambiguous: another pair is within the margin");
    }
    Ok(text)
}

/// How the score of a pair adds up, comparison by comparison: under `weighted` each one's share of
/// `score`, under `fellegiSunter` bits from the prior to the match weight. None under `all`.
pub fn steps(pass: &PassPlan, explained: &Explained, score: f64) -> Option<Steps> {
    let labels = pass.comparisons.iter().map(|plan| plan.label.clone());
    if let Some(learned) = &explained.learned {
        let bits = learned.contributions.iter().map(|part| part.bits());
        let prior = ("prior".to_owned(), learned.prior);
        let mut parts: Vec<_> = std::iter::once(prior).chain(labels.zip(bits)).collect();
        if learned.rivals >= LEAST_RIVALS {
            parts.push(("rivals".to_owned(), -learned.rivals));
        }
        return Some(Steps {
            total: parts.iter().fold(0.0, |sum, (_, bits)| sum + bits),
            unit: "match weight",
            parts,
        });
    }
    if pass.score != Score::Weighted {
        return None;
    }
    let compared = || pass.comparisons.iter().zip(&explained.similarities);
    let weight: f64 = compared()
        .filter(|(_, similarity)| !similarity.is_nan())
        .map(|(plan, _)| plan.weight)
        .sum();
    let share = |(plan, similarity): (&ComparisonPlan, &f64)| {
        if similarity.is_nan() || weight <= 0.0 {
            0.0
        } else {
            plan.weight * similarity.max(0.0) / weight
        }
    };
    Some(Steps {
        parts: labels.zip(compared().map(share)).collect(),
        total: score,
        unit: "score",
    })
}

/// Why a record is a part of a sum: `amount 60.00 of 100.00; 2 parts less the whole: -0.005`, and
/// why a person decides where one does.
///
/// # Errors
/// When Arrow cannot write a value of the column's type.
pub fn reason_of_sum(
    plan: &SumPlan,
    split: &Split,
    left: (&RecordBatch, usize),
    right: (&RecordBatch, usize),
) -> Result<String, Error> {
    let [l, r] = plan.amounts;
    let amounts = [
        value(left.0.column(l), left.1)?,
        value(right.0.column(r), right.1)?,
    ];
    let [whole, part] = match plan.wholes {
        Side::Left => amounts,
        Side::Right => {
            let [l, r] = amounts;
            [r, l]
        }
    };
    let scale = i8::try_from(split.scale).unwrap_or(i8::MAX);
    let residual = Decimal128Type::format_decimal(split.residual, 38, scale);
    let why = match split.why {
        Why::Unique => String::new(),
        Why::Ambiguous => "; ambiguous: other parts fit as well".into(),
        Why::Contested { .. } => "; another record needs some of these parts too".into(),
        Why::BudgetExhausted => "; the search ended at nodeBudget or maxCandidates".into(),
        Why::Unsure => "; the group's score is below accept".into(),
    };
    Ok(format!(
        "{} {part} of {whole}; sum of {} parts less the whole: {residual}{why}",
        plan.column(),
        split.parts
    ))
}

fn bits(text: &mut String, similarity: f64, part: Contribution) -> std::fmt::Result {
    write!(text, "{:.2}→{:+.2}", similarity.max(0.0), part.bits())?;
    if part.frequency == 0.0 {
        return Ok(());
    }
    write!(
        text,
        " ({:+.2}, frequency {:+.2})",
        part.level, part.frequency
    )
}

fn value(column: &ArrayRef, row: usize) -> Result<String, Error> {
    if column.is_null(row) {
        return Ok("null".into());
    }
    let Some(texts) = column.as_string_opt::<i32>() else {
        return Ok(written::text(column, row)?);
    };
    let whole = texts.value(row);
    let mut shown: String = whole.chars().take(LONGEST).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    Ok(format!("\"{}\"", shown.replace('"', "\\\"")))
}
