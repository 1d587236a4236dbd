//! Outputs: written beside their place and moved there when all of them are complete.

use crate::error::Error;
use crate::ledger::Pair;
use crate::outcome::{Side, Summary};
use crate::records::Records;
use crds::matching::OutputFormat;
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file that tells that a run is complete; it is the last to appear.
const SUMMARY: &str = "summary.json";

/// A folder of outputs in the making. What is not published is removed when it is dropped.
pub struct Draft {
    folder: tempfile::TempDir,
    target: PathBuf,
}

impl Draft {
    /// Starts a draft on the file system of `target`, so that publishing only renames.
    ///
    /// # Errors
    /// When the folder of `target` cannot be made or written.
    pub fn new(target: &Path) -> Result<Self, Error> {
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
        let folder = tempfile::Builder::new()
            .prefix(".reconcile-")
            .tempdir_in(parent)
            .map_err(Error::io(parent))?;
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

    /// Writes a batch as Parquet under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn parquet(&self, name: &str, batch: &RecordBatch) -> Result<(), Error> {
        let path = self.files().join(name);
        let file = File::create(&path).map_err(Error::io(&path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let failed = |error: datafusion::parquet::errors::ParquetError| Error::Io {
            path: path.clone(),
            source: std::io::Error::other(error),
        };
        let mut writer =
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).map_err(failed)?;
        writer.write(batch).map_err(failed)?;
        writer.close().map_err(failed)?;
        Ok(())
    }

    /// Writes a batch of texts and floats as CSV under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn csv(&self, name: &str, batch: &RecordBatch) -> Result<(), Error> {
        use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
        let path = self.files().join(name);
        let failed = |error: csv::Error| Error::Io {
            path: path.clone(),
            source: std::io::Error::other(error),
        };
        let mut writer = csv::Writer::from_path(&path).map_err(failed)?;
        let schema = batch.schema();
        writer
            .write_record(schema.fields().iter().map(|f| f.name()))
            .map_err(failed)?;
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
            writer.write_record(fields).map_err(failed)?;
        }
        writer.flush().map_err(Error::io(&path))
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
        for name in [SUMMARY, "pairs.csv", "model.json"] {
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

/// What the outputs of a run are made from.
pub struct Results<'a> {
    /// The left records.
    pub left: &'a Records,
    /// The right records.
    pub right: &'a Records,
    /// The pairs, by left key.
    pub pairs: &'a [Pair],
    /// The names of the passes.
    pub passes: &'a [&'a str],
    /// Why each pair is one.
    pub reasons: Vec<String>,
    /// Unmatched records of either side, by key.
    pub unmatched: (Vec<u32>, Vec<u32>),
    /// The names of both files, for messages.
    pub files: (&'a str, &'a str),
}

