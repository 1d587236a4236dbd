//! Runs jobs in a temporary folder and reads their outputs back.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use engine::{Error, InputFile, Progress, RunRequest, Silent, Summary};
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

/// A run's summary and the outputs that it left.
pub struct Ran {
    pub summary: Summary,
    pub out: tempfile::TempDir,
}

/// Runs a job over two files on a runtime with two threads. The rates lie beside the left file.
pub fn run_files(yaml: &str, left: &Path, right: &Path) -> Result<Ran, Error> {
    run_with(yaml, left, right, Arc::new(Silent)).0
}

/// Runs a job; also returns the names in the folder that the outputs were to go to.
pub fn run_with(
    yaml: &str,
    left: &Path,
    right: &Path,
    progress: Arc<dyn Progress>,
) -> (Result<Ran, Error>, Vec<String>) {
    run_on(2, yaml, left, right, progress)
}

/// [`run_with`] on a runtime with so many threads.
pub fn run_on(
    threads: usize,
    yaml: &str,
    left: &Path,
    right: &Path,
    progress: Arc<dyn Progress>,
) -> (Result<Ran, Error>, Vec<String>) {
    let spec = match crds::decode::spec_from_yaml(yaml) {
        Ok(spec) => spec,
        Err(errors) => return (Err(Error::Spec(errors)), Vec::new()),
    };
    let out = tempfile::tempdir().unwrap();
    let file = |path: &Path| InputFile {
        path: path.into(),
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
    };
    let folder = left.parent().unwrap_or(Path::new(""));
    let model = spec.model.as_ref().map(|model| folder.join(&model.uri));
    let rates = spec.fx.as_ref().and_then(|fx| fx.rates.source.uri.as_ref());
    let rates = rates.map(|uri| file(&left.with_file_name(uri)));
    let request = RunRequest {
        spec,
        left: file(left),
        right: file(right),
        rates,
        out_dir: out.path().join("out"),
        model,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .build()
        .unwrap();
    let result = runtime.block_on(engine::run(request, progress));
    let left_behind = fs::read_dir(out.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    (result.map(|summary| Ran { summary, out }), left_behind)
}

/// Runs a job over two CSV texts.
pub fn run_texts(yaml: &str, left: &[u8], right: &[u8]) -> Result<Ran, Error> {
    let folder = tempfile::tempdir().unwrap();
    let (l, r) = (
        folder.path().join("left.csv"),
        folder.path().join("right.csv"),
    );
    fs::write(&l, left).unwrap();
    fs::write(&r, right).unwrap();
    run_files(yaml, &l, &r)
}

impl Ran {
    /// An output as rows of texts; a null is `null`.
    pub fn rows(&self, name: &str) -> Vec<Vec<String>> {
        let batch = self.batch(name);
        (0..batch.num_rows())
            .map(|row| {
                batch
                    .columns()
                    .iter()
                    .map(|column| {
                        if column.is_null(row) {
                            return "null".into();
                        }
                        array_value_to_string(column, row).unwrap()
                    })
                    .collect()
            })
            .collect()
    }

    /// An output as one batch.
    pub fn batch(&self, name: &str) -> RecordBatch {
        let path = self.out.path().join("out").join(name);
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    /// One column of an output.
    pub fn column(&self, name: &str, column: usize) -> Vec<String> {
        self.rows(name)
            .into_iter()
            .map(|mut row| row.swap_remove(column))
            .collect()
    }
}
