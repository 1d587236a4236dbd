//! Entries of rows by the hash of their key, in memory up to a budget and in files beyond it.
//!
//! The files have no name: the system takes them back whatever happens to the process.

use crate::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a chunk, the unit in which entries move to a partition and to a file.
const CHUNK: usize = 12 << 10;
/// Bytes of both sides' entries that one partition should hold: what a processor's cache does.
const PARTITION: u64 = 1 << 20;

/// One side's entries. An entry is `width` words of 64 bits, its first one spread evenly: the
/// highest bits choose the partition.
pub struct Partitions {
    width: usize,
    shift: u32,
    parts: Vec<Mutex<Vec<Chunk>>>,
}

enum Chunk {
    Held(Vec<u64>),
    Spilled { file: usize, at: u64, words: usize },
}

/// The memory for entries, and the files for those that find no room in it.
pub struct Room {
    budget: u64,
    held: AtomicU64,
    files: Vec<Mutex<Option<File>>>,
}

impl Room {
    /// Room for `budget` bytes of entries, used by `workers` threads.
    #[must_use]
    pub fn new(budget: u64, workers: usize) -> Self {
        Self {
            budget,
            held: AtomicU64::new(0),
            files: (0..workers).map(|_| Mutex::new(None)).collect(),
        }
    }

    /// Gives back the room of so many words.
    fn free(&self, words: usize) {
        self.held.fetch_sub(words as u64 * 8, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A worker that panicked ends the run; what it left is not used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of partitions, a power of two, for so many entries of both sides.
#[must_use]
pub fn partitions_for(entries: u64, width: usize) -> usize {
    let bytes = entries.saturating_mul(width as u64 * 8);
    let wanted = (bytes / PARTITION).clamp(2, 1024).next_power_of_two();
    usize::try_from(wanted).unwrap_or(1024)
}

impl Partitions {
    /// Nothing yet, in `count` partitions, a power of two from 2 on.
    #[must_use]
    pub fn new(count: usize, width: usize) -> Self {
        Self {
            width,
            shift: 64 - count.trailing_zeros(),
            parts: (0..count).map(|_| Mutex::default()).collect(),
        }
    }

    /// The words of an entry.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many partitions there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Takes a partition's entries out, in no order.
    ///
    /// # Errors
    /// When a spilled chunk cannot be read back.
    pub fn take(&self, index: usize, room: &Room, entries: &mut Vec<u64>) -> Result<(), Error> {
        entries.clear();
        let mut bytes = Vec::new();
        for chunk in std::mem::take(&mut *locked(&self.parts[index])) {
            match chunk {
                Chunk::Held(words) => {
                    room.free(words.len());
                    entries.extend_from_slice(&words);
                }
                Chunk::Spilled { file, at, words } => {
                    bytes.resize(words * 8, 0);
                    let mut guard = locked(&room.files[file]);
                    if let Some(file) = guard.as_mut() {
                        file.seek(SeekFrom::Start(at)).map_err(spill)?;
                        file.read_exact(&mut bytes).map_err(spill)?;
                    }
                    drop(guard);
                    let (words, _) = bytes.as_chunks::<8>();
                    entries.extend(words.iter().map(|word| u64::from_le_bytes(*word)));
                }
            }
        }
        Ok(())
    }
}

fn spill(source: std::io::Error) -> Error {
    Error::Io {
        path: std::env::temp_dir(),
        source,
    }
}

/// One thread's way to put entries into the partitions of one side.
pub struct Filler<'a> {
    partitions: &'a Partitions,
    room: &'a Room,
    worker: usize,
    open: Vec<Vec<u64>>,
    full: usize,
}

impl<'a> Filler<'a> {
    /// For the thread number `worker` of those that `room` knows.
    #[must_use]
    pub fn new(partitions: &'a Partitions, room: &'a Room, worker: usize) -> Self {
        let entries = (CHUNK / 8 / partitions.width).max(1);
        Self {
            partitions,
            room,
            worker,
            open: vec![Vec::new(); partitions.count()],
            full: entries * partitions.width,
        }
    }

    /// Puts one entry of `partitions.width` words.
    ///
    /// # Errors
    /// When a chunk cannot be spilled.
    #[inline]
    pub fn put<const WIDTH: usize>(&mut self, entry: [u64; WIDTH]) -> Result<(), Error> {
        #[expect(clippy::cast_possible_truncation, reason = "a partition's number")]
        let index = (entry[0] >> self.partitions.shift) as usize;
        let open = &mut self.open[index];
        open.extend_from_slice(&entry);
        if open.len() >= self.full {
            self.store(index)?;
        }
        Ok(())
    }

    /// Hands over what is left.
    ///
    /// # Errors
    /// When a chunk cannot be spilled.
    pub fn finish(mut self) -> Result<(), Error> {
        for index in 0..self.open.len() {
            if !self.open[index].is_empty() {
                self.store(index)?;
            }
        }
        Ok(())
    }

    fn store(&mut self, index: usize) -> Result<(), Error> {
        let open = &mut self.open[index];
        let bytes = open.len() as u64 * 8;
        let before = self.room.held.fetch_add(bytes, Ordering::Relaxed);
        let chunk = if before + bytes <= self.room.budget {
            let room = Vec::with_capacity(self.full);
            Chunk::Held(std::mem::replace(open, room))
        } else {
            self.room.free(open.len());
            let chunk = self.spill(&self.open[index])?;
            self.open[index].clear();
            chunk
        };
        locked(&self.partitions.parts[index]).push(chunk);
        Ok(())
    }

    fn spill(&self, words: &[u64]) -> Result<Chunk, Error> {
        let mut bytes = vec![0; words.len() * 8];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        let mut guard = locked(&self.room.files[self.worker]);
        let file = match &mut *guard {
            Some(file) => file,
            none => none.insert(tempfile::tempfile().map_err(spill)?),
        };
        let at = file.seek(SeekFrom::End(0)).map_err(spill)?;
        file.write_all(&bytes).map_err(spill)?;
        Ok(Chunk::Spilled {
            file: self.worker,
            at,
            words: words.len(),
        })
    }
}
