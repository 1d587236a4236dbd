//! Which blocks of a pass hold for one pair.

use super::answer::{BlockAnswer, FailedEntry};
use crate::block::in_common_type;
use crate::error::Error;
use crate::expression::{self, Lookup};
use crate::plan::{BlockPlan, PassPlan};
use crate::records::sortable;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::concat;
use datafusion::prelude::SessionContext;

/// The blocks of a pass for a left and a right record, each a batch of one row with normalised
/// columns.
///
/// # Errors
/// [`Error::Expression`] where an expression fails on a value.
pub fn which_blocks(
    session: &SessionContext,
    pass: &PassPlan,
    left: &RecordBatch,
    right: &RecordBatch,
) -> Result<Vec<BlockAnswer>, Error> {
    let mut answers = Vec::new();
    for (index, block) in pass.blocks.iter().enumerate() {
        let entries = match block {
            BlockPlan::Columns(columns) => columns
                .iter()
                .map(|&(l, r)| {
                    let [one, other] = [(left, l), (right, r)]
                        .map(|(batch, place)| batch.schema_ref().field(place).name().clone());
                    let label = if one == other {
                        one
                    } else {
                        format!("{one}/{other}")
                    };
                    (label, left.column(l).clone(), right.column(r).clone())
                })
                .collect(),
            BlockPlan::Expressions(expressions) => {
                let mut entries = Vec::new();
                for (at, sql) in expressions.iter().enumerate() {
                    let path = format!("{}.block[{index}][{at}]", pass.path);
                    entries.push((
                        sql.clone(),
                        evaluated(session, sql, &path, left)?,
                        evaluated(session, sql, &path, right)?,
                    ));
                }
                entries
            }
        };
        if entries.is_empty() {
            continue;
        }
        let labels: Vec<&str> = entries.iter().map(|(label, ..)| label.as_str()).collect();
        let mut answer = BlockAnswer {
            block: labels.join(" AND "),
            failed: None,
        };
        for (label, left, right) in &entries {
            if !equal(left, right, &pass.path)? {
                answer.failed = Some(FailedEntry {
                    entry: label.clone(),
                    left: super::text(left, 0)?,
                    right: super::text(right, 0)?,
                });
                break;
            }
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn evaluated(
    session: &SessionContext,
    sql: &str,
    path: &str,
    batch: &RecordBatch,
) -> Result<ArrayRef, Error> {
    let columns = |name: &str| match batch.schema_ref().field_with_name(name) {
        Ok(field) => Lookup::Type(field.data_type().clone()),
        Err(_) => Lookup::Absent(Vec::new()),
    };
    let (expr, schema) =
        expression::plan(session, sql, &columns).map_err(|message| Error::spec(path, message))?;
    expression::evaluate(session, expr, &schema, batch).map_err(|error| Error::Expression {
        path: path.into(),
        cause: error.strip_backtrace(),
    })
}

/// Whether two values are equal as a join sees them; null equals nothing.
fn equal(left: &ArrayRef, right: &ArrayRef, path: &str) -> Result<bool, Error> {
    if left.is_null(0) || right.is_null(0) {
        return Ok(false);
    }
    let (left, right) =
        in_common_type(left, right).map_err(|message| Error::spec(path, message))?;
    let rows = sortable(&[concat(&[&left, &right])?])?;
    Ok(rows.row(0) == rows.row(1))
}
