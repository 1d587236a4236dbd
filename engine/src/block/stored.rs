//! Blocks of records whose values are in files: a record's values of a block become 128 bits, so that
//! no more than these are held of all records at a time.
//!
//! Two different values have the same bits with the probability with which SHA-256, cut to 128 bits,
//! has the same result for two inputs: nobody has found such a pair.

use super::Open;
use super::columns::{NO_VALUE, by_bits};
use super::evaluate::{Block, Equal, converted, value};
use super::number::Numbers;
use crate::error::Error;
use crate::expression;
use crate::records::sortable;
use crate::values::Form;
use crate::written;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::thread;

/// What must be equal on both sides.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it is, as in `substr(memo, 1, 3)`.
    pub label: String,
    /// Where it stands in the specification.
    pub path: String,
    /// How it is made from a record.
    pub from: Made,
}

/// How a value is made from a record.
#[derive(Clone, Debug)]
pub enum Made {
    /// By an SQL expression.
    Expression(String),
    /// It is a column, on the left and on the right.
    Columns([usize; 2]),
}

impl Source {
    /// The values of one side's records; adds the columns that it looks at to `used`.
    fn of(
        &self,
        session: &SessionContext,
        batch: &RecordBatch,
        side: usize,
        used: &mut BTreeSet<usize>,
    ) -> Result<ArrayRef, Error> {
        match &self.from {
            Made::Expression(sql) => value(session, sql, batch, &self.path, used),
            Made::Columns(places) => {
                used.insert(places[side]);
                Ok(batch.column(places[side]).clone())
            }
        }
    }
}

/// The values that must be equal, numbered.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// The numbers of the records that were open.
    pub numbers: Numbers,
    /// What was numbered.
    sources: Vec<Source>,
}

/// Adds to a block what must be equal.
///
/// # Errors
/// Where an expression fails on a value or types do not fit, or values cannot be read back.
pub fn number(
    session: &SessionContext,
    block: &mut Block,
    sources: Vec<Source>,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<(), Error> {
    if sources.is_empty() {
        return Ok(());
    }
    // Without any row the values show their types and the columns that they are made from.
    let empty = |side: Open<'_>| RecordBatch::new_empty(side.values.schema());
    let (lefts, rights) = (empty(left), empty(right));
    for source in &sources {
        let l = source.of(session, &lefts, 0, &mut block.columns.0)?;
        let r = source.of(session, &rights, 1, &mut block.columns.1)?;
        let equal = Equal::new(source.label.clone(), &l, &r, &source.path)?;
        block.equals.push(equal);
    }
    let types: Vec<DataType> = (block.equals.iter())
        .map(|equal| equal.left.data_type().clone())
        .collect();
    let used = [&block.columns.0, &block.columns.1];
    let bits = |side: usize, open: Open<'_>| {
        let columns: Vec<usize> = used[side].iter().copied().collect();
        let mut all = Vec::with_capacity(open.open.len());
        for batch in open.values.steps(Form::Compared, &columns) {
            let batch = batch?;
            let arrays = (sources.iter().zip(&types))
                .map(|(source, to)| {
                    let array = source.of(session, &batch, side, &mut BTreeSet::new())?;
                    converted(&array, to, &source.path)
                })
                .collect::<Result<Vec<_>, Error>>()?;
            let rows = sortable(&arrays)?;
            all.extend((0..batch.num_rows()).map(|row| {
                let present = arrays.iter().all(|array| array.is_valid(row));
                if present {
                    digest(rows.row(row).data())
                } else {
                    NO_VALUE
                }
            }));
        }
        Ok::<Vec<u128>, Error>(all)
    };
    let (l, r) = thread::scope(|scope| {
        let rights = scope.spawn(|| bits(1, right));
        let lefts = bits(0, left);
        let rights = rights.join();
        (
            lefts,
            rights.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        )
    });
    let numbers = by_bits((&l?, left.open), (&r?, right.open));
    block.numbered = Some(Numbered { numbers, sources });
    Ok(())
}

/// The bits of a value, which are never [`NO_VALUE`].
fn digest(bytes: &[u8]) -> u128 {
    let digest = Sha256::digest(bytes);
    let bits = |bits, &byte: &u8| (bits << 8) | u128::from(byte);
    digest.iter().take(16).fold(0, bits).max(1)
}

impl Numbered {
    /// The values of a left record, as texts. `equals` are those of the block.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn texts(&self, block: &Block, left: Open<'_>, row: u32) -> Result<Vec<String>, Error> {
        let session = expression::session(1);
        let columns: Vec<usize> = block.columns.0.iter().copied().collect();
        let batch = left.values.picked(Form::Compared, &columns, &[row])?;
        (self.sources.iter().zip(&block.equals))
            .map(|(source, equal)| {
                let array = source.of(&session, &batch, 0, &mut BTreeSet::new())?;
                let array = converted(&array, equal.left.data_type(), &source.path)?;
                Ok(written::text(&array, 0)?)
            })
            .collect()
    }
}
