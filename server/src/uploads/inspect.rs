//! Looks at a file as it comes in: unpacks it where it is compressed, and keeps both its ends.

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use std::io::{self, Write};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::content::{self, Compression, Ends, Format};
use crate::error::ApiError;

/// First bytes of the content that are kept: enough to tell text.
const HEAD: usize = 16 << 10;
/// Last bytes of the content that are kept: longer than any mark at the end of a file.
const TAIL: usize = 16;
/// The largest window of Zstandard, as a power of two, so that no upload takes much memory. What
/// `zstd` writes without `--ultra` and `--long` has at most half of it.
const WINDOW_LOG: u32 = 24;
const BUFFER: usize = 128 << 10;

/// What was seen of a file so far.
pub(super) struct Inspector {
    name: String,
    format: Option<Format>,
    content: Content,
    packed: u64,
    max_upload: u64,
}

enum Content {
    Plain(Seen),
    Gzip(Box<MultiGzDecoder<Seen>>),
    Zstd(Box<Zstd>),
}

struct Zstd {
    decoder: Decoder<'static>,
    buffer: Vec<u8>,
    /// Whether the last frame is complete.
    complete: bool,
    seen: Seen,
}

/// Both ends of what was written, up to a bound.
#[derive(Default)]
struct Seen {
    head: Vec<u8>,
    tail: Vec<u8>,
    size: u64,
    bound: u64,
    over: bool,
}

