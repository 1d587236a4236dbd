//! What a file is, by its name and by its first bytes.

use crate::error::ApiError;

/// How much more a compressed file may hold than it takes up: real tables shrink by 3 to 50.
const MAX_RATIO: u64 = 250;
/// What a compressed file may hold whatever its ratio.
const ALWAYS: u64 = 1 << 30;

/// The most that a compressed file of a size may hold: as for the engine, and at least what an
/// upload may hold that is not compressed.
pub(super) fn bound(size: u64, max_upload: u64) -> u64 {
    size.saturating_mul(MAX_RATIO).max(ALWAYS.min(max_upload))
}

/// What a table can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Delimited text: CSV and TSV.
    Delimited,
    /// One JSON object a line.
    Ndjson,
    /// A JSON document.
    Json,
    /// Parquet.
    Parquet,
    /// Arrow, as a file or as a stream.
    Arrow,
    /// An Excel workbook.
    Workbook,
}

/// How a whole file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// What a name says: none where the extension names no format, which a specification may name.
pub(super) fn named(name: &str) -> (Option<Format>, Option<Compression>) {
    let lower = name.to_ascii_lowercase();
    let (stem, compression) = match lower.rsplit_once('.') {
        Some((stem, "gz")) => (stem, Some(Compression::Gzip)),
        Some((stem, "zst")) => (stem, Some(Compression::Zstd)),
        _ => (lower.as_str(), None),
    };
    let format = match stem.rsplit_once('.').map(|(_, extension)| extension) {
        Some("csv" | "tsv" | "tab") => Some(Format::Delimited),
        Some("ndjson" | "jsonl") => Some(Format::Ndjson),
        Some("json") => Some(Format::Json),
        Some("parquet") => Some(Format::Parquet),
        Some("arrow" | "arrows" | "feather" | "ipc") => Some(Format::Arrow),
        Some("xlsx") => Some(Format::Workbook),
        _ => None,
    };
    (format, compression)
}

/// Beginnings of files that are no text, whatever they are called.
const MAGIC: &[(&[u8], &str)] = &[
    (b"PAR1", "Parquet"),
    (b"ARROW1", "Arrow"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"PARE", "an encrypted Parquet file"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (b"Rar!\x1a\x07", "RAR"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "a workbook of Excel 2003 or older",
    ),
    (b"%PDF-", "PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90\0", "a program"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3\0", "an SQLite database"),
];
/// Those that a specification may name as the format of a file with another extension.
const KNOWN: &[&[u8]] = &[b"PAR1", b"ARROW1", b"\xff\xff\xff\xff", b"PK\x03\x04"];

fn magic(head: &[u8]) -> Option<&'static str> {
    let (_, name) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic))?;
    Some(name)
}

/// The first and the last bytes of a content, and how many it has in all.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    /// The first bytes.
    pub(super) head: &'a [u8],
    /// The last bytes.
    pub(super) tail: &'a [u8],
    /// Bytes in all.
    pub(super) size: u64,
}

/// Whether a content is what its name says.
///
/// # Errors
/// `UnsupportedMediaType` where it is something else, `BadRequest` where its end is missing.
pub(super) fn check(name: &str, format: Option<Format>, ends: &Ends<'_>) -> Result<(), ApiError> {
    let Ends { head, tail, size } = *ends;
    let other = |expected: &str| {
        let found = magic(head).unwrap_or(if is_text(head) { "text" } else { "binary data" });
        let found = if head.is_empty() { "empty" } else { found };
        ApiError::UnsupportedMediaType(
            format!("the content is not {expected}, as the name says, but {found}").into(),
        )
    };
    let text = head.is_empty() || (magic(head).is_none() && is_text(head));
    match format {
        None if text || KNOWN.iter().any(|magic| head.starts_with(magic)) => Ok(()),
        None => Err(ApiError::UnsupportedMediaType(
            format!(
                "the content is {}, which is no table; send CSV, TSV, NDJSON, JSON, Parquet, Arrow \
                 or XLSX under its own extension",
                magic(head).unwrap_or("binary data")
            )
            .into(),
        )),
        Some(Format::Delimited) if text => Ok(()),
        Some(Format::Delimited) => Err(other("delimited text")),
        Some(Format::Ndjson) if text && starts_with(head, b"{") => Ok(()),
        Some(Format::Ndjson) => Err(other("lines of JSON objects")),
        Some(Format::Json) if text && starts_with(head, b"[{") => Ok(()),
        Some(Format::Json) => Err(other("JSON of records")),
        Some(Format::Parquet) if !head.starts_with(b"PAR1") => Err(other("Parquet")),
        Some(Format::Parquet) if size < 12 || !tail.ends_with(b"PAR1") => Err(cut_off(name)),
        Some(Format::Arrow) if head.starts_with(b"ARROW1") => {
            if size > 12 && tail.ends_with(b"ARROW1") {
                Ok(())
            } else {
                Err(cut_off(name))
            }
        }
        Some(Format::Arrow) if !head.starts_with(b"\xff\xff\xff\xff") => Err(other("Arrow")),
        Some(Format::Workbook) if !head.starts_with(b"PK\x03\x04") => Err(other("a workbook")),
        Some(Format::Parquet | Format::Arrow | Format::Workbook) => Ok(()),
    }
}

