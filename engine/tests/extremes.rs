//! Values at the ends of their types: a run, or a row or a place that is named.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use datafusion::arrow::array::{
    Array, ArrayRef, Date32Array, Date64Array, Decimal128Array, Decimal256Array,
    DurationSecondArray, Float64Array, Int32Array, Int64Array, Int64Builder,
    IntervalMonthDayNanoArray, LargeBinaryArray, MapBuilder, RecordBatch, RunArray, StringArray,
    StringBuilder, StructArray, Time32SecondArray, TimestampSecondArray, UInt64Array, UnionArray,
    new_null_array,
};
use datafusion::arrow::buffer::ScalarBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Field, Fields, IntervalMonthDayNano, IntervalUnit, TimeUnit, UnionFields, UnionMode,
    i256,
};
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use engine::Error;
use rstest::rstest;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Ran, run_files};

/// A file with an id and one column `v`: Parquet, or Arrow where Parquet has no such type.
fn write(folder: &Path, values: ArrayRef) -> PathBuf {
    let in_parquet = match values.data_type() {
        // These are not what Parquet's writer takes.
        DataType::Decimal128(precision, scale @ 0..) if scale.unsigned_abs() > *precision => false,
        DataType::Interval(_) | DataType::Decimal128(_, ..0) | DataType::Decimal256(_, ..0) => {
            false
        }
        other => other.is_numeric() || other.is_temporal() || *other == DataType::Utf8,
    };
    let ids = (0..values.len()).map(|row| format!("k{row}"));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(ids));
    let columns = [("id", ids, false), ("v", values, true)];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let path = folder.join(if in_parquet { "v.parquet" } else { "v.arrow" });
    let file = File::create(&path).unwrap();
    if in_parquet {
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    } else {
        let mut writer = StreamWriter::try_new(file, &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    path
}

/// Runs the rules over a file against itself.
fn run(values: ArrayRef, key: &str, dataset: &str, rules: &str) -> Result<Ran, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), values);
    let yaml = format!(
        "left: {{source: {{uri: both.parquet}}, key: [{key}]{dataset}}}\n\
         right: {{source: {{uri: both.parquet}}, key: [{key}]{dataset}}}\n\
         output: {{formats: [parquet, csv, html, xlsx]}}\n{rules}"
    );
    run_files(&yaml, &path, &path)
}

const EXACT: &str = "diff: [{column: v, exact: {}}]\npasses: [{name: p, block: [[id]], compare: [{column: v, exact: {}, nulls: match}]}]\n";
const CROSSED: &str = "diff: [{column: v, exact: {}}]\npasses: [{name: p, cardinality: manyToMany, block: [[\"true\"]], score: weighted, accept: 0, compare: [{column: v, exact: {}}]}]\n";
const KEYED: &str =
    "diff: [{column: v, exact: {}}]\npasses: [{name: p, compare: [{column: id, exact: {}}]}]\n";
const BY_VALUE: &str = "passes: [{name: p, compare: [{column: v, exact: {}}]}]\n";
const DAYS: &str = "diff: [{column: v, date: {minDays: -1, maxDays: 1}}]\npasses: [{name: p, block: [[id], [\"near(v, 30)\"]], score: weighted, accept: 0, compare: [{column: v, date: {minDays: -36500, maxDays: 36500}}]}]\n";
const NUMBERS: &str = "diff: [{column: v, number: {abs: \"0.01\"}}]\npasses: [{name: p, block: [[id], [\"near(v, 99999999999999999999999999999999999999)\"]], score: weighted, accept: 0, compare: [{column: v, number: {abs: \"99999999999999999999999999999999999999\", percent: \"99999999999999999999999999999999999999\"}}]}]\n";
const SUMS: &str = "passes: [{name: p, cardinality: oneToMany, block: [[\"true\"]], sum: {column: v, abs: \"1\", maxParts: 64}}]\n";
const LEARNED: &str = "passes: [{name: p, score: fellegiSunter, accept: 0.5, review: 0, block: [[id]], compare: [{column: v, exact: {}}]}]\n";

fn days() -> ArrayRef {
    Arc::new(Date32Array::from(vec![
        Some(i32::MIN),
        Some(i32::MAX),
        None,
        Some(0),
        Some(-719_529),
        Some(2_932_897),
        Some(i32::MAX - 1),
    ]))
}

fn millis() -> ArrayRef {
    Arc::new(Date64Array::from(vec![
        Some(i64::MIN),
        Some(i64::MAX),
        None,
        Some(0),
    ]))
}

fn seconds() -> ArrayRef {
    Arc::new(TimestampSecondArray::from(vec![
        Some(i64::MIN),
        Some(i64::MAX),
        None,
        Some(0),
    ]))
}

fn integers() -> ArrayRef {
    Arc::new(Int64Array::from(vec![
        Some(i64::MIN),
        Some(i64::MAX),
        None,
        Some(0),
        Some(-1),
    ]))
}

