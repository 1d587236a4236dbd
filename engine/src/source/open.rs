//! Opening a file: compression by extension is undone on the way, without a copy of the whole.

use crate::InputFile;
use crate::error::Error;
use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::rc::Rc;

/// How much more a compressed file may hold than it takes up: real tables shrink by 3 to 50.
const MAX_RATIO: u64 = 250;
/// What a compressed file may always hold: 1 GiB.
const ALWAYS: u64 = 1 << 30;
const BUFFER: usize = 1 << 18;

/// Ways of compressing a whole file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952), one or several members.
    Gzip,
    /// Zstandard (RFC 8878), one or several frames.
    Zstd,
}

impl Compression {
    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// A file's name without the extension of its compression, and that compression.
#[must_use]
pub fn compression(name: &str) -> (&str, Option<Compression>) {
    let extension = name.rsplit_once('.').map(|(stem, extension)| {
        let compression = match extension.to_ascii_lowercase().as_str() {
            "gz" => Some(Compression::Gzip),
            "zst" => Some(Compression::Zstd),
            _ => None,
        };
        (stem, compression)
    });
    match extension {
        Some((stem, Some(compression))) => (stem, Some(compression)),
        _ => (name, None),
    }
}

/// The content of a file, front to back.
pub struct Content<'a> {
    /// The content, with its compression undone.
    pub reader: Box<dyn BufRead>,
    /// The file's size in bytes.
    pub size: u64,
    file: &'a InputFile,
    compression: Option<Compression>,
    consumed: Rc<Cell<u64>>,
}

/// Opens a file for reading front to back.
///
/// # Errors
/// When it cannot be opened.
pub fn open(file: &InputFile) -> Result<Content<'_>, Error> {
    let opened = File::open(&file.path).map_err(Error::io(&file.path))?;
    let size = opened.metadata().map_err(Error::io(&file.path))?.len();
    let consumed = Rc::new(Cell::new(0));
    let raw = Counting {
        inner: opened,
        consumed: consumed.clone(),
    };
    let raw = BufReader::with_capacity(BUFFER, raw);
    let (_, compression) = compression(&file.name);
    let limited = |reader: Box<dyn Read>| -> Box<dyn BufRead> {
        let bounded = Bounded {
            inner: reader,
            left: size.saturating_mul(MAX_RATIO).max(ALWAYS),
        };
        Box::new(BufReader::with_capacity(BUFFER, bounded))
    };
    let reader = match compression {
        None => Box::new(raw),
        Some(Compression::Gzip) => limited(Box::new(MultiGzDecoder::new(raw))),
        Some(Compression::Zstd) => {
            let decoder = zstd::stream::read::Decoder::with_buffer(raw);
            limited(Box::new(decoder.map_err(Error::io(&file.path))?))
        }
    };
    Ok(Content {
        reader,
        size,
        file,
        compression,
        consumed,
    })
}

/// Opens a file for reading at any place. One that is compressed as a whole is first decompressed
/// into a temporary file that has no name.
///
/// # Errors
/// When it cannot be opened or decompressed.
pub fn open_seekable(file: &InputFile) -> Result<File, Error> {
    if compression(&file.name).1.is_none() {
        return File::open(&file.path).map_err(Error::io(&file.path));
    }
    let mut content = open(file)?;
    let folder = std::env::temp_dir();
    let mut copy = tempfile::tempfile().map_err(Error::io(&folder))?;
    loop {
        let read = match content.reader.fill_buf() {
            Ok([]) => break,
            Ok(part) => {
                io::Write::write_all(&mut copy, part).map_err(Error::io(&folder))?;
                part.len()
            }
            Err(error) => return Err(content.failed(error)),
        };
        content.reader.consume(read);
    }
    copy.rewind().map_err(Error::io(&folder))?;
    Ok(copy)
}

impl Content<'_> {
    /// Bytes of the file that were read so far.
    pub fn consumed(&self) -> u64 {
        self.consumed.get()
    }

    /// Why reading failed: the disk, or a compressed stream that is damaged.
    pub fn failed(&self, error: io::Error) -> Error {
        match self.compression {
            Some(compression) if error.raw_os_error().is_none() => {
                let inner = error.get_ref();
                let detail = if inner.and_then(|e| e.downcast_ref::<TooMuch>()).is_some() {
                    error.to_string()
                } else {
                    format!(
                        "the {} stream is damaged or cut off; write the file again",
                        compression.name()
                    )
                };
                Error::input(self.file, detail)
            }
            _ => Error::io(&self.file.path)(error),
        }
    }
}

/// Counts the bytes that pass.
struct Counting<R> {
    inner: R,
    consumed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.consumed.set(self.consumed.get() + read as u64);
        Ok(read)
    }
}

/// Ends in an error where more comes out than a table holds.
struct Bounded {
    inner: Box<dyn Read>,
    left: u64,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "it holds over {MAX_RATIO} times its size and over 1 GiB; if it really is a table, decompress \
     it and run again"
)]
struct TooMuch;

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(TooMuch))?;
        Ok(read)
    }
}
