//! The keys of many records, in one run of text.

use std::ops::Index;

/// Keys as text, in the order of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    text: String,
    /// Where each key ends.
    ends: Vec<usize>,
}

impl Keys {
    /// Adds a key.
    pub fn push(&mut self, key: &str) {
        self.text.push_str(key);
        self.ends.push(self.text.len());
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The key of a record; none where there is no such record.
    #[must_use]
    pub fn get(&self, record: usize) -> Option<&str> {
        let end = *self.ends.get(record)?;
        let start = record.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|record| &self[record])
    }

    /// The bytes that they take in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.text.capacity() + self.ends.capacity() * size_of::<usize>()) as u64
    }
}

impl Index<usize> for Keys {
    type Output = str;

    /// Panics, as indexing does, if there is no such record.
    fn index(&self, record: usize) -> &str {
        let start = record.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[record]]
    }
}

impl<K: AsRef<str>> FromIterator<K> for Keys {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut all = Self::default();
        for key in keys {
            all.push(key.as_ref());
        }
        all
    }
}