fn unsigned() -> ArrayRef {
    Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(0)]))
}

fn decimals(scale: i8) -> ArrayRef {
    let most = 10_i128.pow(38) - 1;
    let values = Decimal128Array::from(vec![Some(most), Some(-most), None, Some(0), Some(1)]);
    Arc::new(values.with_precision_and_scale(38, scale).unwrap())
}

fn fractions() -> ArrayRef {
    decimals(38)
}

fn wholes() -> ArrayRef {
    decimals(0)
}

fn thousands() -> ArrayRef {
    decimals(-3)
}

/// Three digits, and one value with more.
fn overfull() -> ArrayRef {
    let values = Decimal128Array::from(vec![Some(-123_456), Some(999), None, Some(-1)]);
    Arc::new(values.with_precision_and_scale(3, 2).unwrap())
}

/// Two digits, five of them after the point.
fn scaled_beyond() -> ArrayRef {
    let values = Decimal128Array::from(vec![Some(-12), Some(99), None, Some(0)]);
    Arc::new(values.with_data_type(DataType::Decimal128(2, 5)))
}

fn wide() -> ArrayRef {
    let values = Decimal256Array::from(vec![Some(i256::MAX), None, Some(i256::from(7))]);
    Arc::new(values)
}

fn floats() -> ArrayRef {
    Arc::new(Float64Array::from(vec![
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(-0.0),
        Some(f64::MIN_POSITIVE),
        Some(f64::MAX),
        None,
    ]))
}

fn texts() -> ArrayRef {
    Arc::new(StringArray::from(vec![
        Some("\0"),
        Some(""),
        Some("\u{10ffff}"),
        None,
        Some("=1+1"),
        Some("</script>\u{2028}"),
    ]))
}

#[rstest]
fn no_value_breaks_a_run(
    #[values(
        days,
        millis,
        seconds,
        integers,
        unsigned,
        fractions,
        wholes,
        thousands,
        overfull,
        scaled_beyond,
        wide,
        floats,
        texts
    )]
    values: fn() -> ArrayRef,
    #[values(
        "",
        ", columns: [{name: v, type: date}]",
        ", columns: [{name: v, type: text}]",
        ", columns: [{name: v, type: integer}]",
        ", columns: [{name: v, type: integer, negate: true}]",
        ", columns: [{name: v, type: \"decimal(38,38)\"}]",
        ", columns: [{name: v, type: \"decimal(38,0)\", negate: true}]",
        ", where: \"v = v or v is null\""
    )]
    dataset: &str,
    #[values(EXACT, CROSSED, KEYED, BY_VALUE, DAYS, NUMBERS, SUMS, LEARNED)] rules: &str,
) {
    let rows = values().len() as u64;
    match run(values(), "id", dataset, rules) {
        Ok(ran) => assert_eq!(ran.summary.left.rows, rows),
        Err(Error::Input { detail, .. }) => assert!(!detail.contains("damaged"), "{detail}"),
        Err(Error::Spec(errors)) => assert!(errors.iter().all(|error| !error.path.is_empty())),
        Err(error) => panic!("{dataset} {rules}: {error:?}"),
    }
}

/// Values that no calendar has are written as the numbers that they are stored as.
#[rstest]
#[case(days, ["-2147483648", "-0001-12-31", "1970-01-01"])]
#[case(seconds, ["-9223372036854775808", "1970-01-01T00:00:00", "9223372036854775807"])]
fn keys_and_differences_of_impossible_dates_are_told(
    #[case] values: fn() -> ArrayRef,
    #[case] keys: [&str; 3],
) {
    let by_key = run(values(), "v", "", KEYED).unwrap();
    let crossed = run(values(), "id", "", CROSSED).unwrap();
    let (told, differing) = (
        by_key.column("pairs.parquet", 0),
        crossed.column("differences.parquet", 3),
    );
    for key in keys {
        assert!(told.iter().any(|found| found == key), "{key}: {told:?}");
        assert!(
            differing.iter().any(|found| found == key),
            "{key}: {differing:?}"
        );
    }
    assert_eq!(by_key.summary.left.rejected, 1);
}

