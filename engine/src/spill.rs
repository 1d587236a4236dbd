//! Rows in a file without a name: the system takes it back whatever happens to the process.
//!
//! A spill is a row of blocks, each a small Arrow IPC stream of one batch, so that blocks can be read
//! on their own and in any order.

use crate::error::Error;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, UInt32Array, new_null_array,
};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::record_batch::RecordBatchOptions;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows and bytes of a block.
const BLOCK_ROWS: usize = 8192;
const BLOCK_BYTES: u64 = 4 << 20;

/// Why a spilled value could not be written or read back.
pub fn failed(source: io::Error) -> Error {
    Error::Io {
        path: std::env::temp_dir(),
        source,
    }
}

/// The bytes that values take, however they are cut into batches.
#[must_use]
pub fn weight(array: &ArrayRef) -> u64 {
    if let Some(texts) = array.as_string_opt::<i32>() {
        let offsets = texts.value_offsets();
        let bytes = offsets[texts.len()] - offsets[0];
        return u64::try_from(bytes).unwrap_or(0) + 4 * texts.len() as u64;
    }
    match array.data_type().primitive_width() {
        Some(width) => (width * array.len()) as u64,
        None if *array.data_type() == DataType::Null => 0,
        None => array.to_data().get_slice_memory_size().unwrap_or(0) as u64,
    }
}

/// As [`weight`], of all columns.
#[must_use]
pub fn weight_of(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(weight).sum()
}

/// Rows in a file.
#[derive(Debug)]
pub struct Spill {
    file: Mutex<File>,
    blocks: Vec<Block>,
    end: u64,
    rows: usize,
    /// The bytes that each column takes in memory.
    weights: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    at: u64,
    length: usize,
    /// The first row and the row after the last one.
    first: usize,
    end: usize,
    columns: usize,
    /// What [`Spill::sort`] sorts by.
    place: (usize, usize),
}

impl Spill {
    /// Nothing yet.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            file: Mutex::new(tempfile::tempfile().map_err(failed)?),
            blocks: Vec::new(),
            end: 0,
            rows: 0,
            weights: Vec::new(),
        })
    }

    /// Adds rows. A later batch may have more columns at its end than an earlier one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.push_at((0, 0), batch)
    }

    /// Adds rows that stand at a place among others, see [`Spill::sort`].
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push_at(&mut self, place: (usize, usize), batch: &RecordBatch) -> Result<(), Error> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(());
        }
        self.weights
            .resize(batch.num_columns().max(self.weights.len()), 0);
        for (weight, column) in self.weights.iter_mut().zip(batch.columns()) {
            *weight += self::weight(column);
        }
        let weight = weight_of(batch);
        let each = (weight / rows as u64).max(1);
        let step = usize::try_from(BLOCK_BYTES / each).unwrap_or(BLOCK_ROWS);
        for first in (0..rows).step_by(step.clamp(1, BLOCK_ROWS)) {
            let length = step.clamp(1, BLOCK_ROWS).min(rows - first);
            self.push_block(place, &batch.slice(first, length))?;
        }
        Ok(())
    }

    fn push_block(&mut self, place: (usize, usize), batch: &RecordBatch) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, batch.schema_ref())?;
        writer.write(batch)?;
        writer.finish()?;
        drop(writer);
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.end)).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        let first = self.rows;
        self.rows += batch.num_rows();
        self.blocks.push(Block {
            at: self.end,
            length: bytes.len(),
            first,
            end: self.rows,
            columns: batch.num_columns(),
            place,
        });
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Brings rows that were pushed with their places into the order of these.
    pub fn sort(&mut self) {
        self.blocks.sort_by_key(|block| (block.place, block.first));
        let mut first = 0;
        for block in &mut self.blocks {
            let rows = block.end - block.first;
            (block.first, block.end) = (first, first + rows);
            first += rows;
        }
    }

    /// Some columns of a block, by place. One that the block lacks is left out.
    fn read(&self, block: Block, columns: &[usize]) -> Result<RecordBatch, Error> {
        let mut bytes = vec![0; block.length];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(block.at)).map_err(failed)?;
            file.read_exact(&mut bytes).map_err(failed)?;
        }
        let mut present: Vec<usize> = columns.to_vec();
        present.retain(|&column| column < block.columns);
        let mut reader = StreamReader::try_new(bytes.as_slice(), Some(present))?;
        let batch = reader.next().transpose()?;
        batch.ok_or_else(|| Error::Internal("a block of a spill is empty".into()))
    }
}

