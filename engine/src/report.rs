//! Outputs: written beside their place and moved there when all of them are complete.

mod chart;
mod figures;
mod html;
mod target;
mod xlsx;

use crate::diff::keyed::listing::Listing;
use crate::diff::{Found, Values};
use crate::error::Error;
use crate::ledger::Pair;
use crate::outcome::{Side, Summary};
use crate::records::Records;
use crds::matching::{MatchingSpec, OutputFormat};
use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use figures::Steps;
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

    /// Writes a batch as Parquet under `name`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn parquet(&self, name: &str, batch: &RecordBatch) -> Result<(), Error> {
        let mut sheet = self.parquet_sheet(name, batch.schema())?;
        sheet.write(batch)?;
        sheet.close()
    }

    fn parquet_sheet(&self, name: &str, schema: SchemaRef) -> Result<ParquetSheet, Error> {
        let path = self.files().join(name);
        let file = File::create(&path).map_err(Error::io(&path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let writer = ArrowWriter::try_new(file, schema, Some(properties));
        Ok(ParquetSheet {
            writer: writer.map_err(failed(&path))?,
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

/// A Parquet file that is written batch by batch.
struct ParquetSheet {
    writer: ArrowWriter<File>,
    path: PathBuf,
}

impl ParquetSheet {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer.write(batch).map_err(failed(&self.path))
    }

    fn close(self) -> Result<(), Error> {
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

/// What the outputs of a run are made from.
pub struct Results<'a> {
    /// The left records.
    pub left: &'a Records,
    /// The right records.
    pub right: &'a Records,
    /// The pairs, by left key.
    pub pairs: &'a [Pair],
    /// Those of the pairs that the outputs list, in the same order.
    pub shown: &'a [Pair],
    /// The names of the passes.
    pub passes: &'a [&'a str],
    /// Why each listed pair is one.
    pub reasons: Vec<String>,
    /// What differs between the records of pairs.
    pub differences: Differences<'a>,
    /// Unmatched records of either side, by key.
    pub unmatched: (Vec<u32>, Vec<u32>),
    /// The names of both files, for messages.
    pub files: (&'a str, &'a str),
}

/// What differs between the records of pairs, in the order of pairs, then of the specification.
pub struct Differences<'a> {
    /// The compared columns' names.
    pub labels: Vec<&'a str>,
    /// The differences.
    pub found: &'a [Found],
    /// Their values.
    pub values: Values,
}

impl Results<'_> {
    /// Writes all outputs but the summary. `plain` pairs are listed among the others.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(
        &self,
        draft: &Draft,
        formats: &[OutputFormat],
        plain: Option<&Listing<'_>>,
    ) -> Result<(), Error> {
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
        draft.parquet("differences.parquet", &self.differences()?)?;
        let pairs = self.pairs()?;
        let mut parquet = draft.parquet_sheet("pairs.parquet", pairs.schema())?;
        let mut csv = formats
            .contains(&OutputFormat::Csv)
            .then(|| draft.csv_sheet("pairs.csv", pairs.schema_ref()))
            .transpose()?;
        let mut write = |batch: &RecordBatch| {
            parquet.write(batch)?;
            csv.as_mut().map_or(Ok(()), |csv| csv.write(batch))
        };
        match plain {
            None => write(&pairs)?,
            Some(plain) => {
                let rows: Vec<u32> = self
                    .shown
                    .iter()
                    .map(|pair| pair.chosen.edge.left)
                    .collect();
                plain.merge(&pairs, self.left, &rows, write)?;
            }
        }
        parquet.close()?;
        csv.map_or(Ok(()), CsvSheet::close)
    }

    /// Writes `report.html` and `report.xlsx`, as far as the job asks for them. `steps` gives what each
    /// comparison adds to a pair's score.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_reports(
        &self,
        draft: &Draft,
        spec: &MatchingSpec,
        summary: &Summary,
        steps: &dyn Fn(&Pair) -> Option<Steps>,
    ) -> Result<(), Error> {
        let formats = spec.formats();
        let differences = self.differences()?;
        if formats.contains(&OutputFormat::Html) {
            let figures = figures::figures(&figures::Inputs {
                spec,
                records: [self.left, self.right],
                pairs: self.pairs,
                shown: self.shown,
                plain: summary.pairs - self.pairs.len() as u64,
                passes: self.passes,
                reasons: &self.reasons,
                unmatched: [&self.unmatched.0, &self.unmatched.1],
                differences: &differences,
                steps,
            })?;
            draft.text(PAGE, &html::page(summary, &figures))?;
        }
        if formats.contains(&OutputFormat::Xlsx) {
            let sheets = [
                ("Pairs", self.pairs()?),
                ("Differences", differences),
                ("Unmatched left", unmatched(self.left, &self.unmatched.0)?),
                ("Unmatched right", unmatched(self.right, &self.unmatched.1)?),
                ("Rejected", self.rejected()?),
                ("Duplicates", self.duplicates()?),
            ];
            let unlisted = summary.pairs - self.shown.len() as u64;
            xlsx::write(&draft.files().join(WORKBOOK), summary, unlisted, &sheets)?;
        }
        Ok(())
    }

    fn left_key(&self, pair: &Pair) -> &str {
        self.left.keys[pair.chosen.edge.left as usize].as_str()
    }

    fn right_key(&self, pair: &Pair) -> &str {
        self.right.keys[pair.chosen.edge.right as usize].as_str()
    }

    fn differences(&self) -> Result<RecordBatch, Error> {
        let Differences {
            labels,
            found,
            values,
        } = &self.differences;
        let pairs = || found.iter().map(|found| &self.pairs[found.pair as usize]);
        let column = |values: &StringArray| -> ArrayRef { Arc::new(values.clone()) };
        batch([
            ("left_key", texts(pairs().map(|pair| self.left_key(pair)))),
            ("right_key", texts(pairs().map(|pair| self.right_key(pair)))),
            (
                "column",
                texts(found.iter().map(|found| labels[found.column as usize])),
            ),
            ("left_value", column(&values.left)),
            ("right_value", column(&values.right)),
            ("delta", column(&values.delta)),
        ])
    }

    fn pairs(&self) -> Result<RecordBatch, Error> {
        let shown = || self.shown.iter();
        pair_rows(&PairRows {
            left_keys: shown().map(|pair| self.left_key(pair)).collect(),
            right_keys: shown().map(|pair| self.right_key(pair)).collect(),
            passes: shown().map(|pair| self.passes[pair.pass]).collect(),
            outcomes: shown().map(|pair| pair.outcome.name()).collect(),
            scores: shown().map(|pair| pair.chosen.edge.score).collect(),
            reasons: &self.reasons,
            groups: Some(self.group_ids()),
        })
    }

    /// The name of each listed pair's group, from the keys of all its members.
    fn group_ids(&self) -> Vec<String> {
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
        let names: Vec<String> = members
            .iter_mut()
            .map(|(lefts, rights)| {
                group_id(
                    &member_keys(lefts, self.left),
                    &member_keys(rights, self.right),
                )
            })
            .collect();
        self.shown
            .iter()
            .map(|pair| names[pair.group as usize].clone())
            .collect()
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

/// Columns of the output of pairs.
pub struct PairRows<'a> {
    /// The left keys.
    pub left_keys: Vec<&'a str>,
    /// The right keys.
    pub right_keys: Vec<&'a str>,
    /// The passes' names.
    pub passes: Vec<&'a str>,
    /// What became of the pairs.
    pub outcomes: Vec<&'a str>,
    /// Their scores.
    pub scores: Vec<f64>,
    /// Why they are pairs.
    pub reasons: &'a [String],
    /// The names of their groups; none where each pair is a group of its own.
    pub groups: Option<Vec<String>>,
}

/// Pairs as rows of `pairs.parquet`.
///
/// # Errors
/// Only if Arrow refuses columns of one length.
pub fn pair_rows(rows: &PairRows<'_>) -> Result<RecordBatch, Error> {
    let keys = rows.left_keys.iter().zip(&rows.right_keys);
    let groups = rows.groups.clone().unwrap_or_else(|| {
        keys.map(|(left, right)| group_id(&[left], &[right]))
            .collect()
    });
    let column = |values: &[&str]| texts(values.iter().copied());
    batch([
        ("left_key", column(&rows.left_keys)),
        ("right_key", column(&rows.right_keys)),
        ("group_id", texts(groups.iter().map(String::as_str))),
        ("pass", column(&rows.passes)),
        ("outcome", column(&rows.outcomes)),
        ("score", Arc::new(Float64Array::from(rows.scores.clone()))),
        ("reason", texts(rows.reasons.iter().map(String::as_str))),
    ])
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn lines(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> Result<RecordBatch, Error> {
    const NULLABLE: [&str; 4] = ["column", "left_value", "right_value", "delta"];
    Ok(RecordBatch::try_from_iter_with_nullable(columns.map(
        |(name, array)| (name, array, NULLABLE.contains(&name)),
    ))?)
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

/// The keys of some records, in the order of keys, each once.
fn member_keys<'k>(rows: &mut Vec<u32>, records: &'k Records) -> Vec<&'k str> {
    rows.sort_unstable();
    rows.dedup();
    rows.iter()
        .map(|&row| records.keys[row as usize].as_str())
        .collect()
}

/// A name for a group of records that depends on their keys alone: 16 bytes of a hash, in hex.
#[must_use]
pub fn group_id(left: &[&str], right: &[&str]) -> String {
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
