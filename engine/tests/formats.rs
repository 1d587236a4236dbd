//! The same table in every format, compression and encoding, and what goes wrong with each.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "support/arrow_file.rs"]
mod arrow_file;
#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use datafusion::arrow::array::{ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use rstest::rstest;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use support::{Ran, run_files};

/// Reads `content` under `name` as the left side against a CSV of the same table.
fn run_left(name: &str, content: &[u8], dataset: &str) -> Result<Ran, engine::Error> {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join(name), folder.path().join("right.csv"));
    fs::write(&left, content).unwrap();
    fs::write(&right, CSV).unwrap();
    let columns =
        "key: [id], columns: [{name: amount, type: \"decimal(18,2)\"}, {name: day, type: date}]";
    let yaml = format!(
        "left: {{source: {{uri: {name}}}, {columns}{dataset}}}\n\
         right: {{source: {{uri: right.csv}}, {columns}}}\n\
         passes:\n  - name: exact\n    assign: greedy\n    compare: [{{column: memo, exact: {{}}}}, \
         {{column: amount, exact: {{}}}}, {{column: day, exact: {{}}}}]\n"
    );
    run_files(&yaml, &left, &right)
}

fn failure(name: &str, content: &[u8], dataset: &str) -> String {
    run_left(name, content, dataset).err().unwrap().to_string()
}

const CSV: &str = "id,memo,amount,day\na,Zürich,1.50,2026-01-31\nb,€ 5,-2.00,2026-02-01\n";

fn assert_all_match(ran: &Ran) {
    assert_eq!(ran.column("pairs.parquet", 0), ["a", "b"]);
    assert_eq!((ran.summary.left.rows, ran.summary.left.matched), (2, 2));
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn batch() -> RecordBatch {
    let texts = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let amounts = Decimal128Array::from(vec![1500, -2000]).with_precision_and_scale(10, 3);
    RecordBatch::try_from_iter([
        ("id", texts(["a", "b"])),
        ("memo", texts(["Zürich", "€ 5"])),
        ("amount", Arc::new(amounts.unwrap())),
        ("day", Arc::new(Date32Array::from(vec![20_484, 20_485]))),
    ])
    .unwrap()
}

fn arrow(stream: bool, compression: Option<CompressionType>) -> Vec<u8> {
    arrow_file::of(&batch(), stream, compression)
}

fn parquet() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch().schema(), None).unwrap();
    writer.write(&batch()).unwrap();
    writer.close().unwrap();
    bytes
}

