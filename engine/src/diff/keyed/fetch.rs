//! Reading chosen rows once more, with their values.

use super::join::RowSet;
use super::table::{Group, Table};
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crate::source::{Place, Rows};
use crate::spill::{Spill, Spilled, weight_of};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a table to read, and their columns, by slot.
pub struct Wanted<'a> {
    /// The table.
    pub table: &'a Table<'a>,
    /// The rows.
    pub rows: &'a RowSet,
    /// The columns.
    pub slots: Vec<usize>,
}

/// Reads the rows on `threads` threads, in the order of their files. Over `limit` bytes they go to
/// files.
///
/// # Errors
/// When they cannot be read or spilled; [`Error::Cancelled`].
pub fn fetch<const N: usize>(
    wanted: &[Wanted<'_>; N],
    limit: u64,
    threads: usize,
    progress: &dyn Progress,
) -> Result<[Rows; N], Error> {
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
    let picked = AtomicU64::new(0);
    let holding = Holding::new(limit);
    let spills: [Mutex<Option<Spill>>; N] = [const { Mutex::new(None) }; N];
    // Where a batch stands: by group, then as it comes.
    let spill = |at: usize, place: (usize, usize), batch: &RecordBatch| {
        let mut spill = spills[at].lock().unwrap_or_else(PoisonError::into_inner);
        let spill = match spill.as_mut() {
            Some(spill) => spill,
            None => spill.insert(Spill::new()?),
        };
        spill.push_at(place, batch)
    };
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
            for (number, batch) in table.pick(group, slots, selection)?.enumerate() {
                if progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let batch = batch?;
                let new = batch.num_rows() as u64;
                let place = (index, number);
                let size = weight_of(&batch);
                if holding.take(size) {
                    parts.push((place, batch));
                } else {
                    holding.give(size);
                    spill(at, place, &batch)?;
                }
                let done = picked.fetch_add(new, Ordering::Relaxed) + new;
                progress.advance(done, total);
            }
        }
    };
    let mut parts: Vec<_> = super::on_threads(threads, work)?
        .into_iter()
        .flatten()
        .collect();
    parts.sort_unstable_by_key(|(place, _)| *place);
    let mut batches = [const { Vec::new() }; N];
    for (place, batch) in parts {
        batches[tasks[place.0].0].push((place, batch));
    }
    let mut whole = Vec::with_capacity(N);
    for (Wanted { table, slots, .. }, (spill, batches)) in
        wanted.iter().zip(spills.into_iter().zip(batches))
    {
        let schema = Arc::new(table.schema.project(slots)?);
        let spill = spill.into_inner().unwrap_or_else(PoisonError::into_inner);
        whole.push(if let Some(mut spill) = spill {
            for (place, batch) in batches {
                spill.push_at(place, &batch)?;
            }
            spill.sort();
            Rows::Spilled(Spilled::new(spill, schema))
        } else {
            let batches: Vec<RecordBatch> = batches.into_iter().map(|(_, batch)| batch).collect();
            Rows::Held(concat_batches(&schema, &batches)?)
        });
    }
    whole
        .try_into()
        .map_err(|_| Error::Internal("a part of a keyed diff is missing".into()))
}

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
