//! Blocking: which pairs are compared at all.
//!
//! The values of a block's expressions are numbered: the same number on both sides where all of
//! them are equal, null where one is null. Counting the numbers gives the pairs before any join;
//! then DataFusion joins on them. A pair that an earlier block of the pass gives is left out of the
//! later ones, so that every pair comes once without a set of all pairs in memory.

use crate::error::Error;
use crate::expression::{self, Lookup};
use crate::plan::{BlockPlan, PassPlan};
use crate::records::sortable;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::JoinType;
use datafusion::logical_expr_common::type_coercion::binary::comparison_coercion;
use datafusion::prelude::{DataFrame, Expr, SessionContext, col};
use std::collections::HashMap;
use std::sync::Arc;

/// How many of a block's worst keys a message names.
const WORST_KEYS: usize = 3;

/// The candidate pairs of a pass, as streams of record indices `l` and `r` (`UInt32`).
pub struct Candidates {
    /// Disjoint parts of the pairs.
    pub streams: Vec<SendableRecordBatchStream>,
    /// An upper bound of the pairs: a pair counts once for each block that gives it.
    pub at_most: u64,
}

/// One side as a pass sees it: all records, normalised, and which of them are still open.
#[derive(Clone, Copy)]
pub struct Open<'a> {
    /// Normalised canonical columns.
    pub batch: &'a RecordBatch,
    /// Whether each record takes part.
    pub open: &'a [bool],
}

/// Finds the candidate pairs of a pass within `budget` pairs.
///
/// # Errors
/// [`Error::Budget`] before anything is joined; [`Error::Expression`] where an
/// expression fails on a value.
pub async fn candidates(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
    budget: u64,
) -> Result<Candidates, Error> {
    let mut numbered = Vec::new();
    let mut at_most = 0_u64;
    for (index, block) in pass.blocks.iter().enumerate() {
        let values = values(session, pass, index, block, left, right)?;
        let numbers = number(&values.0, &values.1)?;
        let pairs = Frequencies::of(&numbers, left.open, right.open);
        at_most = at_most.saturating_add(pairs.total());
        if at_most > budget {
            return Err(Error::Budget {
                pass: pass.name.clone(),
                detail: format!(
                    "{}.block[{index}] gives {} candidate pairs and limits.maxPairs leaves {budget} \
                     for this pass",
                    pass.path,
                    pairs.total(),
                ),
                worst: format!("; most come from {}", pairs.worst(&values.0)),
                remedy: "Add an expression to the block that tells these records apart, or raise \
                         limits.maxPairs"
                    .into(),
            });
        }
        numbered.push(numbers);
    }
    let side = |row: &str, prefix: &str, open: &[bool], columns: Vec<&UInt32Array>| {
        table(session, row, prefix, open, &columns)
    };
    let lefts = side("l", "a", left.open, numbered.iter().map(|n| &n.0).collect())?;
    let rights = side(
        "r",
        "b",
        right.open,
        numbered.iter().map(|n| &n.1).collect(),
    )?;
    let mut union: Option<DataFrame> = None;
    for index in 0..numbered.len() {
        let (a, b) = (format!("a{index}"), format!("b{index}"));
        let not_before = (0..index)
            .map(|earlier| {
                let equal = col(format!("a{earlier}")).eq(col(format!("b{earlier}")));
                Expr::IsNotTrue(Box::new(equal))
            })
            .reduce(Expr::and);
        let joined = lefts
            .clone()
            .join(rights.clone(), JoinType::Inner, &[&a], &[&b], not_before)?
            .select(vec![col("l"), col("r")])?;
        union = Some(match union {
            Some(before) => before.union(joined)?,
            None => joined,
        });
    }
    let streams = match union {
        Some(union) => union.execute_stream_partitioned().await?,
        None => Vec::new(),
    };
    Ok(Candidates { streams, at_most })
}