fn column(data_type: &DataType) -> ArrayRef {
    use DataType as T;
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let field =
        |name: &str, array: &ArrayRef| Arc::new(Field::new(name, array.data_type().clone(), true));
    match data_type {
        T::Struct(fields) if fields.is_empty() => Arc::new(StructArray::new_empty_fields(3, None)),
        T::Struct(_) => Arc::new(StructArray::from(vec![(field("n", &numbers), numbers)])),
        T::Union(..) => {
            let fields = UnionFields::from_fields([Field::new("n", T::Int64, true)]);
            let ids = ScalarBuffer::from(vec![0_i8; 3]);
            Arc::new(UnionArray::try_new(fields, ids, None, vec![numbers]).unwrap())
        }
        T::RunEndEncoded(..) => {
            let ends = Int32Array::from(vec![1, 2, 3]);
            Arc::new(RunArray::try_new(&ends, &numbers).unwrap())
        }
        T::Map(..) => {
            let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
            for row in 0..3 {
                map.keys().append_value(format!("k{row}"));
                map.values().append_value(row);
                map.append(row != 1).unwrap();
            }
            Arc::new(map.finish())
        }
        T::Interval(_) => Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(IntervalMonthDayNano::MAX),
            None,
            Some(IntervalMonthDayNano::ONE),
        ])),
        T::Null => new_null_array(&T::Null, 3),
        T::Duration(_) => Arc::new(DurationSecondArray::from(vec![
            Some(i64::MIN),
            None,
            Some(i64::MAX),
        ])),
        T::Time32(_) => Arc::new(Time32SecondArray::from(vec![
            Some(-1),
            None,
            Some(i32::MAX),
        ])),
        T::Decimal256(..) => {
            let values = Decimal256Array::from(vec![Some(i256::MAX), None, Some(i256::MIN)]);
            Arc::new(values.with_precision_and_scale(76, -3).unwrap())
        }
        T::LargeBinary => Arc::new(LargeBinaryArray::from(vec![
            Some(&b"\xff\0"[..]),
            None,
            Some(b""),
        ])),
        other => cast(&numbers, other).unwrap(),
    }
}

/// Types that Arrow files may have and tables seldom do.
#[rstest]
fn no_type_breaks_a_run(
    #[values(
        DataType::Struct(Fields::empty()),
        DataType::Struct(Fields::from(vec![Field::new("n", DataType::Int64, true)])),
        DataType::Union(UnionFields::empty(), UnionMode::Sparse),
        DataType::RunEndEncoded(
            Arc::new(Field::new("e", DataType::Int32, false)),
            Arc::new(Field::new("v", DataType::Int64, true)),
        ),
        DataType::Map(Arc::new(Field::new("m", DataType::Null, true)), false),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Null,
        DataType::Duration(TimeUnit::Second),
        DataType::Time32(TimeUnit::Second),
        DataType::Decimal256(76, -3),
        DataType::LargeBinary,
        DataType::Utf8View,
        DataType::Boolean,
        DataType::Float16,
        DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64))
    )]
    data_type: DataType,
    #[values("", ", columns: [{name: v, type: text}]")] dataset: &str,
    #[values(
        CROSSED,
        KEYED,
        BY_VALUE,
        "duplicates: {left: first, right: reject}\npasses: [{name: p, compare: [{column: id, exact: {}}]}]\n"
    )]
    rules: &str,
    #[values("id", "v")] key: &str,
) {
    match run(column(&data_type), key, dataset, rules) {
        Ok(ran) => assert_eq!(ran.summary.left.rows, 3),
        Err(Error::Input { detail, .. }) => assert!(!detail.contains("damaged"), "{detail}"),
        Err(Error::Spec(errors)) => assert!(errors.iter().all(|error| !error.path.is_empty())),
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn values_that_a_cast_would_lose_stay_or_are_rejected() {
    let text = ", columns: [{name: v, type: text}]";
    let ran = run(days(), "id", text, CROSSED).unwrap();
    let told = ran.column("differences.parquet", 3);
    assert!(told.iter().any(|value| value == "-2147483648"), "{told:?}");
    // 38 digits and three zeros: more than any decimal holds.
    let ran = run(thousands(), "id", "", BY_VALUE).unwrap();
    assert_eq!(ran.summary.left.rejected, 2);
    assert_eq!(ran.column("pairs.parquet", 6)[1], "v 1000=1000 1.00×1=1.00");
    // Nor does a value hold more digits than its own type says, whatever bits a file has for it.
    for dataset in ["", text] {
        let ran = run(overfull(), "id", dataset, BY_VALUE).unwrap();
        assert_eq!(ran.summary.left.rejected, 1, "{dataset}");
        assert_eq!(ran.summary.left.matched, 2, "{dataset}");
    }
    // A type whose point lies before all of its digits is one that Arrow itself gives up on.
    let ran = run(scaled_beyond(), "id", "", CROSSED).unwrap();
    let told = ran.column("differences.parquet", 3);
    assert!(told.iter().any(|value| value == "-0.00012"), "{told:?}");
    let ran = run(scaled_beyond(), "id", text, CROSSED).unwrap();
    assert_eq!(ran.column("differences.parquet", 3), told);
    // An Arrow type that outputs lack is carried as text.
    let interval = column(&DataType::Interval(IntervalUnit::MonthDayNano));
    let ran = run(interval, "id", "", BY_VALUE).unwrap();
    assert_eq!(ran.column("pairs.parquet", 0), ["k0", "k2"]);
}
