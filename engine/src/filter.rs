//! `where`: which rows take part.

use crate::error::Error;
use crate::expression::{self, Lookup};
use crate::source::Table;
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::prep_null_mask_filter;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::prelude::SessionContext;

/// Plans the condition over what is known of the columns.
///
/// # Errors
/// What is wrong, for the person who wrote it.
pub fn plan(
    session: &SessionContext,
    sql: &str,
    columns: &dyn Fn(&str) -> Lookup,
) -> Result<(Expr, DFSchema), String> {
    let (expr, schema) = expression::plan(session, sql, columns)?;
    let certain = schema
        .fields()
        .iter()
        .all(|field| columns(field.name()) != Lookup::Unknown);
    match expr.get_type(&schema) {
        Ok(DataType::Boolean | DataType::Null) => Ok((expr, schema)),
        Ok(other) if certain => Err(format!(
            "gives {other} and must be true or false, as in status <> 'void'"
        )),
        _ => Ok((expr, schema)),
    }
}

/// Keeps the rows for which the condition at `path` is true. The rows that could not be read stay
/// rejected: they could not be judged.
///
/// # Errors
/// When the condition does not fit the columns, or fails on a value.
pub fn keep(
    table: Table,
    sql: &str,
    path: &str,
    columns: &dyn Fn(&str) -> Lookup,
) -> Result<Table, Error> {
    let session = expression::session(1);
    let (expr, schema) = plan(&session, sql, columns).map_err(|m| Error::spec(path, m))?;
    let judge = |part: &RecordBatch, _| {
        let values = expression::evaluate(&session, expr.clone(), &schema, part);
        let values = values.map_err(|error| Error::Expression {
            path: path.into(),
            cause: error.strip_backtrace(),
        })?;
        Ok(match values.as_boolean_opt() {
            Some(values) if values.null_count() > 0 => {
                prep_null_mask_filter(values).values().iter().collect()
            }
            Some(values) => values.values().iter().collect(),
            // Null is true of no row.
            None => vec![false; part.num_rows()],
        })
    };
    let (rows, kept) = table.rows.filtered(judge)?;
    let mut places = table.places;
    let mut judged = kept.iter();
    places.retain(|_| judged.next().is_some_and(|kept| *kept));
    Ok(Table {
        rows,
        places,
        rejected: table.rejected,
    })
}
