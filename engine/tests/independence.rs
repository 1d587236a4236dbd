//! A result depends on the data and the specification alone: neither on threads nor on the memory
//! that a run may take, nor on the order of rows, nor on how a file cuts its rows into parts. What
//! is compared are the bytes of every output.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "support/jobs.rs"]
#[expect(dead_code, reason = "each test file uses its own part of the jobs")]
mod jobs;
#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use datafusion::arrow::array::{ArrayRef, Decimal128Array, RecordBatch, StringArray};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use engine::{Error, Silent};
use jobs::{csv, jobs, rows, run};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use support::{Ran, run_on};

/// Outputs that name lines of the file, which the order of rows changes.
const WITH_LINES: [&str; 3] = ["duplicates.parquet", "rejected.parquet", "report.xlsx"];

/// Every output, the summary without what is measured and without the hash of the job.
fn outputs(ran: &Ran) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(ran.out.path().join("out")).unwrap();
    let outputs = files.map(|file| {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        let mut bytes = fs::read(file.path()).unwrap();
        if name == "summary.json" {
            let mut summary: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            summary["seconds"].take();
            summary["specHash"].take();
            for pass in summary["passes"].as_array_mut().unwrap() {
                pass["seconds"].take();
            }
            bytes = summary.to_string().into_bytes();
        }
        (name, bytes)
    });
    outputs.collect()
}

/// The names of outputs whose bytes are not the same.
fn changed(one: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names = one.keys().chain(other.keys());
    let mut names: Vec<String> = names
        .filter(|name| one.get(*name) != other.get(*name))
        .cloned()
        .collect();
    names.dedup();
    names
}

fn unchanged() -> Vec<String> {
    Vec::new()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn neither_threads_nor_memory_nor_the_order_of_rows_change_a_byte(
        mut job in jobs(),
        (left, shuffled_left) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
        (right, shuffled_right) in rows().prop_flat_map(|rows| (Just(rows.clone()), Just(rows).prop_shuffle())),
    ) {
        job.formats = "[parquet, csv, html, xlsx]";
        let (left, right) = (csv(&left), csv(&right));
        let Ok(ran) = run(&job, &left, &right, 1) else {
            for threads in [2, 8] {
                prop_assert!(run(&job, &left, &right, threads).is_err());
            }
            return Ok(());
        };
        let expected = outputs(&ran);
        prop_assert!(expected.contains_key("report.html") && expected.contains_key("pairs.csv"));
        for threads in [2, 4, 8] {
            let ran = run(&job, &left, &right, threads).unwrap();
            prop_assert_eq!(changed(&expected, &outputs(&ran)), unchanged(), "{} threads", threads);
        }
        let mut little = job.clone();
        little.limits = "{memory: 64Mi}";
        match run(&little, &left, &right, 2) {
            Ok(ran) => {
                let mut changed = changed(&expected, &outputs(&ran));
                // They name the hash of the job, which says another limit.
                changed.retain(|name| !name.starts_with("report."));
                prop_assert_eq!(changed, unchanged());
            }
            Err(error) => prop_assert!(matches!(error, Error::Memory { .. }), "{}", error),
        }
        let ran = run(&job, &csv(&shuffled_left), &csv(&shuffled_right), 2).unwrap();
        let mut changed = changed(&expected, &outputs(&ran));
        changed.retain(|name| !WITH_LINES.contains(&name.as_str()));
        prop_assert_eq!(changed, unchanged());
    }
}

/// So many rows that every step is worth several threads and every reader has several batches.
const MANY: usize = 33_000;

fn many(side: &str) -> Vec<[String; 5]> {
    let row = |number: usize| {
        // Keys that are in no order, amounts and texts that many rows share.
        let key = (number * 7919) % MANY;
        let noise = if side == "r" { key % 5 } else { 0 };
        let (cents, party) = ((key * 37) % 2_500 + noise, key % 1_500);
        let day = key % 27 + 1;
        [
            format!("{side}{key:05}"),
            format!("{}.{:02}", cents / 100 + party, cents % 100),
            format!("2026-01-{day:02}"),
            format!(
                "party {party} {}",
                ["ltd", "gmbh", "sa", "llc", "inc"][noise]
            ),
            format!("{}", party % 40),
        ]
    };
    (0..MANY).map(row).collect()
}

fn many_csv(rows: &[[String; 5]]) -> String {
    let mut text = "id,amount,day,memo,ccy\n".to_owned();
    for row in rows {
        writeln!(text, "{}", row.join(",")).unwrap();
    }
    text
}

