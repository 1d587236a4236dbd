//! A column of texts, ready to be read many rows at a time.

use arrow::array::{Array, ArrayBuilder, StringArray, StringBuilder};
use arrow::buffer::BooleanBuffer;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// The distinct texts of a column in the order of their first rows, and the place of each row's text
/// among them; none where most texts occur once. A null counts as an empty text.
pub(super) fn distinct(column: &StringArray) -> Option<(StringArray, Vec<u32>)> {
    let most = column.len() / 2;
    let hasher = RandomState::default();
    let mut seen: HashTable<(u32, &str)> = HashTable::new();
    let mut texts = StringBuilder::new();
    let mut places = Vec::with_capacity(column.len());
    for text in column {
        let text = text.unwrap_or_default();
        let entry = seen.entry(
            hasher.hash_one(text),
            |(_, other)| *other == text,
            |(_, other)| hasher.hash_one(*other),
        );
        let place = match entry {
            Entry::Occupied(entry) => entry.get().0,
            Entry::Vacant(entry) => {
                let place = u32::try_from(texts.len()).ok()?;
                if texts.len() == most {
                    return None;
                }
                texts.append_value(text);
                entry.insert((place, text));
                place
            }
        };
        places.push(place);
    }
    Some((texts.finish(), places))
}

/// The texts of a column as one run of bytes, without nulls.
pub(super) struct Texts {
    texts: StringArray,
    /// Which rows are ASCII; `None` if all are.
    ascii: Option<BooleanBuffer>,
}

impl Texts {
    pub(super) fn of(column: &StringArray) -> Self {
        // What stands behind a null is not defined.
        let texts = if column.null_count() == 0 {
            column.clone()
        } else {
            StringArray::from_iter_values(column.iter().map(Option::unwrap_or_default))
        };
        let offsets = texts.value_offsets();
        let used =
            offsets[0].cast_unsigned() as usize..offsets[texts.len()].cast_unsigned() as usize;
        // One look at all bytes is far quicker than one at each text.
        let ascii = (!texts.values()[used].is_ascii())
            .then(|| BooleanBuffer::collect_bool(texts.len(), |row| texts.value(row).is_ascii()));
        Self { texts, ascii }
    }

    /// Panics, as indexing does, if there is no such row.
    pub(super) fn text(&self, row: u32) -> &str {
        self.texts.value(row as usize)
    }

    /// Where a row's text starts in [`Self::bytes`], and how many bytes it has; no length for a
    /// text that is not ASCII.
    pub(super) fn place(&self, row: u32) -> (u32, Option<usize>) {
        let row = row as usize;
        let offsets = self.texts.value_offsets();
        let (from, to) = (
            offsets[row].cast_unsigned(),
            offsets[row + 1].cast_unsigned(),
        );
        let ascii = self.ascii.as_ref().is_none_or(|ascii| ascii.value(row));
        (from, ascii.then_some((to - from) as usize))
    }

    /// The bytes of all texts.
    pub(super) fn bytes(&self) -> &[u8] {
        self.texts.values()
    }
}
