//! The level in this process: entries, and whether they still count.
//!
//! An entry carries the ticket of the moment before it was read from below: the epoch of the right
//! it was read under, and the version of its key's stripe. It counts only while both are what they
//! are now. So to make a key stale is one addition, which no slow reader can undo: whatever it puts
//! here afterwards has an old ticket.

use moka::sync::Cache;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::LIFE;

/// Versions; keys share them by hash, so that they are bounded. A key that is made stale takes the
/// others of its stripe along, which is harmless.
const STRIPES: usize = 1 << 14;

/// What an entry costs besides its value and its key, about.
const OVERHEAD: usize = 200;

/// The moment before an entry was read from below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    epoch: u64,
    version: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Arc<[u8]>,
    ticket: Ticket,
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Memory {
    entries: Cache<String, Entry>,
    versions: Box<[AtomicU64]>,
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let weight = |key: &String, entry: &Entry| {
            u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self {
            entries: Cache::builder()
                .max_capacity(bytes)
                .weigher(weight)
                .time_to_live(LIFE)
                .build(),
            versions: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// A ticket, to be taken before an entry is read from below.
    pub(super) fn ticket(&self, key: &str, epoch: u64) -> Ticket {
        Ticket {
            epoch,
            version: self.version(key).load(Ordering::SeqCst),
        }
    }

    /// An entry that counts in this epoch.
    pub(super) fn get(&self, key: &str, epoch: u64) -> Option<Arc<[u8]>> {
        let entry = self.entries.get(key)?;
        let counts = entry.ticket == self.ticket(key, epoch) && Instant::now() < entry.until;
        counts.then_some(entry.value)
    }

    pub(super) fn put(&self, key: String, ticket: Ticket, value: Arc<[u8]>, until: Instant) {
        let entry = Entry {
            value,
            ticket,
            until,
        };
        self.entries.insert(key, entry);
    }

    /// Makes keys stale, whether they are here, on their way here or not.
    pub(super) fn forget<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            self.version(key).fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Every entry that counts in this epoch.
    pub(super) fn all(&self, epoch: u64) -> Vec<(String, Arc<[u8]>)> {
        self.entries
            .iter()
            .filter_map(|(key, _)| Some((key.to_string(), self.get(&key, epoch)?)))
            .collect()
    }

    fn version(&self, key: &str) -> &AtomicU64 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let stripes = self.versions.len() as u64;
        let stripe = usize::try_from(hasher.finish() % stripes).unwrap_or_default();
        &self.versions[stripe]
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    fn later() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn value(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    #[test]
    fn what_was_read_before_a_change_never_counts_after_it() {
        let memory = Memory::new(1 << 20);
        let slow = memory.ticket("a", 1);
        memory.forget(["a"]);
        memory.put("a".into(), slow, value("old"), later());
        assert_eq!(memory.get("a", 1), None);
        let ticket = memory.ticket("a", 1);
        memory.put("a".into(), ticket, value("new"), later());
        assert_eq!(memory.get("a", 1).as_deref(), Some(&b"new"[..]));
        memory.forget(["a"]);
        assert_eq!(memory.get("a", 1), None);
    }

    #[test]
    fn nothing_outlives_its_epoch_or_its_time() {
        let memory = Memory::new(1 << 20);
        memory.put("a".into(), memory.ticket("a", 1), value("x"), later());
        memory.put(
            "b".into(),
            memory.ticket("b", 1),
            value("x"),
            Instant::now(),
        );
        assert!(memory.get("a", 1).is_some());
        assert_eq!(memory.get("a", 2), None);
        assert_eq!(memory.get("b", 1), None);
        assert_eq!(memory.all(1).len(), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let memory = Memory::new(100_000);
        for n in 0..20_000 {
            let key = format!("run:{n}");
            let ticket = memory.ticket(&key, 1);
            memory.put(key, ticket, value(&"x".repeat(100)), later());
        }
        memory.entries.run_pending_tasks();
        assert!(memory.entries.weighted_size() <= 100_000);
    }
}
