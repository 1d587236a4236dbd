//! Keyed diffs: two tables compared by their key, without candidates and without holding them.
//!
//! Most rows of such a comparison are the only ones of their side with their key, and equal in all
//! compared columns. These are *plain*: they need no more than to be counted. Both files are read
//! once, and each row leaves an entry of three or four words: its key or a hash of it, a fingerprint
//! of the compared columns, its number. The entries are joined partition by partition. Then the rows
//! that are not plain are read once more, and take the way of all records: duplicates, pairs,
//! differences and outcomes are decided there, so that they mean the same.
//!
//! Two rows that differ are taken as plain with a probability of 2⁻⁶⁴; two keys of all pairs of n
//! rows as the same one with n² · 2⁻¹²⁸, and never where the key is one whole number or date. Rows
//! with different fingerprints are always compared by their values.

mod fetch;
mod fingerprint;
mod join;
pub mod listing;
mod partition;
mod scan;
mod table;

use crate::InputFile;
use crate::assign::{Assignment, Chosen, Edge};
use crate::error::Error;
use crate::memory;
use crate::plan::{PassPlan, Plan};
use crate::progress::{Phase, Progress};
use crate::records::sortable;
use crate::source::{self, format_of};
use crate::spill::weight_of;
use crds::matching::{
    Cardinality, Comparison, Dataset, Difference, Format, MatchingSpec, Method, Nulls, PairsOutput,
    Pass, Score,
};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use fetch::Wanted;
pub use fingerprint::can_hash;
use partition::{Partitions, Room};
use scan::{Recipe, Scanned};
use std::collections::{BTreeSet, HashMap};
use std::thread;
use table::{Footer, Table};

/// What is left of two tables when the plain rows are set aside.
pub struct Remainder {
    /// The other rows of the left and of the right side.
    pub tables: [source::Table; 2],
    /// The rows of either file.
    pub rows: [u64; 2],
    /// The plain rows.
    pub plain: Plain,
}

/// The rows that were set aside.
pub struct Plain {
    /// How many pairs they are.
    pub pairs: u64,
    /// The left key's columns, in no order; none where the pairs are only counted.
    pub keys: Option<RecordBatch>,
}

/// Whether a specification asks for a keyed diff of two files that can be read in parts.
#[must_use]
pub fn applies(spec: &MatchingSpec, left: &InputFile, right: &InputFile) -> bool {
    let [pass] = spec.passes.as_slice() else {
        return false;
    };
    let parquet = |dataset: &Dataset, file: &InputFile| {
        format_of(dataset, &file.name) == Some(Format::Parquet)
            && dataset.filter.is_none()
            && dataset.columns.iter().all(|column| !column.negate)
    };
    // Plain rows are those with equal values, so equal values must not be a difference.
    let equal_is_fine = |difference: &Difference| match difference.comparison().method() {
        Method::Date(window) => window.min_days <= 0 && window.max_days >= 0,
        _ => true,
    };
    parquet(&spec.left, left)
        && parquet(&spec.right, right)
        && spec.diff.iter().all(equal_is_fine)
        && spec.fx.is_none()
        && is_keyed(spec, pass)
}

/// Whether a pass compares the keys of both sides, each key column once, and nothing else.
fn is_keyed(spec: &MatchingSpec, pass: &Pass) -> bool {
    let exact = |comparison: &Comparison| {
        matches!(comparison.method(), Method::Exact)
            && comparison.nulls.unwrap_or_default() == Nulls::Mismatch
    };
    let compared = |of: fn(&Comparison) -> &str| pass.compare.iter().map(of);
    let whole_key = |dataset: &Dataset, of: fn(&Comparison) -> &str| {
        let columns: BTreeSet<&str> = compared(of).collect();
        let key: BTreeSet<&str> = dataset.key.iter().map(String::as_str).collect();
        columns.len() == pass.compare.len() && columns == key && key.len() == dataset.key.len()
    };
    let cleaned = |column: &str| spec.normalize.iter().any(|rule| rule.column == column);
    pass.effective_cardinality() == Cardinality::OneToOne
        && pass.effective_score() == Score::All
        && pass.block.is_none()
        && pass.sum.is_none()
        && pass.margin.is_none()
        && pass.compare.iter().all(exact)
        && whole_key(&spec.left, |comparison| comparison.columns().0)
        && whole_key(&spec.right, |comparison| comparison.columns().1)
        && !compared(|comparison| comparison.columns().0).any(cleaned)
        && !compared(|comparison| comparison.columns().1).any(cleaned)
}

