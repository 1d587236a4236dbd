//! Arrow IPC, as a file or as a stream, into typed columns.
//!
//! A file is read like the stream that it contains, so that neither has to be held as a whole. The
//! lengths that messages claim are checked before memory is set aside for them.

use super::convert::{Converter, RowFault};
use super::open::{Content, open};
use super::slots::slots;
use super::{ROW_FAULTS, Table};
use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crds::matching::Dataset;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::ipc::reader::StreamDecoder;
use datafusion::arrow::ipc::{RecordBatch as Header, root_as_message};
use std::io::{self, Read};
use std::sync::Arc;

/// The start of a file; a stream has none.
const MAGIC: &[u8] = b"ARROW1";
/// The magic and the two bytes that fill up to eight; writers may fill up to more.
const MAGIC_LENGTH: usize = 8;
/// Words of zeros that may fill up the start of a file.
const MAX_FILL: usize = 64;
const CONTINUATION: [u8; 4] = [0xFF; 4];
/// The longest description of a message: 64 MiB.
const MAX_METADATA: u32 = 64 << 20;
/// The longest message: 4 GiB, before and after its compression is undone.
const MAX_BODY: u64 = 4 << 30;

pub(super) fn read(
    dataset: &Dataset,
    file: &InputFile,
    holding: &Arc<Holding>,
    progress: &dyn Progress,
) -> Result<Table, Error> {
    let mut content = open(file)?;
    let mut messages = Messages {
        decoder: StreamDecoder::new(),
        first: None,
        file,
    };
    messages.start(&mut content)?;
    let mut table = None;
    while let Some(batch) = messages.next_batch(&mut content)? {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if table.is_none() {
            let (schema, faults) = (batch.schema(), faults_place(&batch));
            let fields = schema.fields().iter().enumerate();
            let names: Vec<String> = fields
                .filter(|(place, _)| Some(*place) != faults)
                .map(|(_, field)| field.name().clone())
                .collect();
            table = Some(Converter::new(file, slots(dataset, file, &names)?).within(holding));
        }
        if let Some(table) = &mut table {
            let faults = faults_place(&batch).map(|place| row_faults(file, &batch, place));
            table.push(&batch, faults.transpose()?.unwrap_or_default())?;
        }
        progress.advance(content.consumed(), content.size);
    }
    table
        .unwrap_or_else(|| Converter::new(file, Vec::new()))
        .finish()
}

/// The place of the column that says which rows cannot be read: the last one, if it is so marked.
fn faults_place(batch: &RecordBatch) -> Option<usize> {
    let schema = batch.schema_ref();
    let last = schema.fields().len().checked_sub(1)?;
    let marked = schema.field(last).metadata().contains_key(ROW_FAULTS);
    marked.then_some(last)
}

/// The rows of a batch that cannot be read, with the column to blame and the reason.
fn row_faults(file: &InputFile, batch: &RecordBatch, place: usize) -> Result<Vec<RowFault>, Error> {
    let damaged = || Error::input(file, "the column of its faults is damaged; write it again");
    let texts = batch.column(place).as_string_opt::<i32>();
    let mut faults = Vec::new();
    for (row, text) in texts.ok_or_else(damaged)?.iter().enumerate() {
        let Some(text) = text else { continue };
        let (column, reason) = text.split_once(' ').ok_or_else(damaged)?;
        let column: usize = column.parse().map_err(|_| damaged())?;
        if column >= place {
            return Err(damaged());
        }
        faults.push((row, column, reason.to_owned()));
    }
    Ok(faults)
}

struct Messages<'a> {
    decoder: StreamDecoder,
    /// The first word of the first message, where it was read already.
    first: Option<[u8; 4]>,
    file: &'a InputFile,
}

