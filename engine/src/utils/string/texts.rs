//! A column of texts, ready to be read many rows at a time.

use arrow::array::{Array, StringArray};
use arrow::buffer::BooleanBuffer;

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
