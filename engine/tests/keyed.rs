//! Keyed diffs of Parquet files set plain rows aside; what they give is what the way of all records
//! gives, which a block of the same key columns makes them take.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use engine::{Error, Phase, Progress};
use proptest::prelude::*;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex};
use support::{Ran, run_with};

/// Rows of a group, so few that every file has several.
const GROUP: usize = 5;
const OUTPUTS: [&str; 6] = [
    "pairs.parquet",
    "differences.parquet",
    "unmatched_left.parquet",
    "unmatched_right.parquet",
    "duplicates.parquet",
    "rejected.parquet",
];

/// Few values, so that keys repeat and most values are equal; nulls everywhere.
#[derive(Clone, Debug)]
struct Row {
    nr: Option<i32>,
    part: Option<&'static str>,
    amount: Option<i64>,
    quantity: Option<i32>,
    booked: Option<i32>,
    memo: Option<String>,
    count: Option<&'static str>,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let one = prop::sample::select(vec!["a", "b", "a longer part of a key"]);
    let count = prop::sample::select(vec!["1", "1", "1", "2", "x"]);
    let memo = prop_oneof![
        Just(String::new()),
        Just("twelve bytes".to_owned()),
        Just("thirteen byte".to_owned()),
        Just("é".repeat(400)),
        Just("é".repeat(399) + "e "),
    ];
    let often = prop::option::weighted(0.9, 0_i32..12);
    let row = (
        often,
        prop::option::weighted(0.9, one),
        prop::option::weighted(0.9, 0_i64..2),
        prop::option::weighted(0.9, 0_i32..3),
        prop::option::weighted(0.9, 0_i32..2),
        prop::option::weighted(0.8, memo),
        prop::option::weighted(0.9, count),
    )
        .prop_map(|(nr, part, amount, quantity, booked, memo, count)| Row {
            nr,
            part,
            amount,
            quantity,
            booked,
            memo,
            count,
        });
    prop::collection::vec(row, 1..40)
}

/// The sides store the same values in other types.
fn write(path: &Path, rows: &[Row], left: bool) {
    let column = |name: &str, array: ArrayRef| (name.to_owned(), array, true);
    let amounts = rows.iter().map(|row| row.amount);
    let scale = |by: i128| amounts.clone().map(move |v| v.map(|v| i128::from(v) * by));
    let decimal = |digits: Vec<Option<i128>>, precision, scale| -> ArrayRef {
        let array = Decimal128Array::from(digits);
        Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
    };
    let texts = |of: fn(&Row) -> Option<&str>| -> StringArray { rows.iter().map(of).collect() };
    let parts = texts(|row| row.part);
    let numbers = rows.iter().map(|row| row.nr);
    let quantities = rows.iter().map(|row| row.quantity);
    let (nr, part, amount, quantity): (ArrayRef, ArrayRef, ArrayRef, ArrayRef) = if left {
        (
            Arc::new(numbers.collect::<Int32Array>()),
            Arc::new(parts),
            decimal(scale(100).collect(), 9, 2),
            Arc::new(quantities.collect::<Int32Array>()),
        )
    } else {
        (
            Arc::new(numbers.map(|n| n.map(i64::from)).collect::<Int64Array>()),
            Arc::new(parts.iter().collect::<DictionaryArray<Int32Type>>()),
            decimal(scale(10_000).collect(), 20, 4),
            Arc::new(quantities.map(|q| q.map(i64::from)).collect::<Int64Array>()),
        )
    };
    let dates: Date32Array = rows.iter().map(|row| row.booked).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        column("nr", nr),
        column("part", part),
        column("amount", amount),
        column("quantity", quantity),
        column("booked", Arc::new(dates)),
        column("memo", Arc::new(texts(|row| row.memo.as_deref()))),
        column("count", Arc::new(texts(|row| row.count))),
    ])
    .unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Notes the phases of a run.
#[derive(Default)]
struct Phases(Mutex<Vec<Phase>>);

impl Progress for Phases {
    fn phase(&self, phase: Phase) {
        self.0.lock().unwrap().push(phase);
    }
}

#[derive(Debug)]
struct Job {
    key: &'static str,
    policies: (&'static str, &'static str),
    rest: &'static str,
    pairs: &'static str,
}

impl Job {
    fn yaml(&self, block: &str) -> String {
        let dataset = |side: &str| {
            format!(
                "{side}: {{source: {{uri: {side}.parquet}}, key: [{}], \
                 columns: [{{name: count, type: integer}}]}}\n",
                self.key
            )
        };
        let compare: Vec<String> = self
            .key
            .split(", ")
            .map(|column| format!("{{column: {column}, exact: {{}}}}"))
            .collect();
        format!(
            "{}{}duplicates: {{left: {}, right: {}}}\n{}output: {{pairs: {}, formats: [parquet, csv]}}\n\
             passes: [{{name: key, assign: greedy, {block}compare: [{}]}}]\n",
            dataset("left"),
            dataset("right"),
            self.policies.0,
            self.policies.1,
            self.rest,
            self.pairs,
            compare.join(", ")
        )
    }

