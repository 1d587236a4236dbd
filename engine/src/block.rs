//! Blocking: which pairs of records are compared at all.
//!
//! A block is an equi-join: the rows of both sides are numbered, the same number on both sides
//! where all of its values are equal, and a `near` adds the bucket of its width to the number,
//! which joins the same bucket and its neighbour of the other side, and a check of the window; a
//! `words` adds the number of a word, once for each that a row has. The
//! pairs of a pass are the union of its blocks; a pair that an earlier block gives is left out of
//! the later ones, so that every pair comes once without a set of all pairs in memory. How many
//! pairs a block gives is counted before any of them is made.
//!
//! In process the join is an index: [`join`] keeps a run of right rows for each left row and hands
//! out pairs in batches. On a distributed engine the same union is a logical plan of equi-joins
//! over `(number, bucket)`.

mod columns;
mod derive;
pub mod describe;
mod evaluate;
mod join;
mod near;
mod number;
mod stored;
#[cfg(test)]
mod tests;
mod text_keys;
mod words;
mod worst;

pub use columns::number;
pub use describe::describe;
pub use evaluate::{Block, is_bounded};
pub use join::Part;

use crate::error::Error;
use crate::plan::PassPlan;
use crate::values::{Form, Values};
use datafusion::arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use datafusion::prelude::SessionContext;
use derive::{Derived, derived};
use evaluate::given_blocks;
use join::{Condition, Join, parts};
use number::NONE;
use worst::worst;

/// How many of a block's worst keys a message names.
const WORST_KEYS: usize = 3;

/// The candidate pairs of a pass.
pub struct Candidates {
    /// The pairs in disjoint parts, one for each of the session's threads: iterators over batches
    /// that may be walked side by side. A batch may be empty.
    pub parts: Vec<Part>,
    /// An upper bound of the pairs: a pair counts once for each block that gives it.
    pub at_most: u64,
    /// The blocks, given or derived, with their values.
    pub blocks: Vec<Block>,
}

/// One side as a pass sees it: all records, normalised, and which of them are still open.
#[derive(Clone, Copy)]
pub struct Open<'a> {
    /// The records' values.
    pub values: &'a Values,
    /// Whether each record takes part.
    pub open: &'a [bool],
}

impl<'a> Open<'a> {
    /// Normalised canonical columns, where they are in memory.
    fn held(&self) -> Option<&'a RecordBatch> {
        match self.values {
            Values::Held { compared, .. } => Some(compared),
            Values::Spilled(_) => None,
        }
    }

    /// One of them, brought into memory.
    fn column(&self, place: usize) -> Result<ArrayRef, Error> {
        let batch = self.values.whole(Form::Compared, &[place])?;
        Ok(batch.column(place).clone())
    }
}

/// A block of a pass over the data, joined.
struct Found {
    /// Where it stands, as in `passes[0].block[1]`.
    path: String,
    block: Block,
    condition: Condition,
    join: Join,
}

/// Finds the candidate pairs of a pass within `budget` pairs.
///
/// # Errors
/// [`Error::Budget`] before anything is compared; [`Error::Expression`] where an expression fails
/// on a value.
pub fn candidates(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
    budget: u64,
) -> Result<Candidates, Error> {
    let blocks = blocks(session, pass, left, right, budget)?.blocks;
    let mut joined = Vec::new();
    let mut at_most = 0_u64;
    let mut kept = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        let found = found(pass, index, block, left, right)?;
        at_most = at_most.saturating_add(found.join.pairs);
        if at_most > budget {
            return Err(over_budget(pass, &found, left, budget)?);
        }
        joined.push((found.condition, found.join));
        kept.push(found.block);
    }
    let threads = session.copied_config().target_partitions();
    Ok(Candidates {
        parts: parts(joined, threads),
        at_most,
        blocks: kept,
    })
}

/// The pairs of one block among the records that are open, in `count` parts.
///
/// # Errors
/// When Arrow cannot order a column's type.
pub fn pairs_of(
    block: &Block,
    left: &[bool],
    right: &[bool],
    count: usize,
) -> Result<Vec<Part>, Error> {
    let condition = block.condition(left, right)?;
    let join = Join::new(&condition);
    Ok(parts(vec![(condition, join)], count))
}

/// The number of each record in each block of a pass, on the left and on the right: the same number
/// where all of the block's expressions are equal, null where one is null, where the other side has
/// no such record, and for records that are not open. Blocks are OR-ed, as for [`candidates`].
///
/// # Errors
/// [`Error::Expression`] where an expression fails on a value; [`Error::Spec`] where a block has a
/// `near`, which makes no groups, or where the pass has none.
pub fn block_numbers(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Vec<(UInt32Array, UInt32Array)>, Error> {
    let Some(blocks) = &pass.blocks else {
        return Err(Error::spec(
            format!("{}.block", pass.path),
            "is required: name what the records have in common",
        ));
    };
    let nullable = |numbers: Vec<u32>| -> UInt32Array {
        numbers
            .into_iter()
            .map(|number| (number != NONE).then_some(number))
            .collect()
    };
    let mut numbers = Vec::new();
    for (index, block) in given_blocks(session, pass, blocks, left, right)?
        .into_iter()
        .enumerate()
    {
        let near = block.nears.first().map(|near| &near.label);
        let words = block.words.as_ref().map(|words| &words.label);
        if let Some(label) = near.or(words) {
            return Err(Error::spec(
                format!("{}.block[{index}]", pass.path),
                format!("{label} makes no groups; name what is equal"),
            ));
        }
        let condition = block.condition(left.open, right.open)?;
        numbers.push((nullable(condition.left), nullable(condition.right)));
    }
    Ok(numbers)
}

/// The blocks of a pass: those of the specification, or derived ones.
fn blocks(
    session: &SessionContext,
    pass: &PassPlan,
    left: Open<'_>,
    right: Open<'_>,
    budget: u64,
) -> Result<Derived, Error> {
    match &pass.blocks {
        Some(blocks) => Ok(Derived {
            blocks: given_blocks(session, pass, blocks, left, right)?,
            how: None,
        }),
        None => derived(session, pass, left, right, budget),
    }
}

fn found(
    pass: &PassPlan,
    index: usize,
    block: Block,
    left: Open<'_>,
    right: Open<'_>,
) -> Result<Found, Error> {
    let condition = block.condition(left.open, right.open)?;
    let join = Join::new(&condition);
    Ok(Found {
        path: format!("{}.block[{index}]", pass.path),
        block,
        condition,
        join,
    })
}

fn over_budget(
    pass: &PassPlan,
    found: &Found,
    left: Open<'_>,
    budget: u64,
) -> Result<Error, Error> {
    let worst = worst(found, left, WORST_KEYS)?;
    let worst: Vec<String> = worst.iter().map(ToString::to_string).collect();
    let (what, remedy) = if pass.blocks.is_some() {
        (
            found.path.clone(),
            "Add an expression to the block that tells these records apart",
        )
    } else {
        (
            format!(
                "the block derived from {}.compare, {},",
                pass.path,
                found.block.text()
            ),
            "Give the pass a block that tells these records apart",
        )
    };
    Ok(Error::Budget {
        pass: pass.name.clone(),
        detail: format!(
            "{what} gives {} candidate pairs and limits.maxPairs leaves {budget} for this pass",
            found.join.pairs
        ),
        worst: format!("; most come from {}", worst.join(", ")),
        remedy: format!("{remedy}, or raise limits.maxPairs"),
    })
}