const MANY_JOB: &str = "
left: {source: {uri: left.csv}, key: [id], columns: [{name: amount, type: \"decimal(12,2)\"}, {name: day, type: date}]}
right: {source: {uri: right.csv}, key: [id], columns: [{name: amount, type: \"decimal(12,2)\"}, {name: day, type: date}]}
output: {formats: [parquet, csv, html]}
diff: [{column: memo, exact: {}}]
passes:
  - name: exact
    compare: [{column: amount, exact: {}}, {column: day, exact: {}}, {column: memo, exact: {}}]
  - name: near
    score: weighted
    accept: 0.8
    review: 0.6
    margin: 0.01
    compare:
      - {column: amount, number: {abs: \"0.05\"}, required: true}
      - {column: memo, text: {method: jaroWinkler, atLeast: 0.5}}
  - name: sums
    cardinality: oneToMany
    block: [[ccy, day]]
    sum: {column: amount, abs: \"0\", maxParts: 2, nodeBudget: 2000, maxCandidates: 20}
  - name: learned
    block: [[\"near(amount, 0.02)\", ccy]]
    score: fellegiSunter
    assign: greedy
    accept: 0
    compare:
      - {column: day, date: {minDays: -2, maxDays: 2}}
      - {column: memo, text: {method: levenshtein, atLeast: 0.5}}
";

#[test]
fn many_rows_give_the_same_bytes_on_any_number_of_threads_and_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (mut left, mut right) = (many("l"), many("r"));
    right.truncate(8_000);
    for sum in 0..100 {
        let row = |id: String, amount: u32| {
            let amount = format!("{amount}.00");
            [
                id,
                amount,
                "2026-02-01".into(),
                "sum".into(),
                format!("S{sum}"),
            ]
        };
        left.push(row(format!("sum{sum}"), 100_000));
        right.push(row(format!("part{sum}"), 60_000 + sum));
        right.push(row(format!("rest{sum}"), 40_000 - sum));
    }
    fs::write(path("left.csv"), many_csv(&left)).unwrap();
    fs::write(path("right.csv"), many_csv(&right)).unwrap();
    let ran = |threads, left: &str| {
        let silent = Arc::new(Silent);
        run_on(threads, MANY_JOB, &path(left), &path("right.csv"), silent)
            .0
            .unwrap()
    };
    let one = ran(1, "left.csv");
    // Every pass has something to decide.
    for pass in &one.summary.passes {
        assert!(pass.pairs > 0 && pass.candidates > 0, "{pass:?}");
    }
    let expected = outputs(&one);
    for threads in [2, 4, 8] {
        let changed = changed(&expected, &outputs(&ran(threads, "left.csv")));
        assert_eq!(changed, unchanged(), "{threads} threads");
    }
    let reversed: Vec<_> = left.into_iter().rev().collect();
    fs::write(path("reversed.csv"), many_csv(&reversed)).unwrap();
    let changed = changed(&expected, &outputs(&ran(3, "reversed.csv")));
    assert_eq!(changed, unchanged());
}

/// The rows as one batch, the amount a decimal.
fn batch(rows: &[[String; 5]]) -> RecordBatch {
    let texts = |at: usize| -> ArrayRef {
        let texts = rows.iter().map(|row| row[at].as_str());
        Arc::new(StringArray::from_iter_values(texts))
    };
    let digits = rows
        .iter()
        .map(|row| row[1].replace('.', "").parse::<i128>().unwrap());
    let amounts = Decimal128Array::from_iter_values(digits);
    let amounts = amounts.with_precision_and_scale(12, 2).unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("id", texts(0)),
        ("amount", Arc::new(amounts)),
        ("day", texts(2)),
        ("memo", texts(3)),
        ("ccy", texts(4)),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows in groups of so many.
fn parquet(path: &Path, batch: &RecordBatch, group: usize) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    for start in (0..batch.num_rows()).step_by(group) {
        let rows = group.min(batch.num_rows() - start);
        writer.write(&batch.slice(start, rows)).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// The rows in messages of so many.
fn arrow(path: &Path, batch: &RecordBatch, message: usize) {
    let file = File::create(path).unwrap();
    let mut writer = StreamWriter::try_new(file, &batch.schema()).unwrap();
    for start in (0..batch.num_rows()).step_by(message) {
        let rows = message.min(batch.num_rows() - start);
        writer.write(&batch.slice(start, rows)).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn how_a_file_cuts_its_rows_into_batches_is_nothing() {
    const KEYED: &str = "
left: {source: {uri: left.csv}, key: [id], columns: [{name: day, type: date}]}
right: {source: {uri: right.csv}, key: [id], columns: [{name: day, type: date}]}
output: {formats: [parquet, csv, html]}
diff: [{column: memo, exact: {}}, {column: amount, exact: {}}]
passes: [{name: keys, compare: [{column: id, exact: {}}]}]
";
    let scored = MANY_JOB.split("  - name: sums").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let rows: Vec<_> = many("l").into_iter().take(9_000).collect();
    let (left, mut others) = (batch(&rows), rows);
    for (at, row) in others.iter_mut().enumerate() {
        if at % 10 == 0 {
            row[3].push('!');
        }
    }
    others.truncate(8_990);
    let right = batch(&others);
    parquet(&path("right.parquet"), &right, 1_000_000);
    for job in [KEYED, scored] {
        let mut expected: Option<BTreeMap<String, Vec<u8>>> = None;
        for (kind, size) in [
            ("parquet", 1_000_000),
            ("parquet", 8_192),
            ("parquet", 700),
            ("parquet", 3),
            ("arrow", 1_000_000),
            ("arrow", 8_193),
            ("arrow", 1),
        ] {
            // The same name for every cut, for outputs name the file.
            let left_path = path(&format!("left.{kind}"));
            if kind == "parquet" {
                parquet(&left_path, &left, size);
            } else {
                arrow(&left_path, &left, size);
            }
            let silent = Arc::new(Silent);
            let (ran, _) = run_on(2, job, &left_path, &path("right.parquet"), silent);
            let found = outputs(&ran.unwrap());
            let expected = expected.get_or_insert_with(|| found.clone());
            let mut changed = changed(expected, &found);
            // Only these two name the file.
            changed.retain(|name| !WITH_LINES.contains(&name.as_str()));
            assert_eq!(changed, unchanged(), "{kind} of {size} rows");
        }
    }
}