impl Write for Seen {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.size += data.len() as u64;
        if self.size > self.bound {
            self.over = true;
            return Err(io::Error::other("it holds too much"));
        }
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&data[..room.min(data.len())]);
        self.tail
            .extend_from_slice(&data[data.len().saturating_sub(TAIL)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inspector {
    pub(super) fn new(name: &str, max_upload: u64) -> Result<Self, ApiError> {
        let (format, compression) = content::named(name);
        let seen = Seen::default();
        let content = match compression {
            None => Content::Plain(seen),
            Some(Compression::Gzip) => Content::Gzip(Box::new(MultiGzDecoder::new(seen))),
            Some(Compression::Zstd) => Content::Zstd(Box::new(
                Zstd::new(seen).map_err(|error| ApiError::Internal(format!("zstd: {error}")))?,
            )),
        };
        Ok(Self {
            name: name.to_owned(),
            format,
            content,
            packed: 0,
            max_upload,
        })
    }

    /// Looks at the next bytes; unpacking is done on a thread that may be busy for long.
    pub(super) async fn look_at(mut self, chunk: Bytes) -> Result<Self, ApiError> {
        if matches!(self.content, Content::Plain(_)) {
            self.push(&chunk)?;
            return Ok(self);
        }
        let busy = tokio::task::spawn_blocking(move || self.push(&chunk).map(|()| self));
        busy.await
            .map_err(|error| ApiError::Internal(format!("unpacking: {error}")))?
    }

    fn push(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        self.packed += chunk.len() as u64;
        let bound = content::bound(self.packed, self.max_upload);
        let result = match &mut self.content {
            Content::Plain(seen) => {
                seen.bound = u64::MAX;
                seen.write_all(chunk)
            }
            Content::Gzip(decoder) => {
                decoder.get_mut().bound = bound;
                decoder.write_all(chunk)
            }
            Content::Zstd(zstd) => {
                zstd.seen.bound = bound;
                zstd.write(chunk)
            }
        };
        result.map_err(|error| self.refused(&error))
    }

    /// Says whether all of it was good.
    pub(super) fn finish(mut self) -> Result<(), ApiError> {
        let result = match &mut self.content {
            Content::Plain(_) => Ok(()),
            // Of an empty file there is no header that could be wrong.
            _ if self.packed == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Content::Gzip(decoder) => decoder.try_finish(),
            Content::Zstd(zstd) if zstd.complete => Ok(()),
            Content::Zstd(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        result.map_err(|error| self.refused(&error))?;
        let seen = self.seen();
        let ends = Ends {
            head: &seen.head,
            tail: &seen.tail,
            size: seen.size,
        };
        content::check(&self.name, self.format, &ends)
    }

    fn seen(&self) -> &Seen {
        match &self.content {
            Content::Plain(seen) => seen,
            Content::Gzip(decoder) => decoder.get_ref(),
            Content::Zstd(zstd) => &zstd.seen,
        }
    }

    fn refused(&self, error: &io::Error) -> ApiError {
        let seen = self.seen();
        if seen.over {
            return ApiError::Unpacked(seen.bound);
        }
        let compression = match &self.content {
            Content::Gzip(_) => "gzip",
            _ => "Zstandard",
        };
        tracing::debug!(%error, compression, "an upload cannot be unpacked");
        let name = &self.name;
        ApiError::bad_request(format!(
            "{name} is not {compression}, or is damaged or cut off, or needs a window over \
             {} MiB to be unpacked; write it again",
            1 << (WINDOW_LOG - 20)
        ))
    }
}

impl Zstd {
    fn new(seen: Seen) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self {
            decoder,
            buffer: vec![0; BUFFER],
            complete: false,
            seen,
        })
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if chunk.is_empty() {
            return Ok(());
        }
        let mut input = InBuffer::around(chunk);
        loop {
            let mut output = OutBuffer::around(self.buffer.as_mut_slice());
            let missing = self.decoder.run(&mut input, &mut output)?;
            let written = output.pos();
            self.complete = missing == 0;
            self.seen.write_all(&self.buffer[..written])?;
            // A full buffer may have been too small for what the decoder holds back.
            let more = written == self.buffer.len() && missing > 0;
            if input.pos() == chunk.len() && !more {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Inspector;
    use crate::error::ApiError;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;
    use std::mem::discriminant;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(content: &[u8]) -> Vec<u8> {
        zstd::encode_all(content, 3).unwrap()
    }

    /// The verdict, which must be the same for every way of cutting the file.
    fn inspect(name: &str, content: &[u8]) -> Result<(), ApiError> {
        let verdict = |step: usize| {
            let mut inspector = Inspector::new(name, 10_000).unwrap();
            content.chunks(step).try_for_each(|it| inspector.push(it))?;
            inspector.finish()
        };
        let whole = verdict(content.len().max(1));
        for step in [1, 7, 1000] {
            let parts = verdict(step);
            let kind = |it: &Result<(), ApiError>| it.as_ref().err().map(discriminant);
            assert_eq!(kind(&parts), kind(&whole), "{name} in steps of {step}");
        }
        whole
    }

    fn rows() -> Vec<u8> {
        (0..900)
            .flat_map(|row| format!("{row},x\n").into_bytes())
            .collect()
    }

    #[test]
    fn compressed_files_are_told_by_what_they_hold() {
        let rows = rows();
        for (extension, pack) in [("gz", gzip as fn(&[u8]) -> Vec<u8>), ("zst", zstd)] {
            let csv = format!("a.csv.{extension}");
            assert!(inspect(&csv, &pack(&rows)).is_ok());
            // Several members, one after the other.
            let both = [pack(&rows[..3000]), pack(&rows[3000..])].concat();
            assert!(inspect(&csv, &both).is_ok());
            let parquet = format!("a.parquet.{extension}");
            let wrong = inspect(&parquet, &pack(&rows));
            assert!(matches!(wrong, Err(ApiError::UnsupportedMediaType(_))));
            assert!(inspect(&parquet, &pack(b"PAR1....PAR1")).is_ok());
            assert!(inspect(&csv, &pack(b"")).is_ok());
        }
    }

    #[test]
    fn damaged_and_cut_off_files_are_refused() {
        for (name, packed) in [("a.csv.gz", gzip(&rows())), ("a.csv.zst", zstd(&rows()))] {
            let bad = |content: &[u8]| {
                let verdict = inspect(name, content);
                assert!(
                    matches!(verdict, Err(ApiError::BadRequest(_))),
                    "{verdict:?}"
                );
            };
            bad(&[]);
            bad(b"id,amount\n1,2\n");
            bad(&packed[..1]);
            bad(&packed[..packed.len() / 2]);
            bad(&packed[..packed.len() - 1]);
            let mut flipped = packed.clone();
            flipped[2] ^= 0x55;
            flipped[packed.len() - 5] ^= 0x55;
            bad(&flipped);
            bad(&[packed.as_slice(), b"more"].concat());
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_before_it_is_all_unpacked() {
        let zeros = vec![b' '; 5_000_000];
        for (name, packed) in [("a.csv.gz", gzip(&zeros)), ("a.csv.zst", zstd(&zeros))] {
            assert!(packed.len() < 19_000);
            let verdict = inspect(name, &packed);
            assert!(matches!(verdict, Err(ApiError::Unpacked(_))), "{verdict:?}");
        }
        // The same in small is no bomb.
        assert!(inspect("a.csv.gz", &gzip(&zeros[..10_000])).is_ok());
    }
}
