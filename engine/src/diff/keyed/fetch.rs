//! Reading chosen rows once more, with their values.

use super::join::RowSet;
use super::table::{Group, Table};
use crate::error::Error;
use crate::progress::Progress;
use crate::source::Place;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Rows of a table to read, and their columns, by slot.
pub struct Wanted<'a> {
    /// The table.
    pub table: &'a Table<'a>,
    /// The rows.
    pub rows: &'a RowSet,
    /// The columns.
    pub slots: Vec<usize>,
}

/// Reads the rows on `threads` threads, in the order of their files.
///
/// # Errors
/// [`Error::Memory`] when they take over `limit` bytes; [`Error::Cancelled`].
pub fn fetch<const N: usize>(
    wanted: &[Wanted<'_>; N],
    limit: u64,
    threads: usize,
    progress: &dyn Progress,
) -> Result<[RecordBatch; N], Error> {
    let tasks: Vec<(usize, Group)> = (0..N)
        .flat_map(|at| {
            wanted[at]
                .table
                .groups()
                .into_iter()
                .map(move |group| (at, group))
        })
        .collect();
    let total = wanted.iter().map(|wanted| wanted.rows.count()).sum();
    let next = AtomicUsize::new(0);
    let (bytes, picked) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = |_| {
        let mut parts = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(&(at, group)) = tasks.get(index) else {
                return Ok(parts);
            };
            let Wanted { table, rows, slots } = &wanted[at];
            let Some(selection) = selection(rows, group) else {
                continue;
            };
            let mut batches = Vec::new();
            for batch in table.pick(group, slots, selection)? {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let batch = batch?;
                let size = batch.get_array_memory_size() as u64;
                let size = bytes.fetch_add(size, Ordering::Relaxed) + size;
                let new = batch.num_rows() as u64;
                let done = picked.fetch_add(new, Ordering::Relaxed) + new;
                // They are held while they are brought into one piece, sorted and written.
                let needed = size.saturating_mul(COPIES);
                if needed > limit {
                    let all = u128::from(needed) * u128::from(total) / u128::from(done.max(1));
                    return Err(Error::Memory {
                        what: format!("{total} rows are to be listed, and their values take"),
                        needed: u64::try_from(all).unwrap_or(u64::MAX),
                        limit,
                    });
                }
                batches.push(batch);
                progress.advance(done, total);
            }
            parts.push((index, batches));
        }
    };
    let mut parts: Vec<_> = super::on_threads(threads, work)?
        .into_iter()
        .flatten()
        .collect();
    parts.sort_by_key(|(index, _)| *index);
    let mut batches = [const { Vec::new() }; N];
    for (index, part) in parts {
        batches[tasks[index].0].extend(part);
    }
    let mut whole = Vec::with_capacity(N);
    for (Wanted { table, slots, .. }, batches) in wanted.iter().zip(batches) {
        let schema = Arc::new(table.schema.project(slots)?);
        whole.push(concat_batches(&schema, &batches)?);
    }
    whole
        .try_into()
        .map_err(|_| Error::Internal("a part of a keyed diff is missing".into()))
}

/// How often a row's values stand in memory at a time.
const COPIES: u64 = 2;

/// The rows of a group that are in the set; none where there are none.
fn selection(rows: &RowSet, group: Group) -> Option<RowSelection> {
    let mut selectors: Vec<RowSelector> = Vec::new();
    let (mut at, mut any) = (0, false);
    while at < group.rows {
        let start = at;
        let wanted = rows.contains(group.first + at as u64);
        while at < group.rows && rows.contains(group.first + at as u64) == wanted {
            at += 1;
        }
        any |= wanted;
        selectors.push(if wanted {
            RowSelector::select(at - start)
        } else {
            RowSelector::skip(at - start)
        });
    }
    any.then(|| RowSelection::from(selectors))
}

/// Where the rows stand in the file.
#[must_use]
pub fn places(rows: &RowSet, count: u64) -> Vec<Place> {
    let wanted = (0..count).filter(|&row| rows.contains(row));
    wanted
        .map(|row| Place {
            number: row + 1,
            line: row + 1,
        })
        .collect()
}
