//! CSV and TSV (RFC 4180) into cells, row by row: a bad row is set aside, the next is read.
//!
//! An empty line is no row. A byte-order mark is dropped. White space belongs to a text and is
//! dropped around the values of other types.

use super::cells::{Cell, Cells};
use super::encoding::{self, ToUtf8};
use super::open::{Content, open};
use super::slots::slots;
use super::{Table, column_name, nulls};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crds::matching::{Dataset, Format};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr_iter;
use std::io::{self, BufRead, BufReader, Cursor};
use std::str::from_utf8;
use std::sync::Arc;

/// Rows between two looks at whether the run was cancelled.
const ROWS_PER_STEP: u64 = 8192;
/// The longest row: 64 MiB. A quote that is never closed makes the rest of a file one row.
const MAX_ROW: usize = 64 << 20;
const MAX_COLUMNS: usize = 16_384;

pub(super) fn read(
    dataset: &Dataset,
    format: Format,
    file: &InputFile,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let options = dataset.options.clone().unwrap_or_default();
    let delimiter = match (format, &options.delimiter) {
        (Format::Tsv, _) => b'\t',
        (_, Some(delimiter)) => delimiter.bytes().next().unwrap_or(b','),
        (_, None) => b',',
    };
    let label = options.encoding.as_ref().map_or("utf-8", |e| e.label());
    let encoding = encoding::of_label(label).map_err(|detail| Error::input(file, detail))?;
    let mut content = open(file)?;
    if encoding != encoding_rs::UTF_8 {
        let raw = std::mem::replace(&mut content.reader, Box::new(Cursor::new([])));
        content.reader = Box::new(BufReader::with_capacity(
            1 << 18,
            ToUtf8::new(raw, encoding),
        ));
    }
    let mut records = Records::new(delimiter);
    let not_text = format!("is not {} text", encoding.name());

    if !records.next(&mut content)? {
        return Err(Error::input(
            file,
            "the file is empty; it needs a header and rows",
        ));
    }
    if records.fields > MAX_COLUMNS || records.too_long {
        return Err(Error::input(
            file,
            "its first line has over 16,384 columns or 64 MiB; check the delimiter and the format",
        ));
    }
    let named = options.header.unwrap_or(true);
    let present = header(&records, named).ok_or_else(|| {
        let name = encoding.name();
        let remedy = format!("save the file as {name}, or name its encoding in `options.encoding`");
        Error::input(file, format!("the header is not {name} text; {remedy}"))
    })?;
    let slots = slots(dataset, file, &present)?;
    let mut cells = Cells::new(file, slots, nulls(&options))?.within(holding);
    let places: Vec<usize> = (0..cells.width())
        .map(|column| cells.index(column))
        .collect();
    if named && !records.next(&mut content)? {
        return Err(Error::input(
            file,
            "the file has a header and no rows; check that it was written completely",
        ));
    }

    loop {
        if cells.rows() % ROWS_PER_STEP == 0 {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            progress.advance(content.consumed(), content.size);
        }
        if records.too_long {
            cells.refuse(None, "is longer than 64 MiB; is a quote never closed?");
        } else if records.fields != present.len() {
            let (found, width) = (records.fields, present.len());
            cells.refuse(
                None,
                format!("has {found} fields where the file has {width} columns"),
            );
        } else if let Some(text) = records.text() {
            let mut bounded = true;
            for (column, &place) in places.iter().enumerate() {
                match text.get(records.range(place)) {
                    Some(field) => cells.put(column, Cell::Text(field)),
                    None => bounded = false,
                }
            }
            if !bounded {
                cells.refuse(None, not_text.as_str());
            }
        } else {
            let bad = places
                .iter()
                .position(|&place| from_utf8(records.field(place)).is_err());
            cells.refuse(bad, not_text.as_str());
        }
        cells.end_row(records.line)?;
        if !records.next(&mut content)? {
            return cells.finish();
        }
    }
}

/// The columns' names; none where one is not text.
fn header(records: &Records, named: bool) -> Option<Vec<String>> {
    (0..records.fields)
        .map(|place| {
            let text = if named {
                from_utf8(records.field(place)).ok()?
            } else {
                ""
            };
            let text = text.trim_start_matches('\u{feff}');
            Some(column_name(text, place))
        })
        .collect()
}

/// One record after the other, in buffers that are used again.
struct Records {
    core: Reader,
    bytes: Vec<u8>,
    length: usize,
    ends: Vec<usize>,
    /// How many fields the record has. Where it has more than the first, only these are kept.
    fields: usize,
    /// The line on which the record starts, from 1.
    line: u64,
    /// Whether the record is longer than any row can be.
    too_long: bool,
    /// Line feeds that were skipped between records.
    skipped: u64,
    first: bool,
}

impl Records {
    fn new(delimiter: u8) -> Self {
        Self {
            core: ReaderBuilder::new().delimiter(delimiter).build(),
            bytes: vec![0; 1 << 16],
            length: 0,
            ends: vec![0; 64],
            fields: 0,
            line: 1,
            too_long: false,
            skipped: 0,
            first: true,
        }
    }

    /// Reads the next record; false at the end.
    fn next(&mut self, content: &mut Content<'_>) -> Result<bool, Error> {
        match self.read(content.reader.as_mut()) {
            Ok(more) => Ok(more),
            Err(error) => Err(content.failed(error)),
        }
    }

    fn read(&mut self, reader: &mut dyn BufRead) -> io::Result<bool> {
        self.skip_line_ends(reader)?;
        self.line = self.core.line() + self.skipped;
        (self.length, self.fields, self.too_long) = (0, 0, false);
        let mut kept = 0;
        loop {
            let input = reader.fill_buf()?;
            let (result, read, written, ended) = self.core.read_record(
                input,
                &mut self.bytes[self.length..],
                &mut self.ends[kept..],
            );
            reader.consume(read);
            self.length += written;
            self.fields += ended;
            kept += ended;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.bytes.len() >= MAX_ROW => {
                    self.too_long = true;
                    self.length = 0;
                }
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.first && kept < MAX_COLUMNS => {
                    self.ends.resize(kept * 2, 0);
                }
                // More fields than columns are counted and not kept.
                ReadRecordResult::OutputEndsFull => kept = 0,
                ReadRecordResult::Record => {
                    if self.first {
                        self.first = false;
                        self.ends.resize(kept + 1, 0);
                    }
                    return Ok(true);
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Skips empty lines and the second half of a Windows line end, so that a record's line is where
    /// its first character stands.
    fn skip_line_ends(&mut self, reader: &mut dyn BufRead) -> io::Result<()> {
        loop {
            let input = reader.fill_buf()?;
            let count = input
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .count();
            self.skipped += memchr_iter(b'\n', &input[..count]).count() as u64;
            let all = count == input.len() && count > 0;
            reader.consume(count);
            if !all {
                return Ok(());
            }
        }
    }

    fn range(&self, place: usize) -> std::ops::Range<usize> {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[place]
    }

    fn field(&self, place: usize) -> &[u8] {
        &self.bytes[self.range(place)]
    }

    /// All fields as one text.
    fn text(&self) -> Option<&str> {
        from_utf8(&self.bytes[..self.length]).ok()
    }
}
