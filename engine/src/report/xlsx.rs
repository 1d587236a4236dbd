//! `report.xlsx`: the outputs as a workbook, a sheet each.

use std::path::Path;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DecimalType, Float64Type, Int64Type, UInt64Type,
};
use datafusion::arrow::util::display::array_value_to_string;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::error::Error;
use crate::outcome::{SideSummary, Summary};

/// Rows that a sheet can hold, the header left out.
const MOST_ROWS: usize = 1_048_575;
/// Characters that a cell can hold.
const LONGEST: usize = 32_767;
/// Digits that a number in a cell keeps; a longer one is written as text, so that none is lost.
const DIGITS: usize = 15;

/// Writes the workbook: the summary, then each batch under its title.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, summary: &Summary, sheets: &[(&str, &RecordBatch)]) -> Result<(), Error> {
    let failed = |error: XlsxError| Error::Io {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    };
    let mut workbook = Workbook::new();
    let bold = Format::new().set_bold();
    overview(workbook.add_worksheet(), summary, &bold).map_err(failed)?;
    for (title, batch) in sheets {
        let sheet = workbook.add_worksheet_with_constant_memory();
        table(sheet, title, batch, &bold).map_err(failed)?;
    }
    workbook.save(path).map_err(failed)
}

fn overview(sheet: &mut Worksheet, summary: &Summary, bold: &Format) -> Result<(), XlsxError> {
    sheet.set_name("Summary")?;
    sheet.set_column_width(0, 22)?;
    let counts = |side: &SideSummary| {
        [
            side.rows,
            side.matched,
            side.differing,
            side.review,
            side.unmatched,
            side.duplicate,
            side.rejected,
        ]
    };
    let names =
        ["rows", "matched", "differing", "review", "unmatched", "duplicate", "rejected"];
    for (column, name) in (1..).zip(["left", "right"]) {
        sheet.write_with_format(0, column, name, bold)?;
    }
    let (left, right) = (counts(&summary.left), counts(&summary.right));
    let mut row = 1;
    for ((name, left), right) in names.iter().zip(left).zip(right) {
        sheet.write_with_format(row, 0, *name, bold)?;
        sheet.write(row, 1, left)?;
        sheet.write(row, 2, right)?;
        row += 1;
    }
    let percent = Format::new().set_num_format("0.00%");
    sheet.write_with_format(row, 0, "match rate", bold)?;
    sheet.write_with_format(row, 1, summary.match_rate, &percent)?;
    row += 2;
    for (column, name) in (0..).zip(["pass", "pairs", "candidates", "seconds"]) {
        sheet.write_with_format(row, column, name, bold)?;
    }
    for pass in &summary.passes {
        row += 1;
        sheet.write(row, 0, pass.name.as_str())?;
        sheet.write(row, 1, pass.pairs)?;
        sheet.write(row, 2, pass.candidates)?;
        sheet.write(row, 3, pass.seconds)?;
    }
    row += 2;
    sheet.write_with_format(row, 0, "specification", bold)?;
    sheet.write(row, 1, summary.spec_hash.as_str())?;
    Ok(())
}

fn table(
    sheet: &mut Worksheet,
    title: &str,
    batch: &RecordBatch,
    bold: &Format,
) -> Result<(), XlsxError> {
    sheet.set_name(title)?;
    sheet.set_freeze_panes(1, 0)?;
    let day = Format::new().set_num_format("yyyy-mm-dd");
    let schema = batch.schema();
    for (column, field) in (0..).zip(schema.fields()) {
        sheet.set_column_width(column, 18)?;
        sheet.write_with_format(0, column, field.name().as_str(), bold)?;
    }
    let rows = batch.num_rows().min(MOST_ROWS);
    // A sheet of constant memory takes its cells row by row.
    for (line, row) in (1_u32..).zip(0..rows) {
        if row + 1 == MOST_ROWS && batch.num_rows() > MOST_ROWS {
            let rest = batch.num_rows() - row;
            let note = format!("and {rest} more rows, which the Parquet file holds");
            sheet.write(line, 0, note)?;
            break;
        }
        for (at, column) in (0_u16..).zip(batch.columns()) {
            cell(sheet, line, at, column, row, &day)?;
        }
    }
    Ok(())
}

fn cell(
    sheet: &mut Worksheet,
    line: u32,
    at: u16,
    column: &ArrayRef,
    row: usize,
    day: &Format,
) -> Result<(), XlsxError> {
    if column.is_null(row) {
        return Ok(());
    }
    match column.data_type() {
        DataType::Float64 => {
            sheet.write(line, at, column.as_primitive::<Float64Type>().value(row))?;
        }
        DataType::UInt64 => number(
            sheet,
            line,
            at,
            &column.as_primitive::<UInt64Type>().value(row).to_string(),
        )?,
        DataType::Int64 => number(
            sheet,
            line,
            at,
            &column.as_primitive::<Int64Type>().value(row).to_string(),
        )?,
        DataType::Decimal128(precision, scale) => {
            let digits = column.as_primitive::<Decimal128Type>().value(row);
            let text = Decimal128Type::format_decimal(digits, *precision, *scale);
            number(sheet, line, at, &text)?;
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            let date = Date32Type::to_naive_date_opt(days).map(|date| date.to_string());
            let text = date.unwrap_or_default();
            // The calendar of a workbook begins in 1900; an earlier date stays a text.
            match ExcelDateTime::parse_from_str(&text) {
                Ok(date) => sheet.write_with_format(line, at, &date, day)?,
                Err(_) => sheet.write(line, at, text)?,
            };
        }
        _ => {
            let text = array_value_to_string(column, row)
                .map_err(|error| XlsxError::ParameterError(error.to_string()))?;
            let text: String = text.chars().take(LONGEST).collect();
            // Written as a text, so that a value that looks like a formula is none.
            sheet.write_string(line, at, text)?;
        }
    }
    Ok(())
}

/// A decimal number, as a number where the cell keeps all its digits.
fn number(sheet: &mut Worksheet, line: u32, at: u16, text: &str) -> Result<(), XlsxError> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    match text.parse::<f64>() {
        Ok(value) if digits <= DIGITS => sheet.write(line, at, value)?,
        _ => sheet.write_string(line, at, text)?,
    };
    Ok(())
}