    /// Runs the job; also says whether candidates were looked for.
    fn run(&self, block: &str, folder: &Path) -> (Result<Ran, Error>, bool) {
        let phases = Arc::new(Phases::default());
        let (left, right) = (folder.join("left.parquet"), folder.join("right.parquet"));
        let (ran, _) = run_with(&self.yaml(block), &left, &right, phases.clone());
        let seen = phases.0.lock().unwrap();
        let blocked = seen.iter().any(|p| matches!(p, Phase::Block { .. }));
        (ran, blocked)
    }
}

const DIFF: &str = "diff:\n  - {column: amount, exact: {}}\n  \
                    - {column: quantity, number: {abs: \"1\"}}\n  \
                    - {column: booked, date: {minDays: 0, maxDays: 1}}\n  \
                    - {column: memo, exact: {}}\n";

fn jobs() -> impl Strategy<Value = Job> {
    let policy = prop::sample::select(vec!["report", "first", "reject"]);
    let key = prop::sample::select(vec!["nr", "part", "nr, part", "booked"]);
    let rest = prop::sample::select(vec![
        "",
        DIFF,
        "diff: [{column: memo, text: {method: levenshtein, atLeast: 0.5}}]\n",
        "diff: [{column: count, exact: {}}]\nnormalize: [{column: memo, steps: [lowercase]}]\n",
    ]);
    let pairs = prop::sample::select(vec!["all", "exceptions"]);
    (key, policy.clone(), policy, rest, pairs).prop_map(|(key, left, right, rest, pairs)| Job {
        key,
        policies: (left, right),
        rest,
        pairs,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn both_ways_give_the_same(job in jobs(), left in rows(), right in rows()) {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("left.parquet"), &left, true);
        write(&folder.path().join("right.parquet"), &right, false);
        let (keyed, blocked) = job.run("", folder.path());
        prop_assert!(!blocked, "the keyed way was not taken");
        let (general, blocked) = job.run(&format!("block: [[{}]], ", job.key), folder.path());
        prop_assert!(blocked, "the way of all records was not taken");
        let (keyed, general) = (keyed.unwrap(), general.unwrap());
        for name in OUTPUTS {
            prop_assert_eq!(keyed.batch(name), general.batch(name), "{}", name);
        }
        let csv = |ran: &Ran| std::fs::read(ran.out.path().join("out/pairs.csv")).unwrap();
        prop_assert_eq!(csv(&keyed), csv(&general));
        prop_assert_eq!(keyed.summary.left, general.summary.left);
        prop_assert_eq!(keyed.summary.right, general.summary.right);
        prop_assert_eq!(keyed.summary.pairs, general.summary.pairs);
        prop_assert_eq!(keyed.summary.passes[0].pairs, general.summary.passes[0].pairs);
        prop_assert_eq!(keyed.summary.passes[0].candidates, general.summary.passes[0].candidates);
    }
}

fn plain_row(nr: i32) -> Row {
    Row {
        nr: Some(nr),
        part: Some("a"),
        amount: Some(1),
        quantity: Some(1),
        booked: Some(1),
        memo: Some(format!("row {nr}")),
        count: Some("1"),
    }
}

fn job(rest: &'static str) -> Job {
    Job {
        key: "nr",
        policies: ("report", "report"),
        rest,
        pairs: "exceptions",
    }
}

#[test]
fn equal_tables_have_no_exceptions() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows: Vec<Row> = (0..100).map(plain_row).collect();
    write(&folder.path().join("left.parquet"), &rows, true);
    rows.reverse();
    write(&folder.path().join("right.parquet"), &rows, false);
    let ran = job(DIFF).run("", folder.path()).0.unwrap();
    assert_eq!(
        (ran.summary.left.matched, ran.summary.right.matched),
        (100, 100)
    );
    for name in OUTPUTS {
        assert_eq!(ran.batch(name).num_rows(), 0, "{name}");
    }
}

#[test]
fn equal_dates_may_be_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..10).map(plain_row).collect();
    write(&folder.path().join("left.parquet"), &rows, true);
    write(&folder.path().join("right.parquet"), &rows, false);
    let later = "diff: [{column: booked, date: {minDays: 1, maxDays: 5}}]\n";
    let ran = job(later).run("", folder.path()).0.unwrap();
    assert_eq!(ran.summary.left.differing, 10);
}