/// Reads both files once, sets the plain rows aside, and reads the others with all their values;
/// none where a column's type cannot be compared in this way, or a file is too long for it. `plan`
/// finds the specification's columns. To be called where [`applies`], on a thread that may block.
///
/// # Errors
/// When a file is damaged or does not fit the specification; [`Error::Memory`] when the keys of
/// plain rows, where they are asked for, take more than the memory; [`Error::Cancelled`].
pub fn set_aside(
    spec: &MatchingSpec,
    files: [&InputFile; 2],
    plan: impl FnOnce(&Schema, &Schema) -> Result<Plan, Error>,
    memory: memory::Room,
    progress: &dyn Progress,
) -> Result<Option<Remainder>, Error> {
    let footers = [Footer::read(files[0])?, Footer::read(files[1])?];
    let left = Table::new(&spec.left, files[0], &footers[0])?;
    let right = Table::new(&spec.right, files[1], &footers[1])?;
    let tables = [&left, &right];
    let rows = tables.map(Table::rows);
    let usable = |rows: u64| rows > 0 && rows < u64::from(u32::MAX);
    let present = |table: &Table<'_>, dataset: &Dataset| {
        let column = |name: &String| table.schema.column_with_name(name).is_some();
        dataset.key.iter().all(column)
    };
    // What is wrong with these is said where all rows are read.
    if !rows.into_iter().all(usable) || !present(&left, &spec.left) || !present(&right, &spec.right)
    {
        return Ok(None);
    }
    let plan = plan(&left.schema, &right.schema)?;
    let Some(recipe) = Recipe::new(&plan, tables) else {
        return Ok(None);
    };

    let threads = crate::threads::count();
    let room = Room::new(memory.limit / 4 * 3, threads);
    let count = partition::partitions_for(rows[0] + rows[1], recipe.width());
    let parts = [0, 1].map(|_| Partitions::new(count, recipe.width()));
    let keys = [spec.left.key.as_slice(), spec.right.key.as_slice()];
    let Scanned {
        partitions: [lefts, rights],
        rejected: [left_rejected, right_rejected],
    } = scan::scan(&recipe, tables, keys, parts, &room, threads, progress)?;
    let pass = plan.passes[0].name.clone();
    progress.phase(Phase::Compare { pass });
    let joined = join::join(&lefts, &rights, &room, rows, threads, progress)?;
    drop((lefts, rights));
    let others = [(&left, &joined.left), (&right, &joined.right)].map(|(table, rows)| Wanted {
        table,
        rows,
        slots: (0..table.slots.len()).collect(),
    });
    let [left_rows, right_rows] = fetch::fetch(&others, memory.held, threads, progress)?;
    let keys = if spec.pairs_output() == PairsOutput::All {
        let slots = spec.left.key.iter().map(|name| left.schema.index_of(name));
        let wanted = Wanted {
            table: &left,
            rows: &joined.plain,
            slots: slots.collect::<Result<_, _>>()?,
        };
        let [keys] = fetch::fetch(&[wanted], memory.limit, threads, progress)?;
        let keys = keys.whole()?;
        // They are sorted as bytes, and in their order.
        memory.check(weight_of(&keys).saturating_mul(3), || {
            format!(
                "the keys of {} equal rows, which are to be listed, take",
                keys.num_rows()
            )
        })?;
        Some(keys)
    } else {
        None
    };
    let table = |rows_of, side: usize, rejected| source::Table {
        rows: rows_of,
        places: fetch::places(others[side].rows, rows[side]),
        rejected,
    };
    Ok(Some(Remainder {
        tables: [
            table(left_rows, 0, left_rejected),
            table(right_rows, 1, right_rejected),
        ],
        rows,
        plain: Plain {
            pairs: joined.plain.count(),
            keys,
        },
    }))
}

/// The pairs with equal keys among records of a keyed diff. Keys are unique on either side, so no
/// other pair stands against any.
///
/// # Errors
/// When Arrow cannot order a column's type.
pub fn pairs(
    pass: &PassPlan,
    left: &RecordBatch,
    right: &RecordBatch,
) -> Result<Assignment, Error> {
    let (mut lefts, mut rights) = (Vec::new(), Vec::new());
    for comparison in &pass.comparisons {
        let (l, r) = (left.column(comparison.left), right.column(comparison.right));
        let (l, r) = in_one_type(l, r)?;
        lefts.push(l);
        rights.push(r);
    }
    let (lefts, rights) = (sortable(&lefts)?, sortable(&rights)?);
    let places: HashMap<&[u8], u32> = lefts.iter().map(|row| row.data()).zip(0..).collect();
    let mut confirmed: Vec<Chosen> = rights
        .iter()
        .zip(0..)
        .filter_map(|(row, right)| {
            let left = *places.get(row.data())?;
            let score = 1.0;
            let weight = score;
            let edge = Edge {
                left,
                right,
                score,
                weight,
            };
            Some(Chosen {
                edge,
                tied: false,
                ambiguous: false,
            })
        })
        .collect();
    confirmed.sort_unstable_by_key(|chosen| chosen.edge.left);
    Ok(Assignment {
        confirmed,
        review: Vec::new(),
    })
}

/// Numbers of different types as decimals at the scale of both.
fn in_one_type(left: &ArrayRef, right: &ArrayRef) -> Result<(ArrayRef, ArrayRef), Error> {
    if left.data_type() == right.data_type() {
        return Ok((left.clone(), right.clone()));
    }
    let scale = |array: &ArrayRef| fingerprint::scale_of(array.data_type());
    let scale = scale(left).max(scale(right));
    let to = DataType::Decimal128(38, i8::try_from(scale).unwrap_or(i8::MAX));
    Ok((cast(left, &to)?, cast(right, &to)?))
}

/// Runs the work on several threads, which are told their numbers, and waits for all of them.
fn on_threads<T: Send>(
    threads: usize,
    work: impl Fn(usize) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|index| scope.spawn(move || work(index)))
            .collect();
        let ended: Vec<_> = started
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        ended
            .into_iter()
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
