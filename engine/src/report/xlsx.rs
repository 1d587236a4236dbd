//! `report.xlsx`: the outputs as a workbook, a sheet each.

use super::lists::{List, Results};
use crate::error::Error;
use crate::outcome::{SideSummary, Summary};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Float64Type, Schema};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use std::path::Path;

/// Rows that a sheet can hold, the header left out.
const MOST_ROWS: usize = 1_048_575;
/// Columns that a sheet can hold.
const MOST_COLUMNS: u16 = 16_384;
/// Characters that a cell can hold.
const LONGEST: usize = 32_767;
/// Digits that a number in a cell keeps; a longer one is written as text, so that none is lost.
const DIGITS: usize = 15;

/// Writes the workbook: the summary, then each list under its title. `unlisted` pairs simply match
/// and are in no sheet. The same data give the same bytes.
///
/// # Errors
/// When the file cannot be written, or values cannot be read back.
pub fn write(
    path: &Path,
    summary: &Summary,
    unlisted: u64,
    results: &Results<'_>,
    sheets: &[(&str, List)],
) -> Result<(), Error> {
    let failed = |error: XlsxError| Error::Io {
        path: path.to_owned(),
        source: std::io::Error::other(error),
    };
    let bold = Format::new().set_bold();
    let mut workbook = begun(path, summary, unlisted, &bold).map_err(failed)?;
    for &(title, list) in sheets {
        let sheet = workbook.add_worksheet_with_constant_memory();
        let sheet = sheet.map_err(failed)?;
        sheet.set_name(title).map_err(failed)?;
        let rows = results.count(list);
        let schema = results.schema(list)?;
        let mut table = Table::new(sheet, &schema, rows, MOST_ROWS, &bold).map_err(failed)?;
        results.each(list, &mut |batch| table.add(batch).map_err(failed))?;
        table.close().map_err(failed)?;
    }
    workbook.save(path).map_err(failed)
}

/// A workbook with the summary alone.
fn begun(
    path: &Path,
    summary: &Summary,
    unlisted: u64,
    bold: &Format,
) -> Result<Workbook, XlsxError> {
    let mut workbook = Workbook::new();
    if let Some(folder) = path.parent() {
        workbook.set_tempdir(folder)?;
    }
    // The time of the run would make two runs over the same data differ.
    let epoch = ExcelDateTime::from_ymd(2000, 1, 1)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&epoch));
    overview(workbook.add_worksheet(), summary, unlisted, bold)?;
    Ok(workbook)
}

fn overview(
    sheet: &mut Worksheet,
    summary: &Summary,
    unlisted: u64,
    bold: &Format,
) -> Result<(), XlsxError> {
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
    let names = [
        "rows",
        "matched",
        "differing",
        "review",
        "unmatched",
        "duplicate",
        "rejected",
    ];
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
    for (column, name) in (0..).zip(["pass", "pairs", "candidates"]) {
        sheet.write_with_format(row, column, name, bold)?;
    }
    for pass in &summary.passes {
        row += 1;
        sheet.write(row, 0, pass.name.as_str())?;
        sheet.write(row, 1, pass.pairs)?;
        sheet.write(row, 2, pass.candidates)?;
    }
    if unlisted > 0 {
        row += 2;
        let note =
            format!("{unlisted} pairs that simply match are counted here and listed nowhere");
        sheet.write(row, 0, note)?;
    }
    row += 2;
    sheet.write_with_format(row, 0, "specification", bold)?;
    sheet.write(row, 1, summary.spec_hash.as_str())?;
    Ok(())
}

/// Rows under a header. Of more rows than there is room for the last line says how many are left out.
struct Table<'a> {
    sheet: &'a mut Worksheet,
    formats: Vec<Format>,
    /// All rows, and how many of them are written.
    rows: usize,
    shown: usize,
    /// The next line.
    line: u32,
}