/// The numbers of a pass's blocks, for each of them: equal on both sides where all its values are.
///
/// # Errors
/// [`Error::Expression`] where an expression fails on a value.
pub fn numbers(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Vec<(UInt32Array, UInt32Array)>, Error> {
    (pass.blocks.iter().enumerate())
        .map(|(index, block)| {
            let (lefts, rights) = values(session, pass, index, block, left, right)?;
            number(&lefts, &rights)
        })
        .collect()
}

/// The block's values on both sides, in a common type each.
fn values(
    session: &SessionContext,
    pass: &PassPlan,
    index: usize,
    block: &BlockPlan,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), Error> {
    let mut pairs = Vec::new();
    match block {
        BlockPlan::Columns(columns) => {
            for (at, &(l, r)) in columns.iter().enumerate() {
                let path = format!("{}.compare[{at}]", pass.path);
                pairs.push((
                    path,
                    left.batch.column(l).clone(),
                    right.batch.column(r).clone(),
                ));
            }
        }
        BlockPlan::Expressions(expressions) => {
            for (at, sql) in expressions.iter().enumerate() {
                let path = format!("{}.block[{index}][{at}]", pass.path);
                let side = |batch: &RecordBatch| {
                    let columns = |name: &str| match batch.schema_ref().field_with_name(name) {
                        Ok(field) => Lookup::Type(field.data_type().clone()),
                        Err(_) => Lookup::Absent(Vec::new()),
                    };
                    let (expr, schema) = expression::plan(session, sql, &columns)
                        .map_err(|message| Error::spec(&path, message))?;
                    expression::evaluate(session, expr, &schema, batch).map_err(|error| {
                        Error::Expression {
                            path: path.clone(),
                            cause: error.strip_backtrace(),
                        }
                    })
                };
                pairs.push((path.clone(), side(left.batch)?, side(right.batch)?));
            }
        }
    }
    let mut lefts = Vec::new();
    let mut rights = Vec::new();
    for (path, l, r) in pairs {
        let (l, r) = in_common_type(&l, &r).map_err(|message| Error::spec(path, message))?;
        lefts.push(l);
        rights.push(r);
    }
    Ok((lefts, rights))
}

/// Two columns in the type that both share; an error says why they share none.
pub fn in_common_type(left: &ArrayRef, right: &ArrayRef) -> Result<(ArrayRef, ArrayRef), String> {
    let (l, r) = (left.data_type(), right.data_type());
    let is_text =
        |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let to = if l == r {
        Some(l.clone())
    } else if is_text(l) && is_text(r) {
        Some(DataType::Utf8)
    } else if l.is_numeric() && r.is_numeric() {
        comparison_coercion(l, r)
    } else {
        None
    };
    let to = to.ok_or_else(|| {
        format!("is {l} on the left and {r} on the right; declare both columns with one type")
    })?;
    let exact = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let convert = |array| {
        cast_with_options(array, &to, &exact)
            .map_err(|error| format!("a value does not fit {to}, which both sides share: {error}"))
    };
    Ok((convert(left)?, convert(right)?))
}

/// Numbers the rows of both sides by their values: equal numbers for equal values, null where a
/// value is null or where the other side has no such row.
///
/// # Errors
/// When Arrow cannot order a column's type.
pub fn number(left: &[ArrayRef], right: &[ArrayRef]) -> Result<(UInt32Array, UInt32Array), Error> {
    let (left_rows, right_rows) = (sortable(left)?, sortable(right)?);
    let present = |columns: &[ArrayRef], row: usize| columns.iter().all(|c| c.is_valid(row));
    let mut known: HashMap<&[u8], u32> = HashMap::new();
    let mut next = 0_u32;
    let lefts: UInt32Array = (0..left_rows.num_rows())
        .map(|row| {
            present(left, row).then(|| {
                *known.entry(left_rows.row(row).data()).or_insert_with(|| {
                    next += 1;
                    next - 1
                })
            })
        })
        .collect();
    let rights = (0..right_rows.num_rows())
        .map(|row| {
            present(right, row)
                .then(|| known.get(right_rows.row(row).data()).copied())
                .flatten()
        })
        .collect();
    Ok((lefts, rights))
}

/// How often each number occurs among the open records of either side.
struct Frequencies {
    left: Vec<u64>,
    right: Vec<u64>,
    example: Vec<usize>,
}

impl Frequencies {
    fn of(numbers: &(UInt32Array, UInt32Array), left: &[bool], right: &[bool]) -> Self {
        let most = numbers
            .0
            .iter()
            .flatten()
            .max()
            .map_or(0, |n| n as usize + 1);
        let mut counts = Self {
            left: vec![0; most],
            right: vec![0; most],
            example: vec![0; most],
        };
        for (row, number) in numbers.0.iter().enumerate() {
            if let (Some(number), true) = (number, left[row]) {
                counts.left[number as usize] += 1;
                counts.example[number as usize] = row;
            }
        }
        for (row, number) in numbers.1.iter().enumerate() {
            if let (Some(number), true) = (number, right[row]) {
                counts.right[number as usize] += 1;
            }
        }
        counts
    }

    fn pairs(&self) -> impl Iterator<Item = u64> {
        self.left
            .iter()
            .zip(&self.right)
            .map(|(l, r)| l.saturating_mul(*r))
    }

    fn total(&self) -> u64 {
        self.pairs().fold(0, u64::saturating_add)
    }

    /// The keys with most pairs, for a message: their values and how many rows have them.
    fn worst(&self, values: &[ArrayRef]) -> String {
        let mut order: Vec<(usize, u64)> = self.pairs().enumerate().collect();
        order.sort_by_key(|&(number, pairs)| (std::cmp::Reverse(pairs), number));
        let key = |number: usize| {
            values
                .iter()
                .map(|v| array_value_to_string(v, self.example[number]).unwrap_or_default())
                .collect::<Vec<_>>()
                .join(", ")
        };
        order
            .iter()
            .take(WORST_KEYS)
            .map(|&(number, _)| {
                format!(
                    "({}) with {} × {} rows",
                    key(number),
                    self.left[number],
                    self.right[number]
                )
            })
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// One side's table to join: the record's index and its number in each block.
fn table(
    session: &SessionContext,
    row: &str,
    prefix: &str,
    open: &[bool],
    columns: &[&UInt32Array],
) -> Result<DataFrame, Error> {
    let rows: Vec<u32> = open
        .iter()
        .zip(0_u32..)
        .filter(|(open, index)| **open && columns.iter().any(|c| c.is_valid(*index as usize)))
        .map(|(_, index)| index)
        .collect();
    let indices = UInt32Array::from(rows);
    let mut fields = vec![Field::new(row, DataType::UInt32, false)];
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        fields.push(Field::new(
            format!("{prefix}{index}"),
            DataType::UInt32,
            true,
        ));
        arrays.push(datafusion::arrow::compute::take(*column, &indices, None)?);
    }
    arrays.insert(0, Arc::new(indices));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
    Ok(session.read_batch(batch)?)
}