/// The rows of a spill under their columns.
#[derive(Debug)]
pub struct Spilled {
    spill: Spill,
    schema: SchemaRef,
    /// The place of each column in the spill.
    places: Vec<usize>,
}

impl Spilled {
    /// The rows of a spill whose columns stand in the order of a schema.
    #[must_use]
    pub fn new(spill: Spill, schema: SchemaRef) -> Self {
        let places = (0..schema.fields().len()).collect();
        Self {
            spill,
            schema,
            places,
        }
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spill.rows
    }

    /// The bytes that some columns of all rows take in memory.
    #[must_use]
    pub fn weight(&self, columns: &[usize]) -> u64 {
        let weights = &self.spill.weights;
        let of = |&column: &usize| weights.get(self.places[column]).copied().unwrap_or(0);
        columns.iter().map(of).sum()
    }

    /// The same rows under other columns, by place.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn project(self, columns: &[usize]) -> Result<Self, Error> {
        Ok(Self {
            schema: Arc::new(self.schema.project(columns)?),
            places: columns.iter().map(|&column| self.places[column]).collect(),
            spill: self.spill,
        })
    }

    /// How many blocks there are.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.spill.blocks.len()
    }

    /// Some columns of a block of rows.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub fn block(&self, block: usize, columns: &[usize]) -> Result<RecordBatch, Error> {
        self.read(self.spill.blocks[block], columns)
    }

    fn read(&self, block: Block, columns: &[usize]) -> Result<RecordBatch, Error> {
        let schema = Arc::new(self.schema.project(columns)?);
        let rows = block.end - block.first;
        let mut wanted: Vec<usize> = columns.iter().map(|&c| self.places[c]).collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() {
            return of_columns(schema, Vec::new(), rows);
        }
        let read = self.spill.read(block, &wanted)?;
        let arrays = columns.iter().zip(schema.fields()).map(|(&column, field)| {
            let place = self.places[column];
            if place < block.columns {
                read.column(wanted.partition_point(|&w| w < place)).clone()
            } else {
                new_null_array(field.data_type(), rows)
            }
        });
        let arrays = arrays.collect();
        of_columns(schema, arrays, rows)
    }

    /// Some columns of some rows, in the order of `rows`.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn gather(&self, rows: &[u32], columns: &[usize]) -> Result<RecordBatch, Error> {
        if !rows.is_sorted() {
            let mut order: Vec<u32> = (0..).take(rows.len()).collect();
            order.sort_unstable_by_key(|&at| rows[at as usize]);
            let sorted: Vec<u32> = order.iter().map(|&at| rows[at as usize]).collect();
            let mut places = vec![0_u32; rows.len()];
            for (place, at) in (0..).zip(order) {
                places[at as usize] = place;
            }
            let sorted = self.gather(&sorted, columns)?;
            return Ok(take_record_batch(&sorted, &UInt32Array::from(places))?);
        }
        let schema = Arc::new(self.schema.project(columns)?);
        let mut parts = Vec::new();
        let mut rest = rows;
        for &block in &self.spill.blocks {
            let count = rest.partition_point(|&row| (row as usize) < block.end);
            if count == 0 {
                continue;
            }
            let (own, others) = rest.split_at(count);
            rest = others;
            let batch = self.read(block, columns)?;
            let all =
                count == block.end - block.first && own.windows(2).all(|two| two[0] != two[1]);
            parts.push(if all {
                on_its_own(batch, block)?
            } else {
                let own = own.iter().map(|&row| row - place(block.first));
                take_record_batch(&batch, &UInt32Array::from_iter_values(own))?
            });
            if rest.is_empty() {
                break;
            }
        }
        match parts.len() {
            1 => Ok(parts.remove(0)),
            _ if columns.is_empty() => of_columns(schema, Vec::new(), rows.len()),
            _ => Ok(concat_batches(&schema, &parts)?),
        }
    }

    /// All rows, brought into memory.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn whole(&self, columns: &[usize]) -> Result<RecordBatch, Error> {
        let schema = Arc::new(self.schema.project(columns)?);
        if columns.is_empty() {
            return of_columns(schema, Vec::new(), self.len());
        }
        let parts = self
            .spill
            .blocks
            .iter()
            .map(|&block| on_its_own(self.read(block, columns)?, block));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        Ok(concat_batches(&schema, &parts)?)
    }

    /// The rows as `change` makes them, which gets the number of a batch's first row.
    ///
    /// # Errors
    /// When `change` fails, or the file cannot be read or written.
    pub fn changed(
        self,
        mut change: impl FnMut(RecordBatch, usize) -> Result<RecordBatch, Error>,
    ) -> Result<Self, Error> {
        let columns: Vec<usize> = (0..self.places.len()).collect();
        let mut spill = Spill::new()?;
        for &block in &self.spill.blocks {
            let batch = self.read(block, &columns)?;
            spill.push(&change(batch, block.first)?)?;
        }
        Ok(Self::new(spill, self.schema))
    }
}

