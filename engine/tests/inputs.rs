//! Each bad input has a clear error, and nothing is left behind.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

mod support;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use engine::{Error, Phase, Progress, Silent};
use rstest::rstest;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use support::{run_files, run_texts, run_with};

const JOB: &str = "
left: {source: {uri: left.csv}, key: [id]}
right: {source: {uri: right.csv}, key: [id]}
passes:
  - {name: exact, assign: greedy, compare: [{column: v, exact: {}}]}
";
const GOOD: &[u8] = b"id,v\nx,1\ny,1\n";

#[rstest]
#[case::empty(b"", "left.csv: the file is empty")]
#[case::header_only(b"id,v\n", "left.csv: the file has a header and no rows")]
#[case::twice(b"id,v,v\na,1,2\n", "left.csv: the column `v` occurs twice")]
#[case::not_utf8_header(b"id,\xff\na,1\n", "left.csv: the header is not UTF-8")]
fn a_file_that_is_no_table(#[case] left: &[u8], #[case] message: &str) {
    let error = run_texts(JOB, left, GOOD).err().unwrap();
    assert!(error.to_string().starts_with(message), "{error}");
    assert!(matches!(error, Error::Input { .. }) && !error.is_retryable());
}

#[test]
fn a_missing_column_is_named_with_those_that_are_there() {
    let yaml = JOB.replace(
        "key: [id]}",
        "key: [id], columns: [{name: v, from: Value}]}",
    );
    let error = run_texts(&yaml, GOOD, GOOD).err().unwrap().to_string();
    assert!(
        error.contains("no column `Value`") && error.contains("`id`, `v`"),
        "{error}"
    );
}

#[test]
fn a_key_column_that_is_missing_has_its_path() {
    let error = run_texts(&JOB.replace("[id]", "[no]"), GOOD, GOOD)
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("left.key[0]: there is no column `no`"),
        "{error}"
    );
}

#[test]
fn a_row_that_is_not_utf8_is_rejected_and_the_run_goes_on() {
    let ran = run_texts(JOB, b"id,v\na,\xff\nb,1\n", GOOD).unwrap();
    let rejected = ran.rows("rejected.parquet");
    assert_eq!(
        rejected,
        [["left", "left.csv", "2", "v", "is not UTF-8 text"]]
    );
    assert_eq!(
        (ran.summary.left.matched, ran.summary.left.rejected),
        (1, 1)
    );
}

