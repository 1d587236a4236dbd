//! A sheet of an Office Open XML workbook (ECMA-376) into cells.
//!
//! A spreadsheet holds binary numbers; as text such a number is the shortest decimal that denotes
//! it, and as `decimal` it is rounded like any binary number. Formulas count with the value that
//! they had when the workbook was saved. A row without any value is no row.

use super::cells::{Cell, Cells};
use super::open::open_seekable;
use super::slots::slots;
use super::{Table, column_name, nulls, quoted};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use calamine::{CellErrorType, DataRef, ExcelDateTime, Reader, Xlsx, XlsxCellReader, XlsxError};
use chrono::NaiveDate;
use crds::matching::Dataset;
use datafusion::arrow::datatypes::Date32Type;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::sync::Arc;
use zip::ZipArchive;

/// Rows between two looks at whether the run was cancelled.
const ROWS_PER_STEP: u64 = 8192;
/// How much more a workbook's parts may hold than they take up, and what they may always hold.
const MAX_RATIO: u64 = 250;
const ALWAYS: u64 = 1 << 30;
const MILLIS_PER_DAY: f64 = 86_400_000.0;

pub(super) fn read(
    dataset: &Dataset,
    file: &InputFile,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::input(
            file,
            format!("this cannot be read as XLSX ({error}); check the file, or set `format`"),
        )
    };
    let mut opened = open_seekable(file)?;
    check_size(&mut opened).map_err(|error| match error.raw_os_error() {
        Some(_) => Error::io(&file.path)(error),
        None => unreadable(&error),
    })?;
    let mut workbook: Xlsx<_> =
        Xlsx::new(BufReader::new(opened)).map_err(|error| unreadable(&error))?;
    let names = workbook.sheet_names();
    let options = dataset.options.clone().unwrap_or_default();
    let sheet = match &options.sheet {
        Some(sheet) if !names.contains(sheet) => {
            return Err(Error::input(
                file,
                format!(
                    "there is no sheet `{sheet}`; the workbook has {}. Correct `options.sheet`",
                    quoted(&names)
                ),
            ));
        }
        Some(sheet) => sheet,
        None => names
            .first()
            .ok_or_else(|| unreadable(&"it has no sheet"))?,
    };
    let reader = workbook.worksheet_cells_reader(sheet);
    let mut rows = Rows {
        reader: reader.map_err(|error| unreadable(&error))?,
        ahead: None,
        ended: false,
        line: 0,
        cells: Vec::new(),
    };

    let empty = || Error::input(file, format!("the sheet `{sheet}` is empty"));
    if !rows.next().map_err(|error| unreadable(&error))? {
        return Err(empty());
    }
    let width = rows.cells.last().map_or(0, |(place, _)| place + 1);
    let has_header = options.header.unwrap_or(true);
    let mut present: Vec<String> = (0..width).map(|place| column_name("", place)).collect();
    if has_header {
        for (place, value) in &rows.cells {
            let text = header_text(value);
            present[*place] = column_name(&text, *place);
        }
    }
    let slots = slots(dataset, file, &present)?;
    let mut table = Cells::new(file, slots, nulls(&options))?.within(holding);
    let mut columns = vec![Vec::new(); width];
    for column in 0..table.width() {
        columns[table.index(column)].push(column);
    }
    if has_header && !rows.next().map_err(|error| unreadable(&error))? {
        return Err(Error::input(
            file,
            format!("the sheet `{sheet}` has a header and no rows"),
        ));
    }
    loop {
        if table.rows() % ROWS_PER_STEP == 0 && progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        for (place, value) in &rows.cells {
            let Some(targets) = columns.get(*place) else {
                table.refuse(
                    None,
                    format!(
                        "has a value in column {} where the sheet has {width} columns",
                        place + 1
                    ),
                );
                break;
            };
            for &column in targets {
                match cell(value) {
                    Ok(cell) => table.put(column, cell),
                    Err(reason) => table.refuse(Some(column), reason),
                }
            }
        }
        table.end_row(rows.line)?;
        if !rows.next().map_err(|error| unreadable(&error))? {
            return table.finish();
        }
    }
}

