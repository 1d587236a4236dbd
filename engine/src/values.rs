//! The values of one side's records, in the order of keys: as they were read, and as they are
//! compared.
//!
//! Where they are held, every step looks at all of them in place. Where they are spilled, it reads
//! back what it looks at: some columns of all records, or some records. Either way it gets a batch as
//! wide as the records, so that a column's place is the same; columns that were not asked for are
//! empty ones of the null type.

use crate::error::Error;
use crate::memory::Room;
use crate::spill::{Spill, Spilled, of_columns, weight_of};
use datafusion::arrow::array::{ArrayRef, NullArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// One side's values.
#[derive(Debug)]
pub enum Values {
    /// In memory.
    Held {
        /// As they were read.
        original: RecordBatch,
        /// As they are compared and blocked.
        compared: RecordBatch,
    },
    /// In a file.
    Spilled(Stored),
}

/// Values in a file.
#[derive(Debug)]
pub struct Stored {
    rows: Spilled,
    /// The records' columns.
    schema: SchemaRef,
    /// For each of them the place in the file of what is compared.
    compared: Vec<usize>,
    room: Room,
}

/// Which values of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As they were read.
    Original,
    /// As they are compared and blocked.
    Compared,
}

impl Stored {
    /// Brings rows into the order of keys. `clean` makes of some rows what is compared.
    ///
    /// # Errors
    /// When `clean` fails, or values cannot be written or read back.
    pub fn new(
        rows: &Spilled,
        order: &[u32],
        room: Room,
        clean: impl Fn(&RecordBatch) -> Result<RecordBatch, Error>,
    ) -> Result<Self, Error> {
        let schema = rows.schema().clone();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let empty = RecordBatch::new_empty(schema.clone());
        let cleaned = clean(&empty)?;
        // What cleaning leaves alone is the same array.
        let changed: Vec<usize> = (all.iter().copied())
            .filter(|&at| !Arc::ptr_eq(empty.column(at), cleaned.column(at)))
            .collect();
        let mut compared = all.clone();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        for &at in &changed {
            compared[at] = fields.len();
            fields.push(schema.fields()[at].clone());
        }
        let stored = Arc::new(Schema::new(fields));
        let mut spill = Spill::new()?;
        // Both sides are read at once.
        let step = room.rows(rows.weight(&all).saturating_mul(2), rows.len());
        for step in order.chunks(step.max(1)) {
            let batch = rows.gather(step, &all)?;
            let cleaned = clean(&batch)?;
            let mut columns = batch.columns().to_vec();
            columns.extend(changed.iter().map(|&at| cleaned.column(at).clone()));
            spill.push(&of_columns(stored.clone(), columns, batch.num_rows())?)?;
        }
        Ok(Self {
            rows: Spilled::new(spill, stored),
            schema,
            compared,
            room,
        })
    }

    /// Moves values from memory to a file.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn of(original: &RecordBatch, compared: &RecordBatch, room: Room) -> Result<Self, Error> {
        let schema = original.schema();
        let mut places: Vec<usize> = (0..schema.fields().len()).collect();
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        let mut columns = original.columns().to_vec();
        for (at, place) in places.iter_mut().enumerate() {
            if !Arc::ptr_eq(original.column(at), compared.column(at)) {
                *place = fields.len();
                fields.push(schema.fields()[at].clone());
                columns.push(compared.column(at).clone());
            }
        }
        let stored = Arc::new(Schema::new(fields));
        let mut spill = Spill::new()?;
        spill.push(&of_columns(stored.clone(), columns, original.num_rows())?)?;
        Ok(Self {
            rows: Spilled::new(spill, stored),
            schema,
            compared: places,
            room,
        })
    }

    /// The places in the file of some columns.
    fn places(&self, form: Form, columns: &[usize]) -> Vec<usize> {
        let place = |&column: &usize| match form {
            Form::Original => column,
            Form::Compared => self.compared[column],
        };
        columns.iter().map(place).collect()
    }
}

/// A batch as wide as a schema with some of its columns.
fn widened(schema: &Schema, columns: &[usize], narrow: &RecordBatch) -> Result<RecordBatch, Error> {
    let rows = narrow.num_rows();
    let null: ArrayRef = Arc::new(NullArray::new(rows));
    let mut arrays = vec![null; schema.fields().len()];
    let mut fields: Vec<Field> = (schema.fields().iter())
        .map(|field| Field::new(field.name(), DataType::Null, true))
        .collect();
    for (&column, array) in columns.iter().zip(narrow.columns()) {
        arrays[column] = array.clone();
        fields[column] = schema.field(column).clone();
    }
    of_columns(Arc::new(Schema::new(fields)), arrays, rows)
}

