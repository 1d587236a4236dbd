//! Why two records are a pair, or why they are not.
//!
//! The job runs as always, without outputs; the scored pairs of the two records are kept on the way.

pub mod answer;
mod keys;
mod passes;
mod verdict;

use crate::error::Error;
use crate::ledger::Pair;
use crate::memory::Room;
use crate::outcome::{Outcome, Side};
use crate::pass::{Watch, Work, match_records};
use crate::plan::Plan;
use crate::prepare::{Inputs, PlainRows, Prepared};
use crate::progress::{Phase, Progress};
use crate::values::Form;
use crate::written;
use crate::{InputFile, Opened, diff, given_model, open, validate};
use answer::{ColumnDifference, Explanation, RecordAnswer, Value};
use crds::matching::MatchingSpec;
use datafusion::arrow::array::{Array, ArrayRef};
use std::path::PathBuf;
use std::sync::Arc;

/// Which two records to explain, of which job.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// The rules.
    pub spec: MatchingSpec,
    /// The left side's file.
    pub left: InputFile,
    /// The right side's file.
    pub right: InputFile,
    /// The file of `fx.rates`; none where the rules convert no currencies.
    pub rates: Option<InputFile>,
    /// The file of the specification's `model`, where it has one.
    pub model: Option<PathBuf>,
    /// The left record's key, as the outputs write it: one column as its text, several as a JSON
    /// array, and the row's number where the side has no key.
    pub left_key: String,
    /// The right record's key.
    pub right_key: String,
}

/// Runs a job without writing anything, and tells what every pass made of two records. Costs as
/// much as the run.
///
/// # Errors
/// [`Error::UnknownKey`] when a record does not take part; else as [`run`](crate::run).
pub async fn explain(
    request: ExplainRequest,
    progress: Arc<dyn Progress>,
) -> Result<Explanation, Error> {
    let ExplainRequest {
        spec,
        left,
        right,
        rates,
        model,
        left_key,
        right_key,
    } = request;
    validate(&spec).map_err(Error::Spec)?;
    let model = given_model(&spec, model.as_deref())?;
    let room = Room::of(&spec);
    let opened = open(
        spec,
        Inputs::new(&left, &right, rates.as_ref()),
        PlainRows::Kept,
        room,
        &progress,
    )
    .await?;
    let Opened {
        spec, sides, plan, ..
    } = &opened;
    if let Some(model) = &model {
        model.check(&plan.passes)?;
    }
    let (lefts, rights) = (&sides.left, &sides.right);
    let watch = Watch {
        left: keys::find(&lefts.records, &spec.left, &left_key, Side::Left)?,
        right: keys::find(&rights.records, &spec.right, &right_key, Side::Right)?,
    };
    let work = Work {
        watch: Some(watch),
        ..opened.work(&progress)
    };
    let matched = match_records(work, None, model.as_ref()).await?;
    progress.phase(Phase::Write);
    let passes = passes::all(work, watch, &matched)?;
    let mut pairs = matched.ledger.close();
    pairs.retain(|pair| touches(pair, watch));
    let sides = [&lefts.values, &rights.values];
    let found = diff::find(&plan.differences, sides, &mut pairs)?;
    let [left_columns, right_columns] = diff::columns(&plan.differences);
    let edges = || pairs.iter().map(|pair| pair.chosen.edge);
    let left_rows = edges().map(|edge| edge.left);
    let left_rows = lefts
        .values
        .window(Form::Original, &left_columns, left_rows)?;
    let right_rows = edges().map(|edge| edge.right);
    let right_rows = rights
        .values
        .window(Form::Original, &right_columns, right_rows)?;
    let windows = [&left_rows, &right_rows];
    let values = diff::values(&plan.differences, windows, &pairs, &found)?;
    let mut differences = Vec::new();
    for (at, found) in found.iter().enumerate() {
        let edge = pairs[found.pair as usize].chosen.edge;
        let text = |values: &datafusion::arrow::array::StringArray| {
            values.is_valid(at).then(|| values.value(at).to_owned())
        };
        differences.push(ColumnDifference {
            left_key: lefts.records.keys[edge.left as usize].to_owned(),
            right_key: rights.records.keys[edge.right as usize].to_owned(),
            column: plan.differences[found.column as usize].label.clone(),
            left: text(&values.left),
            right: text(&values.right),
            delta: text(&values.delta),
        });
    }
    let left = record(Side::Left, watch.left, [lefts, rights], &pairs, plan)?;
    let right = record(Side::Right, watch.right, [lefts, rights], &pairs, plan)?;
    let pair = pairs.iter().find(|pair| is(pair, watch));
    let names = [&spec.left.name, &spec.right.name].map(Option::as_deref);
    Ok(Explanation {
        verdict: verdict::sentence(names, [&left, &right], pair, &passes, &differences),
        is_pair: pair.is_some(),
        left,
        right,
        differences,
        passes,
    })
}

fn is(pair: &Pair, watch: Watch) -> bool {
    let edge = pair.chosen.edge;
    edge.left == watch.left && edge.right == watch.right
}

fn touches(pair: &Pair, watch: Watch) -> bool {
    let edge = pair.chosen.edge;
    edge.left == watch.left || edge.right == watch.right
}

fn record(
    side: Side,
    index: u32,
    [lefts, rights]: [&Prepared; 2],
    pairs: &[Pair],
    plan: &Plan,
) -> Result<RecordAnswer, Error> {
    let (own, other) = match side {
        Side::Left => (lefts, rights),
        Side::Right => (rights, lefts),
    };
    let ends = |pair: &Pair| match side {
        Side::Left => (pair.chosen.edge.left, pair.chosen.edge.right),
        Side::Right => (pair.chosen.edge.right, pair.chosen.edge.left),
    };
    let own_pairs: Vec<&Pair> = pairs.iter().filter(|pair| ends(pair).0 == index).collect();
    // One differing pair makes the record differ.
    let outcome = own_pairs
        .iter()
        .map(|pair| pair.outcome)
        .max_by_key(|outcome| *outcome == Outcome::Differing);
    let row = index as usize;
    let all = own.values.all_columns();
    let originals = own.values.picked(Form::Original, &all, &[index])?;
    let compared = own.values.picked(Form::Compared, &all, &[index])?;
    let mut values = Vec::new();
    for (place, field) in originals.schema().fields().iter().enumerate() {
        let original = text(originals.column(place), 0)?;
        let normalized = text(compared.column(place), 0)?;
        values.push(Value {
            column: field.name().clone(),
            normalized: normalized.filter(|text| Some(text) != original.as_ref()),
            original,
        });
    }
    Ok(RecordAnswer {
        key: own.records.keys[row].to_owned(),
        outcome: outcome.map_or("unmatched", Outcome::name).into(),
        pass: own_pairs
            .first()
            .map(|pair| plan.passes[pair.pass].name.clone()),
        partners: own_pairs
            .iter()
            .map(|pair| other.records.keys[ends(pair).1 as usize].to_owned())
            .collect(),
        values,
    })
}

/// A value as text; none where it is null.
fn text(column: &ArrayRef, row: usize) -> Result<Option<String>, Error> {
    if column.is_null(row) {
        return Ok(None);
    }
    Ok(Some(written::text(column, row)?))
}
