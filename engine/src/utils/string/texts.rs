//! A column of texts, ready to be read many rows at a time.

use arrow::array::{Array, ArrayBuilder, StringArray, StringBuilder};
use arrow::buffer::BooleanBuffer;
use foldhash::quality::{FixedState, RandomState};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::hash::BuildHasher;

/// The distinct texts of a column in the order of their first rows, and the place of each row's text
/// among them; none where most texts occur once. A null counts as an empty text.
pub(super) fn distinct(column: &StringArray) -> Option<(StringArray, Vec<u32>)> {
    let hasher = RandomState::default();
    if !repeats(column, &hasher) {
        return None;
    }
    let most = column.len() / 2;
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

/// Whether a sample of the rows repeats at least half as many texts as one of a column in which each
/// text occurs twice. Looking every text up takes longer than comparing each once, and gains nothing
/// where they do not repeat.
///
/// Of `s` rows drawn at random where `d` texts are equally frequent, about `s² / 2d` have the text of
/// another one (the birthday problem; more where some are frequent): with `s = 4√n` that is 16 where
/// `d` is the half of all `n` rows.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a remainder is smaller than the number of rows"
)]
fn repeats(column: &StringArray, hasher: &RandomState) -> bool {
    const EXPECTED: usize = 16;
    let rows = column.len();
    let sample = 4 * rows.isqrt();
    // A small column is quicker looked at as a whole.
    if rows < 16 * sample {
        return true;
    }
    let mut seen: HashTable<(u64, usize)> = HashTable::with_capacity(sample);
    let mut repeated = 0;
    // In no order of the file's, since equal texts stand together in a sorted column.
    let random = FixedState::default();
    for draw in 0..sample {
        let row = (random.hash_one(draw) % rows as u64) as usize;
        let text = if column.is_null(row) {
            ""
        } else {
            column.value(row)
        };
        let hash = hasher.hash_one(text);
        match seen.entry(hash, |other| other.0 == hash, |other| other.0) {
            Entry::Occupied(first) => repeated += usize::from(first.get().1 != row),
            Entry::Vacant(entry) => {
                entry.insert((hash, row));
            }
        }
    }
    2 * repeated >= EXPECTED
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `rows` texts, each of which stands `times` times, next to its like.
    fn column(rows: usize, times: usize) -> StringArray {
        StringArray::from_iter_values((0..rows).map(|row| format!("text {}", row / times)))
    }

    #[test]
    fn texts_that_repeat_are_found_in_a_long_sorted_column() {
        let (texts, places) = distinct(&column(60_000, 4)).unwrap();
        assert_eq!(texts.len(), 15_000);
        assert_eq!(places[59_999], 14_999);
    }

    #[test]
    fn texts_that_occur_once_are_left_where_they_are() {
        assert!(distinct(&column(60_000, 1)).is_none());
        assert!(!repeats(&column(60_000, 1), &RandomState::default()));
        assert!(distinct(&column(100, 1)).is_none());
    }
}
