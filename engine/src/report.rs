//! Outputs: written beside their place and moved there when all of them are complete.

mod chart;
mod figures;
mod html;
mod lists;
mod reasons;
mod target;
mod xlsx;

use crate::diff::keyed::listing::Listing;
use crate::error::Error;
use crate::outcome::Summary;
use crate::spill::weight_of;
use crds::matching::OutputFormat;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::BatchCoalescer;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use figures::Steps;
use lists::List;
pub use lists::{PairRows, Results, pair_rows};
pub use target::check;
use target::{hidden_folder, parent_of};

/// The file that tells that a run is complete; it is the last to appear.
const SUMMARY: &str = "summary.json";
const PAGE: &str = "report.html";
const WORKBOOK: &str = "report.xlsx";

/// A folder of outputs in the making. What is not published is removed when it is dropped.
pub struct Draft {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl Draft {
    /// Starts a draft on the file system of `target`, so that publishing only renames: in the folder
    /// itself where it is there, which may be the root of a file system, else beside it.
    ///
    /// # Errors
    /// When the folder of `target` cannot be made or written.
    pub fn new(target: &Path) -> Result<Self, Error> {
        let home = if target.is_dir() {
            target
        } else {
            let parent = parent_of(target);
            fs::create_dir_all(parent).map_err(Error::io(parent))?;
            parent
        };
        let folder = hidden_folder(home)?;
        let draft = Self {
            folder,
            target: target.to_owned(),
        };
        // The temporary folder is the owner's alone; the one inside has the usual permissions.
        fs::create_dir(draft.files()).map_err(Error::io(draft.files()))?;
        Ok(draft)
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("outputs")
    }

    fn parquet_sheet(&self, name: &str, schema: SchemaRef) -> Result<ParquetSheet, Error> {
        let path = self.files().join(name);
        let file = File::create(&path).map_err(Error::io(&path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties));
        Ok(ParquetSheet {
            writer: writer.map_err(failed(&path))?,
            rows: BatchCoalescer::new(schema, ROWS_AT_A_TIME),
            bytes: 0,
            path,
        })
    }

    fn csv_sheet(&self, name: &str, schema: &Schema) -> Result<CsvSheet, Error> {
        let path = self.files().join(name);
        let mut writer = csv::Writer::from_path(&path).map_err(failed(&path))?;
        let names = schema.fields().iter().map(|field| field.name());
        writer.write_record(names).map_err(failed(&path))?;
        Ok(CsvSheet { writer, path })
    }

    /// Writes a text under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn text(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.files().join(name);
        fs::write(&path, text).map_err(Error::io(&path))
    }

    /// Moves everything into place, the summary last. A folder that is not there yet appears whole.
    ///
    /// # Errors
    /// When a file cannot be written or moved.
    pub fn publish(self, summary: &Summary) -> Result<(), Error> {
        let files = self.files();
        let path = files.join(SUMMARY);
        let json = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::Internal(error.to_string()))?;
        fs::write(&path, json + "\n").map_err(Error::io(&path))?;
        let target = &self.target;
        if !target.exists() {
            return fs::rename(&files, target).map_err(Error::io(target));
        }
        // An earlier run's summary must not stand beside this run's files, nor its files beside
        // this run's summary.
        for name in [SUMMARY, "pairs.csv", "model.json", PAGE, WORKBOOK] {
            let old = target.join(name);
            if old.exists() {
                fs::remove_file(&old).map_err(Error::io(old))?;
            }
        }
        let mut names = fs::read_dir(&files)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(Error::io(&files))?
            .into_iter()
            .map(|entry| entry.file_name())
            .collect::<Vec<_>>();
        names.sort_by_key(|name| (name == SUMMARY, name.clone()));
        for name in names {
            let to = target.join(&name);
            fs::rename(files.join(&name), &to).map_err(Error::io(to))?;
        }
        Ok(())
    }
}

fn failed<E: Into<Box<dyn std::error::Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> Error {
    |error| Error::Io {
        path: path.to_owned(),
        source: io::Error::other(error),
    }
}

/// Rows that are encoded at a time: what the encoder decides on is looked at after so many, so that a
/// file does not depend on how its rows were cut into batches.
const ROWS_AT_A_TIME: usize = 1024;
/// Bytes of values after which a group of rows ends: the encoder holds a group in memory.
const BYTES_OF_GROUP: u64 = 32 << 20;