/// Checks that the parts of the workbook are no more than a workbook of its size holds: some are
/// held in memory as a whole.
fn check_size(file: &mut File) -> io::Result<()> {
    let size = file.metadata()?.len();
    let mut left = size.saturating_mul(MAX_RATIO).max(ALWAYS);
    let mut archive = ZipArchive::new(BufReader::new(&mut *file))?;
    for part in 0..archive.len() {
        let mut part = archive.by_index(part)?;
        // What a part says of its size is not to be trusted, so it is read.
        let read = io::copy(&mut part.by_ref().take(left + 1), &mut io::sink())?;
        left = left
            .checked_sub(read)
            .ok_or_else(|| io::Error::other("it holds over 250 times its size and over 1 GiB"))?;
    }
    file.rewind()
}

/// The rows of a sheet that have a value.
struct Rows<'w, R: Read + Seek> {
    reader: XlsxCellReader<'w, R>,
    ahead: Option<calamine::Cell<DataRef<'w>>>,
    /// Whether the reader is at its end; it must not be asked again then.
    ended: bool,
    /// The row's number in the sheet, from 1.
    line: u64,
    /// The row's values with their places, from left to right.
    cells: Vec<(usize, DataRef<'w>)>,
}

impl<R: Read + Seek> Rows<'_, R> {
    /// Reads the next row; false at the end.
    fn next(&mut self) -> Result<bool, XlsxError> {
        self.cells.clear();
        loop {
            let cell = match self.ahead.take() {
                Some(cell) => Some(cell),
                None if self.ended => None,
                None => self.reader.next_cell()?,
            };
            let Some(cell) = cell else {
                self.ended = true;
                break;
            };
            if *cell.get_value() == DataRef::Empty {
                continue;
            }
            let (row, place) = cell.get_position();
            let line = u64::from(row) + 1;
            if !self.cells.is_empty() && line != self.line {
                self.ahead = Some(cell);
                break;
            }
            self.line = line;
            self.cells.push((place as usize, cell.get_value().clone()));
        }
        self.cells.sort_by_key(|(place, _)| *place);
        Ok(!self.cells.is_empty())
    }
}

fn header_text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(integer) => integer.to_string(),
        DataRef::Float(float) => float.to_string(),
        _ => String::new(),
    }
}

/// The value of a cell, or why it has none.
fn cell<'v>(value: &'v DataRef<'_>) -> Result<Cell<'v>, &'static str> {
    Ok(match value {
        DataRef::Empty => Cell::Null,
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            Cell::Text(text)
        }
        DataRef::SharedString(text) => Cell::Text(text),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a spreadsheet holds no larger integers"
        )]
        DataRef::Int(integer) => Cell::Float(*integer as f64),
        DataRef::Float(float) => Cell::Float(*float),
        DataRef::Bool(true) => Cell::Text("true"),
        DataRef::Bool(false) => Cell::Text("false"),
        DataRef::DateTime(moment) if moment.is_duration() => Cell::Float(moment.as_f64()),
        DataRef::DateTime(moment) => date(moment).ok_or("is no date of this calendar")?,
        DataRef::Error(CellErrorType::NA) => return Err("is the spreadsheet's error #N/A"),
        DataRef::Error(_) => return Err("is an error of the spreadsheet"),
    })
}

fn date(moment: &ExcelDateTime) -> Option<Cell<'static>> {
    let serial = moment.as_f64();
    // The calendar of spreadsheets ends with the year 9999.
    if !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let (year, month, day, ..) = moment.to_ymd_hms_milli();
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a day in milliseconds fits"
    )]
    let millis = (serial.fract() * MILLIS_PER_DAY).round() as u32;
    let days = Date32Type::from_naive_date(date);
    Some(Cell::Moment(days, millis.min(86_399_999)))
}
