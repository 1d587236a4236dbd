//! A Parquet file as one side of a keyed comparison: opened once, read in parts by several threads.

use crate::InputFile;
use crate::error::Error;
use crate::source::{Slot, convert, parquet, slots};
use crds::matching::Dataset;
use datafusion::arrow::array::{ArrayRef, RecordBatch, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder, RowSelection,
};
use std::fs::File;
use std::sync::Arc;

/// Rows that are decoded in one go. Few, so that a batch stays in the processor's cache and memory
/// does not depend on the file.
const BATCH: usize = 8192;

/// A file's footer.
pub struct Footer {
    /// The columns as the file's types say.
    natural: ArrowReaderMetadata,
    /// The same with texts as views, which are cheaper to read and to hash.
    views: ArrowReaderMetadata,
    /// The columns' names.
    pub names: Vec<String>,
    rows: u64,
}

impl Footer {
    /// Reads it.
    ///
    /// # Errors
    /// When the file cannot be opened or is no Parquet.
    pub fn read(file: &InputFile) -> Result<Self, Error> {
        let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
        let natural = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new())
            .map_err(|error| unreadable(file, &error))?;
        let size = opened.metadata().map_err(Error::io(&file.path))?.len();
        let rows = parquet::rows_of(natural.metadata(), size);
        let rows = rows.map_err(|error| unreadable(file, &error))?;
        let fields = natural.schema().fields().iter().map(|field| {
            let text = matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8);
            if text {
                Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View))
            } else {
                field.clone()
            }
        });
        let schema = Schema::new(fields.collect::<Vec<_>>());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
        let views = ArrowReaderMetadata::try_new(natural.metadata().clone(), options)
            .unwrap_or_else(|_| natural.clone());
        let names = natural.schema().fields().iter();
        let names = names.map(|field| field.name().clone()).collect();
        Ok(Self {
            natural,
            views,
            names,
            rows,
        })
    }
}

fn unreadable(file: &InputFile, error: &dyn std::fmt::Display) -> Error {
    Error::Input {
        file: file.name.clone(),
        detail: format!(
            "this cannot be read as Parquet ({error}); check the file, or set `format`"
        ),
    }
}

/// One side.
pub struct Table<'a> {
    /// The file.
    pub file: &'a InputFile,
    /// The canonical columns.
    pub slots: Vec<Slot>,
    /// Their names and types, in the same order.
    pub schema: SchemaRef,
    footer: &'a Footer,
}

/// Some of a file's rows that can be read on their own.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    index: usize,
    /// The number of the first row, from 0.
    pub first: u64,
    /// How many rows there are.
    pub rows: usize,
}

impl<'a> Table<'a> {
    /// Finds the canonical columns.
    ///
    /// # Errors
    /// When the file lacks a column that the dataset names, or a column cannot have its type.
    pub fn new(
        dataset: &'a Dataset,
        file: &'a InputFile,
        footer: &'a Footer,
    ) -> Result<Self, Error> {
        let slots = slots(dataset, file, &footer.names)?;
        let fields = slots.iter().map(|slot| {
            let stored = footer.natural.schema().field(slot.index).data_type();
            let (empty, _) = typed(file, slot, &new_empty_array(stored))?;
            Ok(Field::new(&slot.name, empty.data_type().clone(), true))
        });
        let fields = fields.collect::<Result<Vec<_>, Error>>()?;
        Ok(Self {
            file,
            schema: Arc::new(Schema::new(fields)),
            slots,
            footer,
        })
    }

    /// How many rows the file has.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.footer.rows
    }

    /// The parts of the file.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        let mut first = 0;
        let groups = self.footer.natural.metadata().row_groups().iter();
        groups
            .enumerate()
            .map(|(index, group)| {
                let rows = usize::try_from(group.num_rows()).unwrap_or(0);
                first += rows as u64;
                Group {
                    index,
                    first: first - rows as u64,
                    rows,
                }
            })
            .collect()
    }

    /// Checks that a part of the file had as many rows as the footer says.
    ///
    /// # Errors
    /// When it had not.
    pub fn check(&self, group: Group, rows: u64) -> Result<(), Error> {
        let said = group.rows as u64;
        if rows == said {
            return Ok(());
        }
        Err(unreadable(self.file, &parquet::fewer(rows, said)))
    }

    /// The type in which [`Table::read`] gives the column behind a canonical one.
    #[must_use]
    pub fn stored(&self, slot: usize) -> &DataType {
        self.footer
            .views
            .schema()
            .field(self.slots[slot].index)
            .data_type()
    }

    /// Reads some canonical columns of a part of the file, as they are stored.
    ///
    /// # Errors
    /// When the file cannot be opened or is damaged.
    pub fn read(&self, group: Group, slots: &[usize]) -> Result<Batches<'_>, Error> {
        self.batches(&self.footer.views, group, slots, None)
    }

    /// Reads some rows and canonical columns of a part of the file, in their canonical types. No row
    /// is among them whose values do not fit these.
    ///
    /// # Errors
    /// When the file cannot be opened or is damaged.
    pub fn pick(
        &self,
        group: Group,
        slots: &[usize],
        rows: RowSelection,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
        let schema = Arc::new(self.schema.project(slots)?);
        let batches = self.batches(&self.footer.natural, group, slots, Some(rows))?;
        Ok(batches.map(move |arrays| {
            let arrays = arrays?;
            let columns = slots.iter().zip(&arrays);
            let columns =
                columns.map(|(&slot, array)| Ok(typed(self.file, &self.slots[slot], array)?.0));
            let columns = columns.collect::<Result<Vec<_>, Error>>()?;
            Ok(RecordBatch::try_new(schema.clone(), columns)?)
        }))
    }

    fn batches(
        &self,
        metadata: &ArrowReaderMetadata,
        group: Group,
        slots: &[usize],
        rows: Option<RowSelection>,
    ) -> Result<Batches<'_>, Error> {
        let mut roots: Vec<usize> = slots.iter().map(|&slot| self.slots[slot].index).collect();
        roots.sort_unstable();
        roots.dedup();
        let place = |&slot: &usize| roots.partition_point(|&root| root < self.slots[slot].index);
        let path = &self.file.path;
        let opened = File::open(path).map_err(Error::io(path))?;
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(opened, metadata.clone())
                .with_batch_size(BATCH)
                .with_row_groups(vec![group.index]);
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots.iter().copied());
        builder = builder.with_projection(mask);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows);
        }
        Ok(Batches {
            file: self.file,
            reader: builder
                .build()
                .map_err(|error| unreadable(self.file, &error))?,
            places: slots.iter().map(place).collect(),
        })
    }
}

/// Batches of columns, in the order in which they were asked for.
pub struct Batches<'a> {
    file: &'a InputFile,
    reader: ParquetRecordBatchReader,
    places: Vec<usize>,
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<ArrayRef>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.reader.next()?;
        Some(
            batch
                .map(|batch| {
                    let columns = self.places.iter();
                    columns.map(|&place| batch.column(place).clone()).collect()
                })
                .map_err(|error| unreadable(self.file, &error)),
        )
    }
}

/// A column in its canonical type, and the rows whose value does not fit.
///
/// # Errors
/// When no value of the column can have that type.
pub fn typed(
    file: &InputFile,
    slot: &Slot,
    array: &ArrayRef,
) -> Result<(ArrayRef, Vec<(usize, String)>), Error> {
    convert(array, slot).map_err(|detail| Error::Input {
        file: file.name.clone(),
        detail,
    })
}