/// A Parquet file that is written batch by batch.
struct ParquetSheet {
    writer: ArrowWriter<File>,
    rows: BatchCoalescer,
    /// The bytes of the values in the open group.
    bytes: u64,
    path: PathBuf,
}

impl ParquetSheet {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.rows.push_batch(batch.clone())?;
        self.encode()
    }

    fn encode(&mut self) -> Result<(), Error> {
        while let Some(batch) = self.rows.next_completed_batch() {
            self.writer.write(&batch).map_err(failed(&self.path))?;
            self.bytes += weight_of(&batch);
            if self.bytes >= BYTES_OF_GROUP {
                self.writer.flush().map_err(failed(&self.path))?;
                self.bytes = 0;
            }
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), Error> {
        self.rows.finish_buffered_batch()?;
        self.encode()?;
        self.writer.close().map_err(failed(&self.path))?;
        Ok(())
    }
}

/// A CSV file of texts and floats that is written batch by batch.
struct CsvSheet {
    writer: csv::Writer<File>,
    path: PathBuf,
}

impl CsvSheet {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
        let options = FormatOptions::default();
        let columns = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let fields = columns
                .iter()
                .map(|column| column.value(row).try_to_string())
                .collect::<Result<Vec<_>, _>>()?;
            self.writer
                .write_record(fields)
                .map_err(failed(&self.path))?;
        }
        Ok(())
    }

    fn close(mut self) -> Result<(), Error> {
        self.writer.flush().map_err(Error::io(self.path))
    }
}

impl Results<'_> {
    /// Writes all outputs but the summary. `plain` pairs are listed among the others.
    ///
    /// # Errors
    /// When a file cannot be written, or values cannot be read back.
    pub fn write(
        &self,
        draft: &Draft,
        formats: &[OutputFormat],
        plain: Option<&Listing<'_>>,
    ) -> Result<(), Error> {
        for (name, list) in [
            ("unmatched_left.parquet", List::Unmatched(0)),
            ("unmatched_right.parquet", List::Unmatched(1)),
            ("rejected.parquet", List::Rejected),
            ("duplicates.parquet", List::Duplicates),
            ("differences.parquet", List::Differences),
        ] {
            let mut sheet = draft.parquet_sheet(name, self.schema(list)?)?;
            self.each(list, &mut |batch| sheet.write(batch))?;
            sheet.close()?;
        }
        let schema = self.schema(List::Pairs)?;
        let mut parquet = draft.parquet_sheet("pairs.parquet", schema.clone())?;
        let mut csv = formats
            .contains(&OutputFormat::Csv)
            .then(|| draft.csv_sheet("pairs.csv", &schema))
            .transpose()?;
        let mut write = |batch: &RecordBatch| {
            parquet.write(batch)?;
            csv.as_mut().map_or(Ok(()), |csv| csv.write(batch))
        };
        match plain {
            None => self.each(List::Pairs, &mut write)?,
            Some(plain) => {
                let mut merging = plain.merging();
                self.each_pair(plain.left_key(), &mut |batch, keys| {
                    merging.add(batch, keys, &mut write)
                })?;
                merging.finish(&mut write)?;
            }
        }
        parquet.close()?;
        csv.map_or(Ok(()), CsvSheet::close)
    }

    /// Writes `report.html` and `report.xlsx`, as far as the job asks for them.
    ///
    /// # Errors
    /// When a file cannot be written, or values cannot be read back.
    pub fn write_reports(&self, draft: &Draft, summary: &Summary) -> Result<(), Error> {
        let formats = self.spec.formats();
        if formats.contains(&OutputFormat::Html) {
            let figures = figures::figures(self, summary.pairs - self.pairs.len() as u64)?;
            draft.text(PAGE, &html::page(summary, &figures))?;
        }
        if formats.contains(&OutputFormat::Xlsx) {
            let sheets = [
                ("Pairs", List::Pairs),
                ("Differences", List::Differences),
                ("Unmatched left", List::Unmatched(0)),
                ("Unmatched right", List::Unmatched(1)),
                ("Rejected", List::Rejected),
                ("Duplicates", List::Duplicates),
            ];
            let unlisted = summary.pairs - self.shown.len() as u64;
            let path = draft.files().join(WORKBOOK);
            xlsx::write(&path, summary, unlisted, self, &sheets)?;
        }
        Ok(())
    }
}
