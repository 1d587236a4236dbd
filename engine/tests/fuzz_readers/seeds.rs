//! Valid files of every kind, from which damaged ones are made.

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Schema};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use flate2::write::GzEncoder;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

#[path = "../support/arrow_file.rs"]
mod arrow_file;

/// A valid file.
pub struct Seed {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
    /// What a job does with it.
    pub part: Part,
}

/// What a job does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It is the left side, with further keys of its dataset.
    Left(&'static str),
    /// It is the left side of a keyed diff, which reads it in a way of its own.
    Keyed,
    /// It holds the rates of exchange.
    Rates,
    /// It is a trained model.
    Model,
}

const RATES: &str =
    "date,currency,rate\n2026-01-01,USD,0.5\n2026-01-05,\"USD\",0.000000000000000001\n";
const MODEL: &str = include_str!("../cases/fellegi_sunter_model_that_is_given/model.json");

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
    arrow_file::of(&batch(), stream, compression)
}

/// An Arrow stream as the rows of a query come: its last column says which rows cannot be read.
fn with_row_faults() -> Vec<u8> {
    let batch = batch();
    let place = batch.num_columns();
    let fault = format!("{} is no number that fits", place - 1);
    let faults: ArrayRef = Arc::new(StringArray::from(vec![None, Some(fault.as_str()), None]));
    let marked = HashMap::from([("reconciliation-platform.dev/row-faults".into(), "1".into())]);
    let field = Field::new("faults", DataType::Utf8, true).with_metadata(marked);
    let mut fields: Vec<FieldRef> = batch.schema().fields().to_vec();
    fields.push(Arc::new(field));
    let columns = [batch.columns(), &[faults]].concat();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
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

/// One valid file of every kind.
pub fn seeds() -> Vec<Seed> {
    let json = format!(
        "[{}]",
        NDJSON.trim().replace("\n\n", "\n").replace('\n', ",\n")
    );
    let utf16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let left = vec![
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
        ("left.arrow", with_row_faults(), ""),
        ("left.xlsx", xlsx(), ""),
    ];
    let left = left.into_iter().map(|(name, bytes, dataset)| Seed {
        name,
        bytes,
        part: Part::Left(dataset),
    });
    let others = [
        ("left.parquet", parquet(Compression::SNAPPY), Part::Keyed),
        ("left.parquet", parquet(zstd), Part::Keyed),
        ("rates.csv", RATES.into(), Part::Rates),
        ("model.json", MODEL.into(), Part::Model),
    ];
    let others = others.map(|(name, bytes, part)| Seed { name, bytes, part });
    left.chain(others).collect()
}
