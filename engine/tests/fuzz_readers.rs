//! Damaged files of every format, through the public boundary: a clear error or a run in which no
//! row is lost, and never a panic.
//!
//! `RECONCILE_FUZZ_INPUTS=100000 cargo test -p engine --test fuzz_readers` tries that many.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::Int32Type;
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use engine::{Error, InputFile, RunRequest, SideSummary, Silent};
use flate2::write::GzEncoder;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Inputs unless the environment asks for more.
const INPUTS: usize = 400;

const CSV: &str = "id,amount,day,memo,n\na,1.50,2026-01-31,\"x, \"\"y\"\"\",1\nb,-2,2026-02-01,é€😀,2\n\
                   c,,,,\nd,99999999999.999,2026-02-30,z,9223372036854775808\ne,3,2026-03-01,w,5\n";
const NDJSON: &str = "{\"id\":\"a\",\"amount\":1.50,\"day\":\"2026-01-31\",\"n\":1}\n\n{\"id\":\"b\",\
                      \"amount\":-2e0,\"memo\":\"\\u00e9\\n\",\"x\":{\"y\":[1,null,\"}\"]}}\n\
                      {\"id\":\"c\",\"n\":null,\"day\":true}\n";

fn batch() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> = ["u", "v", "u"].into_iter().collect();
    let amounts = Decimal128Array::from(vec![Some(150), None, Some(-200)])
        .with_precision_and_scale(12, 2)
        .unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["a", "b", "c"]))),
        ("amount", Arc::new(amounts)),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(20_000), None, Some(1)])),
        ),
        ("n", Arc::new(Int64Array::from(vec![1, 2, i64::MIN]))),
        ("memo", Arc::new(dictionary)),
        (
            "f",
            Arc::new(Float64Array::from(vec![0.5, f64::NAN, 1e300])),
        ),
        (
            "t",
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2])),
        ),
        ("b", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn arrow(stream: bool, compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default()
        .try_with_compression(compression)
        .unwrap();
    let (batch, mut bytes) = (batch(), Vec::new());
    if stream {
        let mut writer =
            StreamWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    } else {
        let mut writer =
            FileWriter::try_new_with_options(&mut bytes, &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        writer.finish().unwrap();
    }
    bytes
}

fn parquet(compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch().schema(), Some(properties)).unwrap();
    writer.write(&batch()).unwrap();
    writer.close().unwrap();
    bytes
}

fn xlsx() -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    let date = Format::new().set_num_format("yyyy-mm-dd");
    for (column, name) in (0..).zip(["id", "amount", "day", "n"]) {
        sheet.write(0, column, name).unwrap();
    }
    let day = ExcelDateTime::from_ymd(2026, 1, 31).unwrap();
    for row in 1..4 {
        sheet.write(row, 0, format!("k{row}")).unwrap();
        sheet.write(row, 1, 1.5 * f64::from(row)).unwrap();
        sheet
            .write_datetime_with_format(row, 2, &day, &date)
            .unwrap();
        sheet.write(row, 3, row).unwrap();
    }
    workbook.save_to_buffer().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A valid file of every kind, with further keys of its dataset.
fn seeds() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let json = format!(
        "[{}]",
        NDJSON.trim().replace("\n\n", "\n").replace('\n', ",\n")
    );
    let utf16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let zstd = Compression::ZSTD(ZstdLevel::default());
    vec![
        ("left.csv", CSV.into(), ""),
        ("left.tsv", CSV.replace(',', "\t").into(), ""),
        ("left.csv", utf16, "options: {encoding: utf-16le}, "),
        (
            "left.csv",
            CSV.into(),
            "options: {encoding: gb18030, header: false}, ",
        ),
        ("left.csv.gz", gzip(CSV.as_bytes()), ""),
        (
            "left.csv.zst",
            zstd::encode_all(CSV.as_bytes(), 3).unwrap(),
            "",
        ),
        ("left.ndjson", NDJSON.into(), ""),
        ("left.json", json.into(), ""),
        ("left.parquet", parquet(Compression::UNCOMPRESSED), ""),
        ("left.parquet", parquet(Compression::SNAPPY), ""),
        ("left.parquet", parquet(zstd), ""),
        ("left.arrow", arrow(false, None), ""),
        ("left.arrow", arrow(true, None), ""),
        (
            "left.arrow",
            arrow(true, Some(CompressionType::LZ4_FRAME)),
            "",
        ),
        ("left.arrow", arrow(false, Some(CompressionType::ZSTD)), ""),
        ("left.xlsx", xlsx(), ""),
    ]
}

