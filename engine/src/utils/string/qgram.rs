//! Dice's coefficient of the multisets of two neighbouring characters (q-grams with q 2). Sources:
//! E. Ukkonen, "Approximate string-matching with q-grams and maximal matches" (1992); L. R. Dice,
//! "Measures of the amount of ecologic association between species" (1945).

use super::share;
use arrow::array::{Array, StringArray};

/// 2 · |A ∩ B| / (|A| + |B|) for the multisets A and B of pairs of neighbouring characters; 0 to 1.
/// Nothing is added at the ends. A text of one character has one gram, itself; an empty one has
/// none, and two empty texts are equal: 1.
#[must_use]
pub fn qgram_similarity(left: &str, right: &str) -> f64 {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    grams(left, &mut a);
    grams(right, &mut b);
    a.sort_unstable();
    b.sort_unstable();
    dice(&a, &b, |gram| *gram, |gram| *gram)
}

/// The grams of a text, unsorted: both characters, the first one higher. A lone character stands
/// behind a zero and a mark, which no two characters have.
fn grams(text: &str, into: &mut Vec<u64>) {
    let mut characters = text.chars().map(u64::from);
    let Some(mut last) = characters.next() else {
        return;
    };
    let before = into.len();
    for character in characters {
        into.push(last << 32 | character);
        last = character;
    }
    if into.len() == before {
        into.push(LONE | last);
    }
}

const LONE: u64 = 1 << 63;

/// The overlap of two sorted multisets, whose values compare after `key` and `other_key`.
fn dice<A, B>(
    grams: &[A],
    others: &[B],
    key: impl Fn(&A) -> u64,
    other_key: impl Fn(&B) -> u64,
) -> f64 {
    let (mut next, mut next_other, mut common) = (0, 0, 0);
    // Steps without branches, since which list goes on is a coin's throw.
    while let (Some(gram), Some(other)) = (grams.get(next), others.get(next_other)) {
        let (gram, other) = (key(gram), other_key(other));
        common += usize::from(gram == other);
        next += usize::from(gram <= other);
        next_other += usize::from(other <= gram);
    }
    share(2 * common, grams.len() + others.len())
}

/// The sorted grams of each row of a column: two bytes for each character of an ASCII text, eight
/// for each of any other.
pub(super) struct Grams {
    narrow: Vec<u16>,
    wide: Vec<u64>,
    /// Where the grams of each row end in either list; one more than rows, from 0.
    ends: Vec<(u32, u32)>,
}

impl Grams {
    pub(super) fn of(column: &StringArray) -> Self {
        let mut found = Self {
            narrow: Vec::new(),
            wide: Vec::new(),
            ends: Vec::with_capacity(column.len() + 1),
        };
        found.ends.push((0, 0));
        for text in column {
            let text = text.unwrap_or_default();
            let (narrow, wide) = (found.narrow.len(), found.wide.len());
            if text.is_ascii() {
                let bytes = text.as_bytes();
                found.narrow.extend(
                    bytes
                        .windows(2)
                        .map(|two| u16::from(two[0]) << 8 | u16::from(two[1])),
                );
                if let [lone] = bytes {
                    found.narrow.push(NARROW_LONE | u16::from(*lone));
                }
                found.narrow[narrow..].sort_unstable();
            } else {
                grams(text, &mut found.wide);
                found.wide[wide..].sort_unstable();
            }
            found
                .ends
                .push((end(found.narrow.len()), end(found.wide.len())));
        }
        found
    }

    fn row(&self, row: u32) -> (&[u16], &[u64]) {
        let ((from, wide_from), (to, wide_to)) =
            (self.ends[row as usize], self.ends[row as usize + 1]);
        (
            &self.narrow[from as usize..to as usize],
            &self.wide[wide_from as usize..wide_to as usize],
        )
    }

    /// The similarity of a row with a row of another column.
    pub(super) fn similarity(&self, row: u32, other: &Self, other_row: u32) -> f64 {
        let ((a, a_wide), (b, b_wide)) = (self.row(row), other.row(other_row));
        match (a_wide.is_empty(), b_wide.is_empty()) {
            (true, true) => dice(a, b, |gram| u64::from(*gram), |gram| u64::from(*gram)),
            (true, false) => dice(a, b_wide, |gram| widen(*gram), |gram| *gram),
            (false, true) => dice(a_wide, b, |gram| *gram, |gram| widen(*gram)),
            (false, false) => dice(a_wide, b_wide, |gram| *gram, |gram| *gram),
        }
    }
}

const NARROW_LONE: u16 = 1 << 15;

/// A gram of an ASCII text as one of any text; keeps the order.
fn widen(gram: u16) -> u64 {
    let (first, second) = (u64::from(gram >> 8), u64::from(gram & 0xFF));
    if gram & NARROW_LONE != 0 {
        LONE | second
    } else {
        first << 32 | second
    }
}

/// Arrow's texts together are shorter than 2^31 bytes, so nothing is cut off.
fn end(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
