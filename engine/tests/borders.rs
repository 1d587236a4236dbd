//! Readers take a file in parts of a fixed size. Wherever a part ends, within a quoted field, a
//! character of several bytes, an escape or the two bytes of a line end, the rows are the same.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use flate2::write::GzEncoder;
use rstest::rstest;
use std::fs;
use std::io::Write;
use support::run_files;

/// The parts that files are read in.
const PART: usize = 1 << 18;
/// What the buffer for one row of a CSV file holds before it grows.
const ROW: usize = 1 << 16;

/// What is read across the border: id and memo.
const ROWS: [(&str, &str); 4] = [
    ("b", "a \"é€😀\"\r\nz"),
    ("c", "\\\"\\u00e9 [,}"),
    ("d", ""),
    ("e", "\u{feff}\t"),
];

/// Writes a row.
type WriteRow = fn(&str, &str) -> String;

fn csv(id: &str, memo: &str) -> String {
    format!("{id},\"{}\"\n", memo.replace('"', "\"\""))
}

fn csv_of_windows(id: &str, memo: &str) -> String {
    format!("{id},\"{}\"\r\n", memo.replace('"', "\"\""))
}

fn json_line(id: &str, memo: &str) -> String {
    format!("{}\n", serde_json::json!({"id": id, "memo": memo}))
}

fn json_element(id: &str, memo: &str) -> String {
    format!(",\n {}", serde_json::json!({"id": id, "memo": memo}))
}

fn plain(text: &str) -> Vec<u8> {
    text.into()
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[rstest]
#[case("left.csv", "", "id,memo\n", csv, "", plain, 1)]
#[case("left.csv", "", "id,memo\r\n", csv_of_windows, "", plain, 1)]
#[case(
    "left.csv",
    "options: {encoding: utf-16le}, ",
    "id,memo\n",
    csv,
    "",
    utf_16,
    2
)]
#[case("left.csv.gz", "", "id,memo\n", csv, "", gzip, 1)]
#[case("left.csv.zst", "", "id,memo\n", csv, "", zstd, 1)]
#[case("left.ndjson", "", "", json_line, "", plain, 1)]
#[case(
    "left.json",
    "",
    "[{\"id\": \"0\", \"memo\": \"\"}",
    json_element,
    "\n]",
    plain,
    1
)]
fn rows_are_the_same_wherever_a_part_ends(
    #[case] name: &str,
    #[case] options: &str,
    #[case] head: &str,
    #[case] row: WriteRow,
    #[case] end: &str,
    #[case] encode: fn(&str) -> Vec<u8>,
    #[case] width: usize,
) {
    let yaml = format!(
        "left: {{source: {{uri: {name}}}, {options}key: [id]}}\n\
         right: {{source: {{uri: right.csv}}, key: [id]}}\n\
         passes: [{{name: p, compare: [{{column: id, exact: {{}}}}]}}]\n"
    );
    let parts: &[usize] = if name == "left.csv" {
        &[PART, ROW]
    } else {
        &[PART]
    };
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = (folder.path().join(name), folder.path().join("right.csv"));
    fs::write(&right, "id\nnone\n").unwrap();
    let read: String = ROWS.iter().map(|(id, memo)| row(id, memo)).collect();
    let expected: Vec<Vec<String>> = ROWS
        .iter()
        .map(|(id, memo)| {
            let memo = if memo.is_empty() { "null" } else { memo };
            [id, id, memo].map(ToString::to_string).to_vec()
        })
        .collect();
    for part in parts {
        // The border lies before, in and after every byte of the rows.
        for before in 0..=read.len() {
            let first = head.len() + row("a", "").len();
            let padding = "x".repeat(part / width - before - first);
            let text = format!("{head}{}{read}{end}", row("a", &padding));
            fs::write(&left, encode(&text)).unwrap();
            let ran = run_files(&yaml, &left, &right).unwrap();
            let rows = ran.rows("unmatched_left.parquet");
            let of_interest = &rows[rows.len() - ROWS.len()..];
            assert_eq!(of_interest, expected, "{before} bytes before {part}");
            assert_eq!(rows[rows.len() - ROWS.len() - 1][2], padding);
            assert_eq!(ran.summary.left.rejected, 0);
        }
    }
}