fn xlsx() -> Vec<u8> {
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("Notes").unwrap();
    let sheet = workbook.add_worksheet().set_name("Data").unwrap();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    for (column, name) in (0..).zip(["id", "memo", "amount", "day"]) {
        sheet.write(0, column, name).unwrap();
    }
    // Row 2 stays empty and is no row.
    for (row, id, memo, amount, (year, month, day)) in [
        (2, "a", "Zürich", 1.5, (2026, 1, 31)),
        (3, "b", "€ 5", -2.0, (2026, 2, 1)),
    ] {
        sheet.write(row, 0, id).unwrap();
        sheet.write(row, 1, memo).unwrap();
        sheet.write(row, 2, amount).unwrap();
        let day = ExcelDateTime::from_ymd(year, month, day).unwrap();
        sheet
            .write_datetime_with_format(row, 3, &day, &date)
            .unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

#[rstest]
#[case::csv("left.csv", CSV.into(), "")]
#[case::gzip("left.csv.gz", gzip(CSV.as_bytes()), "")]
#[case::two_gzip_members("left.csv.GZ", [gzip(&CSV.as_bytes()[..20]), gzip(&CSV.as_bytes()[20..])].concat(), "")]
#[case::zstd("left.csv.zst", zstd::encode_all(CSV.as_bytes(), 1).unwrap(), "")]
#[case::declared_format("left.gz", gzip(CSV.as_bytes()), ", format: csv")]
#[case::windows_1252("left.csv", encoding_rs::WINDOWS_1252.encode(CSV).0.into(), ", options: {encoding: latin1}")]
#[case::utf_16("left.csv", utf_16(CSV), ", options: {encoding: utf-16le}")]
#[case::byte_order_mark("left.csv", format!("\u{feff}{CSV}").into_bytes(), "")]
#[case::arrow_file("left.arrow", arrow(false, None), "")]
#[case::arrow_stream("left.arrow", arrow(true, None), "")]
#[case::arrow_lz4("left.feather", arrow(false, Some(CompressionType::LZ4_FRAME)), "")]
#[case::arrow_zstd("left.arrows", arrow(true, Some(CompressionType::ZSTD)), "")]
#[case::arrow_gzip("left.arrow.gz", gzip(&arrow(false, None)), "")]
#[case::parquet("left.parquet", parquet(), "")]
#[case::parquet_zstd("left.parquet.zst", zstd::encode_all(&parquet()[..], 1).unwrap(), "")]
#[case::xlsx("left.xlsx", xlsx(), ", options: {sheet: Data}")]
#[case::xlsx_gzip("left.xlsx.gz", gzip(&xlsx()), ", options: {sheet: Data}")]
fn a_table_is_the_same_in_every_format(
    #[case] name: &str,
    #[case] content: Vec<u8>,
    #[case] dataset: &str,
) {
    assert_all_match(&run_left(name, &content, dataset).unwrap());
}

fn utf_16(text: &str) -> Vec<u8> {
    let units = text.encode_utf16();
    [0xFF, 0xFE]
        .into_iter()
        .chain(units.flat_map(u16::to_le_bytes))
        .collect()
}

fn without_end(mut bytes: Vec<u8>, count: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - count);
    bytes
}

fn flipped(mut bytes: Vec<u8>, place: usize) -> Vec<u8> {
    bytes[place] ^= 0x55;
    bytes
}

#[rstest]
#[case::gzip_cut_off("left.csv.gz", without_end(gzip(CSV.as_bytes()), 9), "", "the gzip stream is damaged or cut off")]
#[case::gzip_damaged("left.csv.gz", flipped(gzip(CSV.as_bytes()), 40), "", "the gzip stream is damaged or cut off")]
#[case::no_gzip("left.csv.gz", CSV.into(), "", "the gzip stream is damaged or cut off")]
#[case::zstd_cut_off("left.csv.zst", without_end(zstd::encode_all(CSV.as_bytes(), 1).unwrap(), 4), "", "the zstd stream is damaged or cut off")]
#[case::zstd_parquet("left.parquet.zst", vec![1, 2, 3, 4, 5], "", "the zstd stream is damaged or cut off")]
#[case::arrow_cut_off(
    "left.arrow",
    without_end(arrow(true, None), 30),
    "",
    "it ends in the middle of a message"
)]
#[case::arrow_empty("left.arrow", Vec::new(), "", "the file is empty")]
#[case::arrow_of_text("left.arrow", CSV.into(), "", "cannot be read as Arrow IPC")]
#[case::no_sheet(
    "left.xlsx",
    xlsx(),
    ", options: {sheet: Sheet9}",
    "there is no sheet `Sheet9`; the workbook has `Notes`, `Data`"
)]
#[case::empty_sheet("left.xlsx", xlsx(), "", "the sheet `Notes` is empty")]
#[case::no_workbook("left.xlsx", CSV.into(), "", "cannot be read as XLSX")]
#[case::empty_array("left.json", b" [ ] ".to_vec(), "", "the file has no rows")]
#[case::json_and_more("left.json", b"[{}] []".to_vec(), "", "there is more after the end")]
#[case::no_keys("left.ndjson", b"{}\n".to_vec(), "", "there is no column `amount`")]
fn a_file_that_cannot_be_read_is_named_with_the_cause(
    #[case] name: &str,
    #[case] content: Vec<u8>,
    #[case] dataset: &str,
    #[case] message: &str,
) {
    let found = failure(name, &content, dataset);
    assert!(found.starts_with(&format!("{name}: ")), "{found}");
    assert!(found.contains(message), "{found}");
}

#[test]
fn what_cannot_be_decoded_rejects_its_row() {
    let content = b"id,memo,amount,day\na,\x81,1.50,2026-01-31\nb,ok,1,2026-02-01\n";
    let ran = run_left("left.csv", content, ", options: {encoding: shift_jis}").unwrap();
    let rejected = ran.rows("rejected.parquet");
    assert_eq!(rejected[0][2..4], ["2", "memo"]);
    assert_eq!(rejected[0][4], "is not Shift_JIS text");
    assert_eq!((ran.summary.left.rows, ran.summary.left.rejected), (2, 1));
}

#[test]
fn a_decompression_bomb_is_refused() {
    // Far more than 1 GiB of empty fields in a few kilobytes.
    let row = vec![b','; 1 << 20];
    let part = zstd::encode_all(&row[..], 19).unwrap();
    let bomb = part.repeat(1100);
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let found = failure("left.parquet.zst", &bomb, "");
    assert!(found.contains("over 250 times its size"), "{found}");
}

#[test]
fn a_quote_that_is_never_closed_rejects_one_row_and_not_the_memory() {
    let mut content = CSV.as_bytes().to_vec();
    content.extend_from_slice(b"c,\"open,1,2026-01-01\n");
    content.extend(b"d,x,1,2026-01-01\n".repeat((64 << 20) / 17 + 10));
    let ran = run_left("left.csv", &content, "").unwrap();
    assert_eq!(ran.column("pairs.parquet", 0), ["a", "b"]);
    let rejected = ran.rows("rejected.parquet");
    assert_eq!(rejected[0][2], "4");
    assert!(
        rejected[0][4].contains("longer than 64 MiB"),
        "{rejected:?}"
    );
}