impl Values {
    /// The records' columns.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::Held { original, .. } => original.schema(),
            Self::Spilled(stored) => stored.schema.clone(),
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Held { original, .. } => original.num_rows(),
            Self::Spilled(stored) => stored.rows.len(),
        }
    }

    /// Whether they are in a file.
    #[must_use]
    pub fn is_spilled(&self) -> bool {
        matches!(self, Self::Spilled(_))
    }

    /// Some columns of all records.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn whole(&self, form: Form, columns: &[usize]) -> Result<RecordBatch, Error> {
        match (self, form) {
            (Self::Held { original, .. }, Form::Original) => Ok(original.clone()),
            (Self::Held { compared, .. }, Form::Compared) => Ok(compared.clone()),
            (Self::Spilled(stored), form) => {
                let narrow = stored.rows.whole(&stored.places(form, columns))?;
                widened(&stored.schema, columns, &narrow)
            }
        }
    }

    /// Some columns of some records: those that are held are looked at in place.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn window(
        &self,
        form: Form,
        columns: &[usize],
        rows: impl IntoIterator<Item = u32>,
    ) -> Result<Window, Error> {
        if !self.is_spilled() {
            return Ok(Window {
                batch: self.whole(form, columns)?,
                rows: None,
            });
        }
        let mut rows: Vec<u32> = rows.into_iter().collect();
        rows.sort_unstable();
        rows.dedup();
        Ok(Window {
            batch: self.picked(form, columns, &rows)?,
            rows: Some(rows),
        })
    }

    /// Some columns of some records and of no others, in the order of `rows`.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn picked(
        &self,
        form: Form,
        columns: &[usize],
        rows: &[u32],
    ) -> Result<RecordBatch, Error> {
        let narrow = match (self, form) {
            (Self::Held { original, .. }, Form::Original) => taken(original, columns, rows)?,
            (Self::Held { compared, .. }, Form::Compared) => taken(compared, columns, rows)?,
            (Self::Spilled(stored), form) => {
                stored.rows.gather(rows, &stored.places(form, columns))?
            }
        };
        widened(&self.schema(), columns, &narrow)
    }

    /// Some columns of all records, some records after others, in their order.
    pub fn steps<'a>(
        &'a self,
        form: Form,
        columns: &'a [usize],
    ) -> Box<dyn Iterator<Item = Result<RecordBatch, Error>> + 'a> {
        let Self::Spilled(stored) = self else {
            return Box::new(std::iter::once(self.whole(form, columns)));
        };
        let places = stored.places(form, columns);
        let blocks = stored.rows.block_count();
        Box::new((0..blocks).map(move |block| {
            let narrow = stored.rows.block(block, &places)?;
            widened(&stored.schema, columns, &narrow)
        }))
    }

    /// The bytes that some columns of all records take in memory.
    #[must_use]
    pub fn weight(&self, form: Form, columns: &[usize]) -> u64 {
        match (self, form) {
            (Self::Held { original, .. }, Form::Original) => weight_of(original),
            (Self::Held { compared, .. }, Form::Compared) => weight_of(compared),
            (Self::Spilled(stored), form) => stored.rows.weight(&stored.places(form, columns)),
        }
    }

    /// How many records' values of some columns are read back at a time.
    #[must_use]
    pub fn rows_at_a_time(&self, form: Form, columns: &[usize]) -> usize {
        match self {
            Self::Held { .. } => usize::MAX,
            Self::Spilled(stored) => stored
                .room
                .rows(self.weight(form, columns), stored.rows.len()),
        }
    }

    /// The room of the run; endless where the values are held.
    #[must_use]
    pub fn room(&self) -> Room {
        match self {
            Self::Held { .. } => Room::endless(),
            Self::Spilled(stored) => stored.room,
        }
    }

    /// Every column, by place.
    #[must_use]
    pub fn all_columns(&self) -> Vec<usize> {
        (0..self.schema().fields().len()).collect()
    }
}

fn taken(batch: &RecordBatch, columns: &[usize], rows: &[u32]) -> Result<RecordBatch, Error> {
    let narrow = batch.project(columns)?;
    Ok(take_record_batch(
        &narrow,
        &UInt32Array::from(rows.to_vec()),
    )?)
}

/// Some records' values in memory.
#[derive(Debug)]
pub struct Window {
    /// The values.
    pub batch: RecordBatch,
    /// Which records they are of, ascending; none where they are of all.
    rows: Option<Vec<u32>>,
}

impl Window {
    /// Where a record stands in the batch. It is one of those that were asked for.
    #[must_use]
    pub fn place(&self, record: u32) -> u32 {
        match &self.rows {
            None => record,
            Some(rows) => {
                let place = rows.partition_point(|&row| row < record);
                u32::try_from(place).unwrap_or(u32::MAX)
            }
        }
    }

    /// The records, ascending; none where they are all.
    #[must_use]
    pub fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }
}