/// Changes some bytes, or cuts, doubles or inserts some.
fn mutate(bytes: &mut Vec<u8>, random: &mut TestRng) {
    const TELLING: &[u8] = b"\"\n\r,\t{}[]:\\0-.eE\x00\xff\x7f\x80\xfe";
    for _ in 0..=random.next_u32() % 4 {
        if bytes.is_empty() {
            return;
        }
        let place = random.next_u32() as usize % bytes.len();
        let length = random.next_u32() as usize % 16;
        let end = (place + length).min(bytes.len());
        match random.next_u32() % 8 {
            0 => bytes.truncate(place),
            1 => drop(bytes.drain(place..end)),
            2 => {
                let copy = bytes[place..end].to_vec();
                bytes.splice(place..place, copy);
            }
            3 | 4 => bytes[place] = TELLING[random.next_u32() as usize % TELLING.len()],
            5 => bytes.insert(place, TELLING[random.next_u32() as usize % TELLING.len()]),
            6 => bytes[place] ^= 1 << (random.next_u32() % 8),
            _ => bytes[place] = random.next_u32().to_le_bytes()[0],
        }
    }
}

fn spec(name: &str, dataset: &str, typed: bool) -> crds::matching::MatchingSpec {
    let columns = if typed {
        "columns: [{name: amount, type: \"decimal(12,2)\", negate: true}, {name: day, type: date}, \
         {name: n, type: integer}], where: \"n is null or n <> 3\", key: [id], "
    } else {
        ""
    };
    let yaml = format!(
        "left: {{{columns}{dataset}source: {{uri: {name}}}}}\n\
         right: {{source: {{uri: right.csv}}}}\nduplicates: {{left: first}}\n\
         passes: [{{name: p, assign: greedy, block: [[id]], compare: [{{left: id, right: id, text: \
         {{method: levenshtein, atLeast: 0.5}}}}]}}]\n"
    );
    crds::decode::spec_from_yaml(&yaml).unwrap()
}

fn adds_up(side: &SideSummary) -> bool {
    let SideSummary {
        rows,
        matched,
        differing,
        review,
        unmatched,
        duplicate,
        rejected,
    } = *side;
    rows == matched + differing + review + unmatched + duplicate + rejected
}

#[test]
fn damaged_files_give_an_error_or_lose_no_row() {
    let inputs = std::env::var("RECONCILE_FUZZ_INPUTS")
        .ok()
        .map_or(INPUTS, |count| count.parse().unwrap());
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("right.csv"), "id\na\n").unwrap();
    let file = |name: &str| InputFile {
        path: folder.path().join(name),
        name: name.into(),
    };
    let seeds = seeds();
    let mut ran = 0;
    for input in 0..inputs {
        let (name, valid, dataset) = &seeds[input % seeds.len()];
        let mut bytes = valid.clone();
        // The first round is of valid files: every reader must read its own.
        let is_valid = input < seeds.len();
        if !is_valid {
            mutate(&mut bytes, &mut random);
        }
        fs::write(folder.path().join(name), &bytes).unwrap();
        let named = !dataset.contains("header");
        let request = RunRequest {
            model: None,
            spec: spec(name, dataset, named && input % 3 != 0),
            left: file(name),
            right: file("right.csv"),
            rates: None,
            out_dir: folder.path().join("out"),
        };
        match runtime.block_on(engine::run(request, Arc::new(Silent))) {
            Ok(summary) => {
                ran += 1;
                assert!(
                    adds_up(&summary.left),
                    "{name}, input {input}: {:?}",
                    summary.left
                );
            }
            Err(Error::Input { detail, .. }) if !is_valid => assert!(!detail.is_empty()),
            Err(Error::Spec(errors)) if !is_valid || !named => assert!(!errors.is_empty()),
            Err(error) => {
                let kept = keep(&bytes, name);
                panic!("{name}, input {input} (kept as {kept}): {error}");
            }
        }
    }
    assert!(
        ran * 8 > inputs,
        "hardly any damaged file was still read: {ran}"
    );
}

/// Keeps an input that failed where the build's files are.
fn keep(bytes: &[u8], name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("failed-{name}"));
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}