impl Messages<'_> {
    fn unreadable(&self, error: &dyn std::fmt::Display) -> Error {
        Error::input(
            self.file,
            format!("this cannot be read as Arrow IPC ({error}); check the file, or set `format`"),
        )
    }

    fn cut_off(&self) -> Error {
        self.unreadable(&"it ends in the middle of a message")
    }

    /// Fills `buffer`; false where nothing is left.
    fn fill(&self, content: &mut Content<'_>, buffer: &mut [u8]) -> Result<bool, Error> {
        let mut filled = 0;
        while filled < buffer.len() {
            match content.reader.read(&mut buffer[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.cut_off()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(content.failed(error)),
            }
        }
        Ok(true)
    }

    fn bytes(&self, content: &mut Content<'_>, length: u64) -> Result<Buffer, Error> {
        let mut bytes = Vec::new();
        // The buffer grows with what is there, not with what a message claims.
        let read = content.reader.as_mut().take(length).read_to_end(&mut bytes);
        if read.map_err(|error| content.failed(error))? as u64 != length {
            return Err(self.cut_off());
        }
        Ok(Buffer::from_vec(bytes))
    }

    fn decode(&mut self, mut buffer: Buffer) -> Result<Option<RecordBatch>, Error> {
        let decoded = self.decoder.decode(&mut buffer);
        decoded.map_err(|error| self.unreadable(&error))
    }

    /// Steps over the start of a file, or checks that this is a stream.
    fn start(&mut self, content: &mut Content<'_>) -> Result<(), Error> {
        let (is_empty, is_file) = match content.reader.fill_buf() {
            Ok(first) => (first.is_empty(), first.starts_with(MAGIC)),
            Err(error) => return Err(content.failed(error)),
        };
        if is_empty {
            return Err(Error::input(self.file, "the file is empty"));
        }
        if is_file {
            self.fill(content, &mut [0; MAGIC_LENGTH])?;
            let mut word = [0; 4];
            for _ in 0..MAX_FILL {
                if word != [0; 4] || !self.fill(content, &mut word)? {
                    break;
                }
            }
            self.first = Some(word);
        }
        Ok(())
    }

    /// The next batch of rows; none at the end.
    fn next_batch(&mut self, content: &mut Content<'_>) -> Result<Option<RecordBatch>, Error> {
        loop {
            let Some(length) = self.next_length(content)? else {
                return Ok(None);
            };
            let metadata = self.bytes(content, u64::from(length))?;
            let message = root_as_message(&metadata).map_err(|error| self.unreadable(&error))?;
            let body_length = u64::try_from(message.bodyLength())
                .ok()
                .filter(|length| *length <= MAX_BODY)
                .ok_or_else(|| self.unreadable(&"a message is too long"))?;
            let body = self.bytes(content, body_length)?;
            let header = message
                .header_as_record_batch()
                .or_else(|| message.header_as_dictionary_batch()?.data());
            if let Some(header) = header {
                check(&header, &body).map_err(|error| self.unreadable(&error))?;
            }
            self.decode(Buffer::from_vec(
                [CONTINUATION, length.to_le_bytes()].concat(),
            ))?;
            self.decode(metadata.clone())?;
            if let Some(batch) = self.decode(body)? {
                return Ok(Some(batch));
            }
        }
    }

    /// The length of the next message's description; none at the end.
    fn next_length(&mut self, content: &mut Content<'_>) -> Result<Option<u32>, Error> {
        let mut word = [0; 4];
        if let Some(first) = self.first.take() {
            word = first;
        } else if !self.fill(content, &mut word)? {
            return Ok(None);
        }
        if word == CONTINUATION && !self.fill(content, &mut word)? {
            return Err(self.cut_off());
        }
        match u32::from_le_bytes(word) {
            0 => Ok(None),
            length if length > MAX_METADATA => Err(self.unreadable(&"a message is too long")),
            length => Ok(Some(length)),
        }
    }
}

/// Checks what a message says of its size.
fn check(header: &Header<'_>, body: &[u8]) -> Result<(), &'static str> {
    const DAMAGED: &str = "a message does not fit what it says of itself";
    let mut size = body.len() as u64;
    for buffer in header.buffers().into_iter().flatten() {
        let within = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, length)| body.get(start..start.checked_add(length)?));
        let bytes = within.ok_or(DAMAGED)?;
        if header.compression().is_some() && !bytes.is_empty() {
            // The length that the buffer has without its compression; -1 where it has none.
            let length = i64::from_le_bytes(*bytes.first_chunk().ok_or(DAMAGED)?);
            size = size.saturating_add(u64::try_from(length).unwrap_or(0));
        }
    }
    if size > MAX_BODY {
        return Err("a message is too long");
    }
    let rows = u64::try_from(header.length()).map_err(|_| DAMAGED)?;
    // A bit a row is the least that a column of values takes up.
    if rows > size.saturating_mul(8).max(1024) {
        return Err(DAMAGED);
    }
    Ok(())
}