#[test]
fn the_budget_of_pairs_counts_plain_pairs() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..10).map(plain_row).collect();
    write(&folder.path().join("left.parquet"), &rows, true);
    write(&folder.path().join("right.parquet"), &rows, false);
    let ran = job("limits: {maxPairs: 9}\n").run("", folder.path()).0;
    let message = ran.err().unwrap().to_string();
    assert!(message.contains("limits.maxPairs"), "{message}");
}

#[test]
fn rows_that_do_not_fit_the_memory_are_listed_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |letter: &str| -> Vec<Row> {
        let long = letter.repeat(40_000);
        let memo = |nr| Some(format!("{long}{nr}"));
        (0..600)
            .map(|nr| Row {
                memo: memo(nr),
                ..plain_row(nr)
            })
            .collect()
    };
    write(&folder.path().join("left.parquet"), &rows("x"), true);
    write(&folder.path().join("right.parquet"), &rows("y"), false);
    // A quarter of 64 MiB is less than either side, and 4 GiB hold both.
    let little = job("limits: {memory: 64Mi}\ndiff: [{column: memo, exact: {}}]\n");
    let plenty = job("limits: {memory: 4Gi}\ndiff: [{column: memo, exact: {}}]\n");
    for block in ["", "block: [[nr]], "] {
        let (little, _) = little.run(block, folder.path());
        let (plenty, _) = plenty.run(block, folder.path());
        let (little, plenty) = (little.unwrap(), plenty.unwrap());
        assert_eq!(little.summary.left.differing, 600);
        for name in OUTPUTS {
            let bytes = |ran: &Ran| std::fs::read(ran.out.path().join("out").join(name)).unwrap();
            assert!(bytes(&little) == bytes(&plenty), "{name} {block}");
        }
    }
}

/// Stops the run as soon as it has read something.
struct Stopping;

impl Progress for Stopping {
    fn phase(&self, _phase: Phase) {}
    fn is_cancelled(&self) -> bool {
        true
    }
}

#[test]
fn a_cancelled_run_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..10).map(plain_row).collect();
    let paths = ["left.parquet", "right.parquet"].map(|name| folder.path().join(name));
    write(&paths[0], &rows, true);
    write(&paths[1], &rows, false);
    let yaml = job(DIFF).yaml("");
    let (ran, left_behind) = run_with(&yaml, &paths[0], &paths[1], Arc::new(Stopping));
    assert!(matches!(ran.err().unwrap(), Error::Cancelled));
    assert!(left_behind.is_empty());
}

#[test]
fn a_damaged_file_is_an_error_of_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Row> = (0..60).map(plain_row).collect();
    let (left, right) = (
        folder.path().join("left.parquet"),
        folder.path().join("right.parquet"),
    );
    write(&left, &rows, true);
    write(&right, &rows, false);
    let mut bytes = std::fs::read(&right).unwrap();
    let middle = bytes.len() / 4;
    bytes[4..middle].fill(0xff);
    std::fs::write(&right, bytes).unwrap();
    let ran = job(DIFF).run("", folder.path()).0;
    assert!(matches!(ran.err().unwrap(), Error::Input { .. }));
}

/// Puts other bytes in the place of those that occur once.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places = (bytes.windows(from.len()).enumerate()).filter(|(_, window)| *window == from);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let [place] = places[..] else {
        panic!("{from:x?} occurs at {places:?}");
    };
    let mut bytes = bytes.to_vec();
    bytes[place..place + from.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_file_with_fewer_rows_than_it_says_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = |side: &str| folder.path().join(format!("{side}.parquet"));
    // Eleven groups of five and one of two.
    let rows: Vec<Row> = (0..57).map(plain_row).collect();
    write(&path("left"), &rows, true);
    write(&path("right"), &rows, false);
    let whole = std::fs::read(path("right")).unwrap();
    // In a footer, 57 rows in all before the list of groups; 2 rows in the last of these.
    let of_file = |rows: u8| [0x16, 2 * rows, 0x19];
    let of_group = |rows: u8| [0x16, 2 * rows, 0x26];
    let says_more = patched(&whole, &of_file(57), &of_file(60));
    let groups_say_more = patched(&says_more, &of_group(2), &of_group(5));
    for damaged in [says_more, groups_say_more] {
        std::fs::write(path("right"), damaged).unwrap();
        for block in ["", "block: [[nr]], "] {
            match job(DIFF).run(block, folder.path()).0.err() {
                Some(Error::Input { file, detail }) => {
                    assert_eq!(file, "right.parquet");
                    assert!(detail.contains("rows"), "{detail}");
                }
                other => panic!("{block}: {other:?}"),
            }
        }
    }
}