/// The answer to a file whose end is missing.
pub(super) fn cut_off(name: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{name} is damaged or cut off: its end is missing; write it again"
    ))
}

/// Text has no NUL, except where each character has two bytes.
fn is_text(head: &[u8]) -> bool {
    let nul = |first: usize| head.iter().skip(first).step_by(2).filter(|it| **it == 0);
    let (even, odd) = (nul(0).count(), nul(1).count());
    match (even, odd) {
        (0, 0) => true,
        // UTF-16: ASCII characters have their NUL on one side, and tables have many of them.
        (0, zeros) | (zeros, 0) => zeros * 8 >= head.len(),
        _ => head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff"),
    }
}

/// Whether the first character that is no space is one of these; an empty text has none.
fn starts_with(head: &[u8], any: &[u8]) -> bool {
    // In UTF-16 the other byte of an ASCII character is NUL, and a byte order mark is none of them.
    let skipped = |c: u8| c.is_ascii_whitespace() || c == 0 || c >= 0x80;
    head.iter()
        .find(|c| !skipped(**c))
        .is_none_or(|first| any.contains(first))
}

#[cfg(test)]
mod tests {
    use super::{Ends, check, named};
    use rstest::rstest;

    fn fits(name: &str, content: &[u8]) -> Result<(), u16> {
        use axum::response::IntoResponse as _;
        let ends = Ends {
            head: content,
            tail: content,
            size: content.len() as u64,
        };
        check(name, named(name).0, &ends).map_err(|error| error.into_response().status().as_u16())
    }

    #[rstest]
    #[case("a.csv", b"a,b\n1,2\n")]
    #[case("a.csv", b"")]
    #[case("a.CSV", b"\xef\xbb\xbfa;b\n")]
    #[case("a.tsv", b"\xe4\t\xf6\n")]
    #[case("a.csv", b"\xff\xfea\0,\0b\0")]
    #[case("a.csv", b"a\0,\0b\0\n\0")]
    #[case("a.csv", b"\xfe\xff\x4e\x2d\0,\0b")]
    #[case("a.ndjson", b"\n {\"a\": 1}\n")]
    #[case("a.jsonl", b"")]
    #[case("a.json", b" [{\"a\": 1}]")]
    #[case("a.json", b"{\"rows\": []}")]
    #[case("a.parquet", b"PAR1....PAR1")]
    #[case("a.arrow", b"ARROW1\0\0....ARROW1")]
    #[case("a.feather", b"\xff\xff\xff\xff....")]
    #[case("a.xlsx", b"PK\x03\x04....")]
    #[case("ledger.data", b"a,b\n")]
    #[case("ledger", b"PAR1....PAR1")]
    fn content_that_fits(#[case] name: &str, #[case] content: &[u8]) {
        assert_eq!(fits(name, content), Ok(()));
    }

    #[rstest]
    #[case("a.csv", b"PAR1....PAR1", 415)]
    #[case("a.csv", b"PK\x03\x04....", 415)]
    #[case("a.csv", b"\x1f\x8b\x08\0....", 415)]
    #[case("a.csv", b"a,b\n1,\x002\n", 415)]
    #[case("a.csv", b"%PDF-1.7", 415)]
    #[case("a.tsv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 415)]
    #[case("a.ndjson", b"[1]", 415)]
    #[case("a.json", b"a,b\n", 415)]
    #[case("a.json", b"\x89PNG\r\n", 415)]
    #[case("a.parquet", b"a,b\n", 415)]
    #[case("a.parquet", b"", 415)]
    #[case("a.parquet", b"PAR1", 400)]
    #[case("a.parquet", b"PAR1........", 400)]
    #[case("a.arrow", b"PAR1....PAR1", 415)]
    #[case("a.arrow", b"ARROW1\0\0....", 400)]
    #[case("a.xlsx", b"a,b\n", 415)]
    #[case("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 415)]
    #[case("ledger.data", b"\x7fELF\x02", 415)]
    #[case("ledger", b"\x01\x02\0\0\x03\0\0\0", 415)]
    fn content_that_does_not_fit(#[case] name: &str, #[case] content: &[u8], #[case] status: u16) {
        assert_eq!(fits(name, content), Err(status));
    }

    #[rstest]
    fn the_engine_reads_the_same_extensions(
        #[values(
            "a.csv",
            "a.tsv",
            "a.tab",
            "a.ndjson",
            "a.jsonl",
            "a.json",
            "a.parquet",
            "a.arrow",
            "a.arrows",
            "a.feather",
            "a.ipc",
            "a.xlsx",
            "a.xls",
            "a.txt",
            "a",
            "a.csv.gz",
            "a.CSV.ZST",
            "a.gz",
            "a.csv.bz2"
        )]
        name: &str,
    ) {
        assert_eq!(named(name).0.is_some(), engine::names_a_format(name));
    }
}
