//! Temporary files for what was fetched.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use tempfile::NamedTempFile;

/// A temporary file that others can open by its path for as long as this lives.
pub enum Spool {
    /// It has no name of its own, so the system takes it back whatever happens to this process.
    Nameless(File),
    /// Its name is taken away when this is dropped.
    Named(NamedTempFile),
}

impl Spool {
    /// An empty file in the system's folder for temporary files (`TMPDIR`).
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        let nameless = Self::Nameless(tempfile::tempfile()?);
        if nameless.path().exists() {
            return Ok(nameless);
        }
        NamedTempFile::with_prefix("reconcile-").map(Self::Named)
    }

    /// The file, to write to.
    pub fn file(&mut self) -> &mut File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(named) => named.as_file_mut(),
        }
    }

    /// A path that leads to the file. On systems without `/proc` it leads nowhere for a nameless one.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Nameless(file) => descriptor(file),
            Self::Named(named) => named.path().to_owned(),
        }
    }
}

/// What to say when the file cannot be made or written.
pub fn failed(error: &io::Error) -> String {
    format!(
        "{}: {error}; make room there, or set TMPDIR to a folder that has it",
        std::env::temp_dir().display()
    )
}

// Elsewhere such a path shares its position with the file that it leads to.
#[cfg(target_os = "linux")]
fn descriptor(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(not(target_os = "linux"))]
fn descriptor(_file: &File) -> PathBuf {
    PathBuf::new()
}
