//! How much a run may hold in memory, and what follows from it.
//!
//! A run whose values fit holds them, several times over: as they were read, cleaned up, brought into
//! the form that comparisons need, by the keys of blocks. One whose values do not fit keeps them in a
//! file without a name, in the order of keys ([`crate::spill`]), and reads back what a step looks at:
//! the columns of one block, the rows of some candidate pairs, the rows of some lines of an output.
//! Of each record its key, a few numbers for each block and comparison and its fate stay in memory,
//! and the scored pairs that are kept.

use crate::error::Error;
use crds::matching::MatchingSpec;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often values stand in memory at a time where all of them are held.
const COPIES: u64 = 4;
/// Chunks that fit the memory: values are read back, brought into order and prepared, which holds
/// a chunk a few times.
const CHUNKS: u64 = 8;

/// The memory of a run.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// What all of the run may take, in bytes.
    pub limit: u64,
    /// What the values of both sides may take where they are held.
    pub held: u64,
    /// What is read back of them at a time.
    pub chunk: u64,
}

impl Room {
    /// What a specification allows.
    #[must_use]
    pub fn of(spec: &MatchingSpec) -> Self {
        let limit = spec.effective_limits().memory;
        Self {
            limit,
            held: limit / COPIES,
            chunk: limit / CHUNKS,
        }
    }

    /// Room for everything.
    #[must_use]
    pub fn endless() -> Self {
        Self {
            limit: u64::MAX,
            held: u64::MAX,
            chunk: u64::MAX,
        }
    }

    /// How many of some rows, which take so many bytes together, are read back at a time.
    #[must_use]
    pub fn rows(self, bytes: u64, rows: usize) -> usize {
        let each = (bytes / (rows as u64).max(1)).max(1);
        usize::try_from(self.chunk / each).unwrap_or(usize::MAX)
    }

    /// Holds what stays in memory whatever is spilled against the limit.
    ///
    /// # Errors
    /// [`Error::Memory`] when it is more.
    pub fn check(self, needed: u64, what: impl FnOnce() -> String) -> Result<(), Error> {
        if needed <= self.limit {
            return Ok(());
        }
        Err(Error::Memory {
            what: what(),
            needed,
            limit: self.limit,
        })
    }
}

/// What both sides hold while they are read.
#[derive(Debug)]
pub struct Holding {
    most: u64,
    bytes: AtomicU64,
}

impl Holding {
    /// Nothing yet, of at most so many bytes.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self {
            most,
            bytes: AtomicU64::new(0),
        }
    }

    /// Takes room for more bytes; false where all together are too many.
    pub fn take(&self, bytes: u64) -> bool {
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.most
    }

    /// Gives room back.
    pub fn give(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
