//! Pairs of records whose values are in files: some pairs at a time, with the values of their records
//! and of no others.

use super::Features;
use crate::error::Error;
use crate::plan::PassPlan;
use crate::threads;
use crate::values::{Form, Values};
use datafusion::arrow::array::RecordBatch;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Pairs that a thread takes at a time.
const BATCH: usize = 8192;
/// The place of a record that is in no pair of a chunk.
const ABSENT: u32 = u32::MAX;

/// Some pairs.
pub struct Chunk {
    /// The comparisons over the records of the pairs.
    pub features: Features,
    /// The records of either side, ascending. A pair's ends are places among these.
    pub records: [Vec<u32>; 2],
    /// The left ends of the pairs.
    pub left: Vec<u32>,
    /// The right ends.
    pub right: Vec<u32>,
    /// The number of the first pair among all.
    pub first: usize,
}

/// Gives pairs to `work`, chunk after chunk, in their order.
///
/// # Errors
/// When `work` fails, or values cannot be read back.
pub fn each_chunk(
    pass: &PassPlan,
    sides: [&Values; 2],
    pairs: impl Iterator<Item = (u32, u32)>,
    mut work: impl FnMut(Chunk) -> Result<(), Error>,
) -> Result<(), Error> {
    let [left, right] = pass.columns();
    let mut open = [
        Gathering::new(sides[0], left),
        Gathering::new(sides[1], right),
    ];
    let most = open[0].most.min(open[1].most);
    let mut chunk: [Vec<u32>; 2] = Default::default();
    let mut first = 0;
    let mut bytes = 0;
    let mut close = |open: &mut [Gathering<'_>; 2], chunk: &mut [Vec<u32>; 2]| {
        let [left, right] = std::mem::take(chunk);
        let count = left.len();
        let [lefts, rights] = open;
        let (left, right) = thread::scope(|scope| {
            let right = scope.spawn(|| rights.close(right));
            let left = lefts.close(left);
            let right = right.join();
            (
                left,
                right.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            )
        });
        let (left_records, left_batch, left) = left?;
        let (right_records, right_batch, right) = right?;
        work(Chunk {
            features: Features::new(pass, &left_batch, &right_batch)?,
            records: [left_records, right_records],
            left,
            right,
            first,
        })?;
        first += count;
        Ok::<(), Error>(())
    };
    for (left, right) in pairs {
        bytes += size_of::<(u32, u32)>() as u64 + open[0].add(left) + open[1].add(right);
        chunk[0].push(left);
        chunk[1].push(right);
        if bytes >= most {
            close(&mut open, &mut chunk)?;
            bytes = 0;
        }
    }
    if !chunk[0].is_empty() {
        close(&mut open, &mut chunk)?;
    }
    Ok(())
}

/// The records of one side that a chunk needs.
struct Gathering<'a> {
    values: &'a Values,
    columns: Vec<usize>,
    /// What one record takes, and what a chunk may.
    each: u64,
    most: u64,
    /// By record its place among those of the chunk.
    places: Vec<u32>,
    records: Vec<u32>,
}

impl<'a> Gathering<'a> {
    fn new(values: &'a Values, columns: Vec<usize>) -> Self {
        let rows = values.len();
        let weight = values.weight(Form::Compared, &columns);
        Self {
            values,
            columns,
            each: (weight / (rows as u64).max(1)).max(1),
            most: values.room().chunk,
            places: vec![ABSENT; rows],
            records: Vec::new(),
        }
    }

    /// Adds a record; returns the bytes that it takes.
    fn add(&mut self, record: u32) -> u64 {
        let place = &mut self.places[record as usize];
        if *place != ABSENT {
            return 0;
        }
        *place = 0;
        self.records.push(record);
        self.each
    }

    /// Reads the records' values; turns the ends of pairs into places.
    fn close(&mut self, mut ends: Vec<u32>) -> Result<(Vec<u32>, RecordBatch, Vec<u32>), Error> {
        let mut records = std::mem::take(&mut self.records);
        records.sort_unstable();
        for (place, &record) in (0..).zip(&records) {
            self.places[record as usize] = place;
        }
        for end in &mut ends {
            *end = self.places[*end as usize];
        }
        for &record in &records {
            self.places[record as usize] = ABSENT;
        }
        let batch = self
            .values
            .picked(Form::Compared, &self.columns, &records)?;
        Ok((records, batch, ends))
    }
}

/// Works on batches of so many pairs on all threads, which get the range of their places.
///
/// # Errors
/// The first one of `work`.
pub fn in_batches<T: Send + Default>(
    pairs: usize,
    work: impl Fn(&mut T, Range<usize>) -> Result<(), Error> + Sync,
) -> Result<Vec<T>, Error> {
    let threads = threads::count();
    let next = AtomicUsize::new(0);
    let one = || {
        let mut own = T::default();
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= pairs {
                return Ok(own);
            }
            work(&mut own, from..(from + BATCH).min(pairs))?;
        }
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
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