impl Results<'_> {
    /// Writes all outputs but the summary.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(self, draft: &Draft, formats: &[OutputFormat]) -> Result<(), Error> {
        draft.parquet(
            "unmatched_left.parquet",
            &unmatched(self.left, &self.unmatched.0)?,
        )?;
        draft.parquet(
            "unmatched_right.parquet",
            &unmatched(self.right, &self.unmatched.1)?,
        )?;
        draft.parquet("rejected.parquet", &self.rejected()?)?;
        draft.parquet("duplicates.parquet", &self.duplicates()?)?;
        let pairs = self.pairs()?;
        draft.parquet("pairs.parquet", &pairs)?;
        if formats.contains(&OutputFormat::Csv) {
            draft.csv("pairs.csv", &pairs)?;
        }
        Ok(())
    }

    fn pairs(self) -> Result<RecordBatch, Error> {
        let left_key = |pair: &Pair| self.left.keys[pair.chosen.edge.left as usize].as_str();
        let right_key = |pair: &Pair| self.right.keys[pair.chosen.edge.right as usize].as_str();
        let texts = |of: &dyn Fn(&Pair) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.pairs.iter().map(of)))
        };
        let columns = [
            ("left_key", texts(&|pair| left_key(pair).to_owned())),
            ("right_key", texts(&|pair| right_key(pair).to_owned())),
            ("group_id", self.group_ids()),
            ("pass", texts(&|pair| self.passes[pair.pass].to_owned())),
            ("outcome", texts(&|pair| pair.outcome.name().to_owned())),
            (
                "score",
                Arc::new(Float64Array::from_iter_values(
                    self.pairs.iter().map(|pair| pair.chosen.edge.score),
                )),
            ),
            ("reason", Arc::new(StringArray::from(self.reasons))),
        ];
        batch(columns)
    }

    /// The name of each pair's group, from the keys of all its members.
    fn group_ids(&self) -> ArrayRef {
        let groups = self
            .pairs
            .iter()
            .map(|pair| pair.group + 1)
            .max()
            .unwrap_or(0);
        let mut members: Vec<(Vec<u32>, Vec<u32>)> = vec![Default::default(); groups as usize];
        for pair in self.pairs {
            let (lefts, rights) = &mut members[pair.group as usize];
            lefts.push(pair.chosen.edge.left);
            rights.push(pair.chosen.edge.right);
        }
        let keys = |rows: &mut Vec<u32>, records: &Records| {
            rows.sort_unstable();
            rows.dedup();
            rows.iter()
                .map(|&row| records.keys[row as usize].clone())
                .collect::<Vec<_>>()
        };
        let names: Vec<String> = members
            .iter_mut()
            .map(|(lefts, rights)| group_id(&keys(lefts, self.left), &keys(rights, self.right)))
            .collect();
        texts(
            self.pairs
                .iter()
                .map(|pair| names[pair.group as usize].as_str()),
        )
    }

    fn sides(&self) -> [(Side, &str, &Records); 2] {
        [
            (Side::Left, self.files.0, self.left),
            (Side::Right, self.files.1, self.right),
        ]
    }

    fn rejected(&self) -> Result<RecordBatch, Error> {
        let rows: Vec<_> = self
            .sides()
            .into_iter()
            .flat_map(|(side, file, records)| {
                records.rejected.iter().map(move |row| (side, file, row))
            })
            .collect();
        batch([
            ("side", texts(rows.iter().map(|(side, ..)| side.name()))),
            ("file", texts(rows.iter().map(|(_, file, _)| *file))),
            ("line", lines(rows.iter().map(|(.., row)| row.line))),
            (
                "column",
                Arc::new(
                    rows.iter()
                        .map(|(.., row)| row.column.as_deref())
                        .collect::<StringArray>(),
                ),
            ),
            (
                "reason",
                texts(rows.iter().map(|(.., row)| row.reason.as_str())),
            ),
        ])
    }

    fn duplicates(&self) -> Result<RecordBatch, Error> {
        let rows: Vec<_> = self
            .sides()
            .into_iter()
            .flat_map(|(side, file, records)| {
                records.duplicates.iter().map(move |row| (side, file, row))
            })
            .collect();
        let reasons: Vec<String> = rows
            .iter()
            .map(|(.., row)| format!("{} rows have this key", row.group))
            .collect();
        batch([
            ("side", texts(rows.iter().map(|(side, ..)| side.name()))),
            ("file", texts(rows.iter().map(|(_, file, _)| *file))),
            ("line", lines(rows.iter().map(|(.., row)| row.line))),
            ("key", texts(rows.iter().map(|(.., row)| row.key.as_str()))),
            ("reason", texts(reasons.iter().map(String::as_str))),
        ])
    }
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn lines(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, Error> {
    Ok(RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, array)| (name, array, name == "column")),
    )?)
}

/// The key, then the canonical columns with their original values. Where a canonical column is
/// called `key` itself, the first column is `row_key`.
fn unmatched(records: &Records, rows: &[u32]) -> Result<RecordBatch, Error> {
    let kept = take_record_batch(&records.batch, &UInt32Array::from(rows.to_vec()))?;
    let taken = kept.schema().column_with_name("key").is_some();
    let name = if taken { "row_key" } else { "key" };
    let mut fields = vec![Arc::new(Field::new(
        name,
        datafusion::arrow::datatypes::DataType::Utf8,
        false,
    ))];
    fields.extend(kept.schema().fields().iter().cloned());
    let mut columns = vec![texts(
        rows.iter().map(|&row| records.keys[row as usize].as_str()),
    )];
    columns.extend(kept.columns().iter().cloned());
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// A name for a group of records that depends on their keys alone: 16 bytes of a hash, in hex.
#[must_use]
pub fn group_id(left: &[String], right: &[String]) -> String {
    let mut hash = Sha256::new();
    for (side, keys) in [(b'l', left), (b'r', right)] {
        for key in keys {
            hash.update([side]);
            hash.update((key.len() as u64).to_be_bytes());
            hash.update(key.as_bytes());
        }
    }
    hex::encode(&hash.finalize()[..16])
}
