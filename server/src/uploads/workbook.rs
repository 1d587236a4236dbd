//! Workbooks are ZIP archives: what they unpack to is counted before anybody else unpacks them.

use bytes::Bytes;
use object_store::path::Path;
use std::io::{self, Read, Seek, SeekFrom};
use tokio::runtime::Handle;
use zip::ZipArchive;

use super::Staged;
use super::content::{self, Format};
use crate::app::App;
use crate::error::ApiError;
use crate::storage::Storage;

/// Bytes that are fetched at once.
const WINDOW: u64 = 256 << 10;
/// Files in a workbook: some for each sheet, and pictures.
const MAX_FILES: usize = 10_000;
/// Bytes of an archive's table of contents, which is held in memory.
const MAX_CONTENTS: u32 = 8 << 20;
/// The record at the end of an archive, and the longest comment behind it.
const END: usize = 22;
const MAX_COMMENT: u64 = 65_535;

/// Checks a staged file where it is an archive.
///
/// # Errors
/// `Unpacked` where it unpacks to more than `bound`, `BadRequest` where it is damaged, cut off or
/// holds names with path tricks, `UnsupportedMediaType` where it is no workbook.
pub(super) async fn check(app: &App, staged: &Staged, bound: u64) -> Result<(), ApiError> {
    let named = content::named(&staged.name);
    let (format, None) = named else {
        return Ok(());
    };
    if !matches!(format, Some(Format::Workbook) | None) || staged.size < END as u64 {
        return Ok(());
    }
    let head = app.storage.get_range(&staged.key, 0..4).await?;
    if head.as_ref() != b"PK\x03\x04" {
        return Ok(());
    }
    let from = staged.size.saturating_sub(MAX_COMMENT + END as u64);
    let tail = app
        .storage
        .get_range(&staged.key, from..staged.size)
        .await?;
    check_end(&staged.name, &tail)?;
    let object = Object {
        runtime: Handle::current(),
        storage: app.storage.clone(),
        key: staged.key.clone(),
        size: staged.size,
        position: 0,
        window: Bytes::new(),
        start: 0,
    };
    let name = staged.name.clone();
    let workbook = format.is_some();
    tokio::task::spawn_blocking(move || unpack(object, &name, workbook, bound))
        .await
        .map_err(|error| ApiError::Internal(format!("unpacking: {error}")))?
}

/// Looks at the record at the end, before the table of contents is read into memory.
fn check_end(name: &str, tail: &[u8]) -> Result<(), ApiError> {
    let at = (0..=tail.len().saturating_sub(END))
        .rev()
        .find(|at| tail[*at..].starts_with(b"PK\x05\x06"))
        .ok_or_else(|| content::cut_off(name))?;
    let record = tail
        .get(at..at + END)
        .ok_or_else(|| content::cut_off(name))?;
    let files = u16::from_le_bytes([record[10], record[11]]);
    let contents = u32::from_le_bytes([record[12], record[13], record[14], record[15]]);
    if usize::from(files) > MAX_FILES || contents > MAX_CONTENTS {
        return Err(ApiError::bad_request(format!(
            "{name} holds more than {MAX_FILES} files; save the workbook again"
        )));
    }
    Ok(())
}

fn unpack(object: Object, name: &str, workbook: bool, bound: u64) -> Result<(), ApiError> {
    let damaged = |error: &dyn std::fmt::Display| {
        tracing::debug!(%error, "a workbook cannot be unpacked");
        content::cut_off(name)
    };
    let mut archive = ZipArchive::new(object).map_err(|error| damaged(&error))?;
    let parts = ["[Content_Types].xml", "xl/workbook.xml"];
    if workbook
        && parts
            .iter()
            .any(|part| archive.index_for_name(part).is_none())
    {
        return Err(ApiError::UnsupportedMediaType(
            "the content is a ZIP archive and not a workbook; send XLSX, or the files in it one by \
             one"
            .into(),
        ));
    }
    let mut left = bound;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(|error| damaged(&error))?;
        let inside = file.enclosed_name().is_some()
            && file.name().is_ok_and(|name| {
                !name.contains('\\') && !name.split('/').any(|part| part == "..")
            });
        if !inside {
            return Err(ApiError::bad_request(format!(
                "{name} holds a file whose name leads out of it; save the workbook again"
            )));
        }
        // What is unpacked is counted, for the size that an archive claims may be wrong.
        let mut bounded = (&mut file).take(left.saturating_add(1));
        let unpacked = io::copy(&mut bounded, &mut io::sink()).map_err(|error| damaged(&error))?;
        left = left
            .checked_sub(unpacked)
            .ok_or(ApiError::Unpacked(bound))?;
    }
    Ok(())
}

/// An object as a file that is read at any place, on a thread that may wait.
struct Object {
    runtime: Handle,
    storage: Storage,
    key: Path,
    size: u64,
    position: u64,
    window: Bytes,
    start: u64,
}

impl Read for Object {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || to.is_empty() {
            return Ok(0);
        }
        let end = self.start + self.window.len() as u64;
        if !(self.start..end).contains(&self.position) {
            let range = self.position..self.size.min(self.position + WINDOW);
            let fetched = self.storage.get_range(&self.key, range);
            self.window = self.runtime.block_on(fetched)?;
            self.start = self.position;
        }
        let from = usize::try_from(self.position - self.start).map_err(io::Error::other)?;
        let found = &self.window[from..];
        let count = found.len().min(to.len());
        to[..count].copy_from_slice(&found[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Object {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}