/// Some columns of a block without the others: as they were read, they hold the memory of all.
fn on_its_own(batch: RecordBatch, block: Block) -> Result<RecordBatch, Error> {
    if batch.num_columns() >= block.columns {
        return Ok(batch);
    }
    let all = UInt32Array::from_iter_values(0..place(batch.num_rows()));
    Ok(take_record_batch(&batch, &all)?)
}

/// Rows are numbered in 32 bits.
fn place(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// A batch that may have no columns.
pub fn of_columns(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch, Error> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(
        schema, columns, &options,
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Decimal128Array, StringArray};
    use proptest::prelude::*;

    fn batch(values: &[Option<i128>]) -> RecordBatch {
        let texts = values
            .iter()
            .map(|v| v.map(|v| "é".repeat(usize::try_from(v % 7).unwrap())));
        let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let numbers: ArrayRef = Arc::new(values.iter().copied().collect::<Decimal128Array>());
        let columns = [("text", texts, true), ("number", numbers, true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    proptest! {
        #[test]
        fn rows_come_back_in_any_order(
            batches in prop::collection::vec(
                prop::collection::vec(prop::option::of(0_i128..100), 0..20), 1..6),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let all: Vec<Option<i128>> = batches.iter().flatten().copied().collect();
            prop_assume!(!all.is_empty());
            let whole = batch(&all);
            let mut spill = Spill::new().unwrap();
            for values in &batches {
                spill.push(&batch(values)).unwrap();
            }
            let spilled = Spilled::new(spill, whole.schema());
            prop_assert_eq!(spilled.whole(&[0, 1]).unwrap(), whole.clone());
            let rows: Vec<u32> = picks.iter().map(|pick| place(pick.index(all.len()))).collect();
            let taken = take_record_batch(&whole, &UInt32Array::from(rows.clone())).unwrap();
            let both = spilled.gather(&rows, &[1, 0]).unwrap();
            prop_assert_eq!(both, taken.project(&[1, 0]).unwrap());
            let doubled = spilled.changed(|batch, _| Ok(batch)).unwrap();
            let one = doubled.gather(&rows, &[1]).unwrap();
            prop_assert_eq!(one, taken.project(&[1]).unwrap());
        }
    }

    #[test]
    fn columns_that_came_later_are_null_before() {
        let both = batch(&[Some(1), Some(2)]);
        let mut spill = Spill::new().unwrap();
        spill.push(&both.project(&[0]).unwrap()).unwrap();
        spill.push(&both).unwrap();
        let spilled = Spilled::new(spill, both.schema()).project(&[1, 0]).unwrap();
        let rows = spilled.gather(&[3, 1], &[0, 1]).unwrap();
        assert_eq!(rows.column(0).null_count(), 1);
        assert!(rows.column(0).is_null(1) && rows.column(1).is_valid(1));
    }
}