impl<'a> Table<'a> {
    fn new(
        sheet: &'a mut Worksheet,
        schema: &Schema,
        rows: usize,
        most: usize,
        bold: &Format,
    ) -> Result<Self, XlsxError> {
        sheet.set_freeze_panes(1, 0)?;
        let mut formats = Vec::new();
        for (column, field) in (0..MOST_COLUMNS).zip(schema.fields()) {
            sheet.set_column_width(column, 18)?;
            sheet.write_string_with_format(0, column, shortened(field.name()), bold)?;
            formats.push(format_of(field.data_type()));
        }
        Ok(Self {
            sheet,
            formats,
            rows,
            shown: if rows > most { most - 1 } else { rows },
            line: 1,
        })
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), XlsxError> {
        // A sheet of constant memory takes its cells row by row.
        for row in 0..batch.num_rows() {
            if self.line as usize > self.shown {
                return Ok(());
            }
            for ((at, column), format) in (0_u16..).zip(batch.columns()).zip(&self.formats) {
                cell(self.sheet, (self.line, at), column, row, format)?;
            }
            self.line += 1;
        }
        Ok(())
    }

    fn close(self) -> Result<(), XlsxError> {
        if self.shown < self.rows {
            let rest = self.rows - self.shown;
            let note = format!("and {rest} more rows, which the Parquet file holds");
            self.sheet.write_string(self.line, 0, note)?;
        }
        Ok(())
    }
}

/// How the cells of a column look.
fn format_of(data_type: &DataType) -> Format {
    match data_type {
        DataType::Date32 => Format::new().set_num_format("yyyy-mm-dd"),
        DataType::Decimal128(_, scale) if *scale > 0 => {
            let places = "0".repeat(usize::from(scale.unsigned_abs()));
            Format::new().set_num_format(format!("0.{places}"))
        }
        _ => Format::new(),
    }
}

fn cell(
    sheet: &mut Worksheet,
    (line, at): (u32, u16),
    column: &ArrayRef,
    row: usize,
    format: &Format,
) -> Result<(), XlsxError> {
    if column.is_null(row) {
        return Ok(());
    }
    let written = crate::written::text(column, row)
        .map_err(|error| XlsxError::ParameterError(error.to_string()))?;
    match column.data_type() {
        DataType::Float64 => {
            let value = column.as_primitive::<Float64Type>().value(row);
            if value.is_finite() {
                sheet.write_number(line, at, value)?;
            } else {
                sheet.write_string(line, at, written)?;
            }
        }
        DataType::UInt64 | DataType::Int64 | DataType::Decimal128(..) => {
            let digits = written.bytes().filter(u8::is_ascii_digit).count();
            match written.parse::<f64>() {
                Ok(value) if digits <= DIGITS => {
                    sheet.write_number_with_format(line, at, value, format)?
                }
                _ => sheet.write_string(line, at, written)?,
            };
        }
        DataType::Date32 => {
            // The calendar of a workbook begins in 1900; an earlier date stays a text.
            match ExcelDateTime::parse_from_str(&written) {
                Ok(date) => sheet.write_datetime_with_format(line, at, &date, format)?,
                Err(_) => sheet.write_string(line, at, written)?,
            };
        }
        // Written as a text, so that a value that looks like a formula is none.
        _ => {
            sheet.write_string(line, at, shortened(&written))?;
        }
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Int64Array;
    use std::io::Read;
    use std::sync::Arc;

    fn sheet(rows: i64, most: usize) -> String {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(1000..1000 + rows));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut workbook = Workbook::new();
        let sheet = workbook.add_worksheet_with_constant_memory().unwrap();
        let rows = batch.num_rows();
        let mut table = Table::new(sheet, &batch.schema(), rows, most, &Format::new()).unwrap();
        table.add(&batch).unwrap();
        table.close().unwrap();
        let bytes = workbook.save_to_buffer().unwrap();
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut xml = String::new();
        let mut file = archive.by_name("xl/worksheets/sheet1.xml").unwrap();
        file.read_to_string(&mut xml).unwrap();
        xml
    }

    #[test]
    fn a_sheet_with_too_many_rows_ends_with_how_many_are_left_out() {
        let cut = sheet(5, 4);
        assert!(cut.contains("1002") && !cut.contains("1003"), "{cut}");
        assert!(cut.contains("and 2 more rows"), "{cut}");
        let whole = sheet(4, 4);
        assert!(
            whole.contains("1003") && !whole.contains("more rows"),
            "{whole}"
        );
    }
}