#[test]
fn too_many_rejected_rows_stop_the_run_and_the_bound_is_inclusive() {
    let bad = b"id,v\na\nb\nc,1\n";
    let one = format!("{JOB}limits: {{maxRejected: 1}}\n");
    let error = run_texts(&one, bad, GOOD).err().unwrap();
    assert!(
        matches!(
            error,
            Error::Rejected {
                rejected: 2,
                limit: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("left.csv line 2"), "{error}");
    assert!(run_texts(&one.replace('1', "2"), bad, GOOD).is_ok());
}

#[test]
fn too_many_kept_pairs_stop_the_run() {
    let yaml = format!("{JOB}limits: {{maxEdges: 3}}\n");
    let error = run_texts(&yaml, GOOD, GOOD).err().unwrap();
    assert!(matches!(error, Error::Budget { .. }), "{error}");
    assert!(error.to_string().contains("limits.maxEdges"), "{error}");
}

#[test]
fn a_message_for_many_readers_has_no_value_of_the_data() {
    let left = b"id,v\na,smith\nb,smith\n";
    let right = b"id,v\nx,smith\ny,smith\n";
    let budget = format!("{JOB}limits: {{maxPairs: 3}}\n");
    let cast = JOB.replace(
        "assign: greedy,",
        "assign: greedy, block: [[\"cast(v as int)\"]],",
    );
    for (yaml, place) in [(budget, "limits.maxPairs"), (cast, "passes[0].block[0][0]")] {
        let error = run_texts(&yaml, left, right).err().unwrap();
        let public = error.without_values();
        assert!(error.to_string().contains("smith"), "{error}");
        assert!(!public.contains("smith"), "{public}");
        assert!(public.contains(place), "{public}");
    }
}

#[test]
fn a_failing_run_leaves_nothing_behind() {
    struct Cancelled;
    impl Progress for Cancelled {
        fn phase(&self, _phase: Phase) {}
        fn is_cancelled(&self) -> bool {
            true
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, GOOD).unwrap();
    let (result, left_behind) = run_with(JOB, &path, &path, Arc::new(Cancelled));
    assert!(matches!(result, Err(Error::Cancelled)));
    assert!(left_behind.is_empty(), "{left_behind:?}");
    let (result, left_behind) = run_with(JOB, &path, Path::new("/none.csv"), Arc::new(Silent));
    assert!(result.err().unwrap().is_retryable());
    assert!(left_behind.is_empty(), "{left_behind:?}");
}

#[test]
fn a_second_run_replaces_the_outputs_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, GOOD).unwrap();
    let out = folder.path().join("out");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut with_csv = true;
    for _ in 0..2 {
        let yaml = if with_csv {
            format!("{JOB}output: {{formats: [csv]}}\n")
        } else {
            JOB.into()
        };
        let file = || engine::InputFile {
            path: path.clone(),
            name: "a.csv".into(),
        };
        let request = engine::RunRequest {
            spec: crds::decode::spec_from_yaml(&yaml).unwrap(),
            left: file(),
            right: file(),
            rates: None,
            out_dir: out.clone(),
            model: None,
        };
        let summary = runtime
            .block_on(engine::run(request, Arc::new(Silent)))
            .unwrap();
        assert_eq!(out.join("pairs.csv").exists(), with_csv);
        let written = fs::read_to_string(out.join("summary.json")).unwrap();
        let written: engine::Summary = serde_json::from_str(&written).unwrap();
        assert_eq!(written.spec_hash, summary.spec_hash);
        with_csv = false;
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_floats_become_decimals_half_even_and_what_is_no_number_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join("l.parquet"), folder.path().join("r.csv"));
    let amounts = Float64Array::from(vec![0.125, 0.375, f64::NAN, f64::INFINITY, 1e30]);
    write_parquet(
        &left,
        vec![
            ("id", Arc::new(Int32Array::from(vec![1, 2, 3, 4, 5]))),
            ("a", Arc::new(amounts)),
        ],
    );
    fs::write(&right, "id,a\nx,0.12\ny,0.38\n").unwrap();
    let typed = "columns: [{name: a, type: \"decimal(18,2)\"}]";
    let yaml = format!(
        "left: {{source: {{uri: l.parquet}}, key: [id], {typed}}}\n\
         right: {{source: {{uri: r.csv}}, key: [id], {typed}}}\n\
         passes: [{{name: p, assign: greedy, compare: [{{column: a, exact: {{}}}}]}}]\n"
    );
    let ran = run_files(&yaml, &left, &right).unwrap();
    assert_eq!(ran.column("pairs.parquet", 0), ["1", "2"]);
    assert_eq!(ran.column("rejected.parquet", 2), ["3", "4", "5"]);
    assert_eq!(ran.summary.left.rejected, 3);
}

#[test]
fn a_file_that_is_no_parquet_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    fs::write(&path, "not parquet").unwrap();
    let error = run_files(&JOB.replace(".csv", ".parquet"), &path, &path)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("cannot be read as Parquet"),
        "{error}"
    );
}

#[test]
fn texts_of_parquet_match_texts_of_csv() {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join("l.parquet"), folder.path().join("r.csv"));
    let texts = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    write_parquet(
        &left,
        vec![("id", texts(vec!["a", "b"])), ("v", texts(vec!["1", "2"]))],
    );
    fs::write(&right, GOOD).unwrap();
    let ran = run_files(&JOB.replace("left.csv", "l.parquet"), &left, &right).unwrap();
    assert_eq!(ran.column("pairs.parquet", 1), ["x"]);
}