#[test]
fn a_sheet_holds_binary_numbers_dates_and_errors() {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let date = Format::new().set_num_format("dd/mm/yyyy hh:mm");
    for (column, name) in (0..).zip(["id", "memo", "amount", "day"]) {
        sheet.write(0, column, name).unwrap();
    }
    let noon = ExcelDateTime::from_ymd(2026, 1, 31)
        .unwrap()
        .and_hms(12, 30, 0)
        .unwrap();
    // A sum of binary numbers is rounded half to even, a date as text is in ISO 8601.
    sheet.write(1, 0, "a").unwrap();
    sheet
        .write_datetime_with_format(1, 1, &noon, &date)
        .unwrap();
    sheet.write(1, 2, 0.1 + 0.2).unwrap();
    sheet
        .write_datetime_with_format(1, 3, &noon, &date)
        .unwrap();
    // A number as text is the shortest decimal that denotes it; a text can be a date.
    sheet.write(2, 0, 1_234_567.125).unwrap();
    sheet.write(2, 1, true).unwrap();
    sheet
        .write(2, 2, Formula::new("=1+1").set_result("2"))
        .unwrap();
    sheet.write(2, 3, "2026-02-01").unwrap();
    sheet.write(3, 0, "c").unwrap();
    sheet.write(3, 2, "1.005").unwrap();
    sheet.write(4, 0, "d").unwrap();
    sheet.write(4, 3, 5).unwrap();
    sheet.write(5, 0, "e").unwrap();
    sheet.write(5, 9, "beyond").unwrap();
    let content = workbook.save_to_buffer().unwrap();
    let ran = run_left("left.xlsx", &content, "").unwrap();
    assert_eq!(
        ran.rows("unmatched_left.parquet"),
        [
            ["1234567.125", "2.00", "2026-02-01", "1234567.125", "true"],
            ["a", "0.30", "2026-01-31", "a", "2026-01-31T12:30:00"],
        ]
    );
    let rejected = ran.rows("rejected.parquet");
    let places: Vec<_> = rejected.iter().map(|row| (&*row[2], &*row[3])).collect();
    assert_eq!(places, [("4", "amount"), ("5", "day"), ("6", "null")]);
}

#[test]
fn columns_of_json_do_not_depend_on_the_order_of_rows() {
    let rows = [
        r#"{"id":"a","z":1,"amount":1,"day":null,"memo":"m"}"#,
        r#"{"id":"b","b":{"c": [2]}}"#,
    ];
    let columns = |rows: &[&str]| {
        let ran = run_left("left.ndjson", rows.join("\n").as_bytes(), "").unwrap();
        let batch = ran.batch("unmatched_left.parquet");
        let schema = batch.schema();
        let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        (names, ran.rows("unmatched_left.parquet"))
    };
    let (names, values) = columns(&rows);
    assert_eq!(names, ["key", "amount", "day", "b", "id", "memo", "z"]);
    assert_eq!(values[0], ["a", "1.00", "null", "null", "a", "m", "1"]);
    assert_eq!(
        values[1],
        ["b", "null", "null", "{\"c\": [2]}", "b", "null", "null"]
    );
    assert_eq!((names, values), columns(&[rows[1], rows[0]]));
}

/// The table as Arrow with a column of faults, whose second value is this.
fn faulty(fault: &str) -> Vec<u8> {
    let mark = HashMap::from([(engine::ROW_FAULTS.to_owned(), String::new())]);
    let batch = batch();
    let mut fields: Vec<Field> = (batch.schema().fields().iter())
        .map(|field| field.as_ref().clone())
        .collect();
    fields.push(Field::new("x", DataType::Utf8, true).with_metadata(mark));
    let faults: ArrayRef = Arc::new(StringArray::from(vec![None, Some(fault)]));
    let columns = [batch.columns(), &[faults]].concat();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_row_that_its_writer_could_not_represent_is_rejected_with_the_writers_reason() {
    let ran = run_left("left.arrow", &faulty("3 is infinity"), "").unwrap();
    assert_eq!((ran.summary.left.rows, ran.summary.left.matched), (2, 1));
    let rejected = ran.rows("rejected.parquet");
    assert_eq!(rejected.len(), 1);
    for value in ["2", "day", "is infinity"] {
        assert!(rejected[0].iter().any(|cell| cell == value), "{rejected:?}");
    }
}

#[rstest]
#[case("no reason")]
#[case("3")]
#[case("4 is none of the columns")]
fn a_column_of_faults_that_is_damaged_is_told(#[case] fault: &str) {
    let message = failure("left.arrow", &faulty(fault), "");
    assert!(
        message.contains("the column of its faults is damaged"),
        "{message}"
    );
}
