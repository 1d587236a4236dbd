//! Explaining through the engine: a keyed diff, whose plain rows a run sets aside, and conservation
//! between what a run decides and what is explained.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::parquet::arrow::ArrowWriter;
use engine::{Decision, Error, ExplainRequest, Explanation, InputFile, Silent};
use proptest::prelude::*;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

fn explain(yaml: &str, [left, right]: [&Path; 2], keys: [&str; 2]) -> Result<Explanation, Error> {
    let file = |path: &Path| InputFile {
        path: path.into(),
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
    };
    let request = ExplainRequest {
        rates: None,
        spec: crds::decode::spec_from_yaml(yaml).unwrap(),
        left: file(left),
        right: file(right),
        model: None,
        left_key: keys[0].into(),
        right_key: keys[1].into(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    runtime.block_on(engine::explain(request, Arc::new(Silent)))
}

fn parquet(path: &Path, rows: &[(i64, &str)]) {
    let columns: [(&str, ArrayRef); 2] = [
        (
            "nr",
            Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
        ),
        (
            "memo",
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<StringArray>()),
        ),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn plain_rows_of_a_keyed_diff_are_explained() {
    const JOB: &str = "
left: {source: {uri: left.parquet}, key: [nr]}
right: {source: {uri: right.parquet}, key: [nr]}
passes: [{name: key, compare: [{column: nr, exact: {}}]}]
diff: [{column: memo, exact: {}}]
output: {pairs: exceptions}
";
    let folder = tempfile::tempdir().unwrap();
    let files = ["left.parquet", "right.parquet"].map(|name| folder.path().join(name));
    let files = [files[0].as_path(), files[1].as_path()];
    parquet(files[0], &[(1, "a"), (2, "b"), (3, "c")]);
    parquet(files[1], &[(1, "a"), (2, "x"), (4, "c")]);
    let plain = explain(JOB, files, ["1", "1"]).unwrap();
    assert_eq!(
        (plain.left.outcome.as_str(), plain.is_pair),
        ("matched", true)
    );
    let differing = explain(JOB, files, ["2", "2"]).unwrap();
    assert_eq!(differing.right.outcome, "differing");
    assert_eq!(differing.differences[0].right.as_deref(), Some("x"));
    let apart = explain(JOB, files, ["3", "4"]).unwrap();
    assert_eq!(apart.passes[0].decision, Decision::NotBlocked);
    let crossed = explain(JOB, files, ["1", "2"]).unwrap();
    assert!(!crossed.is_pair);
    assert_eq!(crossed.left.partners, ["1"]);
}

#[test]
fn a_message_without_values_has_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["left.csv", "right.csv"].map(|name| folder.path().join(name));
    for file in &files {
        fs::write(file, "id\nsecret-1\n").unwrap();
    }
    let yaml = "
left: {source: {uri: left.csv}, key: [id]}
right: {source: {uri: right.csv}, key: [id]}
passes: [{name: key, compare: [{column: id, exact: {}}]}]
";
    let error = explain(yaml, [&files[0], &files[1]], ["secret-1", "secret-2"]).unwrap_err();
    assert!(error.to_string().contains("`secret-1`"), "{error}");
    assert!(!error.without_values().contains("secret"));
}

/// Two passes over few values, so that records compete, tie and go on.
fn job(assign: &str, margin: &str) -> String {
    format!(
        "
left: {{source: {{uri: left.csv}}, key: [id], columns: [{{name: amount, type: integer}}]}}
right: {{source: {{uri: right.csv}}, key: [id], columns: [{{name: amount, type: integer}}]}}
passes:
  - {{name: exact, block: [[kind]], compare: [{{column: memo, exact: {{}}}}, {{column: amount, exact: {{}}}}]}}
  - name: near
    block: [[kind], [\"amount / 10\"]]
    score: weighted
    assign: {assign}
    accept: 0.8
    review: 0.5
{margin}    compare:
      - {{column: memo, text: {{method: levenshtein, atLeast: 0.2}}}}
      - {{column: amount, number: {{abs: \"6\"}}, required: true}}
"
    )
}

fn sides() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec((0_u8..2, 0_u8..24, 0_u8..5), 1..7)
}

fn text(prefix: &str, rows: &[(u8, u8, u8)]) -> String {
    const MEMOS: [&str; 5] = ["abcd", "abce", "abxy", "wxyz", ""];
    let mut text = "id,kind,amount,memo\n".to_owned();
    for (at, (kind, amount, memo)) in rows.iter().enumerate() {
        let memo = MEMOS[usize::from(*memo)];
        writeln!(text, "{prefix}{at},k{kind},{amount},{memo}").unwrap();
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_explained_is_what_a_run_decides(
        left in sides(),
        right in sides(),
        assign in prop::sample::select(vec!["optimal", "greedy"]),
        margin in prop::sample::select(vec!["", "    margin: 0.1\n"]),
        pick in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = ["left.csv", "right.csv"].map(|name| folder.path().join(name));
        fs::write(&files[0], text("L", &left)).unwrap();
        fs::write(&files[1], text("R", &right)).unwrap();
        let yaml = job(assign, margin);
        let ran = support::run_files(&yaml, &files[0], &files[1]).unwrap();
        let pairs = ran.rows("pairs.parquet");
        let keys = [
            format!("L{}", pick.0.index(left.len())),
            format!("R{}", pick.1.index(right.len())),
        ];
        let told = explain(&yaml, [&files[0], &files[1]], [&keys[0], &keys[1]]).unwrap();
        let own = pairs.iter().find(|pair| pair[..2] == keys);
        prop_assert_eq!(told.is_pair, own.is_some(), "{}", told.verdict);
        for (side, record) in [&told.left, &told.right].into_iter().enumerate() {
            let mine: Vec<_> = pairs.iter().filter(|pair| pair[side] == keys[side]).collect();
            let partners: Vec<&String> = mine.iter().map(|pair| &pair[1 - side]).collect();
            prop_assert_eq!(partners, record.partners.iter().collect::<Vec<_>>());
            let outcome = mine.first().map_or("unmatched", |pair| pair[4].as_str());
            prop_assert_eq!(outcome, &record.outcome);
        }
        if let Some(own) = own {
            let pass = told.passes.iter().find(|pass| pass.name == own[3]).unwrap();
            let decision = if own[4] == "review" { Decision::Review } else { Decision::Confirmed };
            prop_assert_eq!(pass.decision, decision);
            let score: f64 = own[5].parse().unwrap();
            prop_assert!((pass.score.unwrap() - score).abs() < 1e-12);
        } else {
            let confirmed = told.passes.iter().any(|pass| pass.decision == Decision::Confirmed);
            prop_assert!(!confirmed, "{}", told.verdict);
        }
        prop_assert!(told.passes.iter().all(|pass| !pass.detail.is_empty()));
    }
}
