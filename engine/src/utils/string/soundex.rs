//! American Soundex. Source: U.S. National Archives, "The Soundex Indexing System" (2007).

use arrow::array::{Array, StringArray};
use unicode_normalization::UnicodeNormalization;

/// The code of a text: its first letter and three digits, such as `R163`. `None` if it has no
/// letter from A to Z.
///
/// Letters lose their accents first (by canonical decomposition), so `é` counts as `e`; whatever
/// then is not a letter from A to Z is passed over, as if it were not there. Letters of one code
/// count once if they are neighbours, or if only H or W stand between them.
#[must_use]
pub fn soundex(text: &str) -> Option<[u8; 4]> {
    if text.is_ascii() {
        code(text.bytes())
    } else {
        code(text.nfd().filter_map(|c| u8::try_from(c).ok()))
    }
}

/// 1 if both texts have the same [`soundex`] code, else 0. A text without a code equals only the
/// same text, so two empty texts are equal: 1.
#[must_use]
pub fn soundex_similarity(left: &str, right: &str) -> f64 {
    let same = match (soundex(left), soundex(right)) {
        (None, None) => left == right,
        (a, b) => a == b,
    };
    f64::from(u8::from(same))
}

fn code(bytes: impl Iterator<Item = u8>) -> Option<[u8; 4]> {
    let mut letters = bytes
        .filter(u8::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase());
    let first = letters.next()?;
    let mut code = [first, b'0', b'0', b'0'];
    let mut filled = 1;
    let mut last = digit(first);
    for letter in letters {
        if matches!(letter, b'H' | b'W') {
            continue;
        }
        let next = digit(letter);
        if next != b'0' && next != last {
            code[filled] = next;
            filled += 1;
            if filled == code.len() {
                break;
            }
        }
        last = next;
    }
    Some(code)
}

/// The digit of an upper-case letter; 0 for those that are not coded.
fn digit(letter: u8) -> u8 {
    match letter {
        b'B' | b'F' | b'P' | b'V' => b'1',
        b'C' | b'G' | b'J' | b'K' | b'Q' | b'S' | b'X' | b'Z' => b'2',
        b'D' | b'T' => b'3',
        b'L' => b'4',
        b'M' | b'N' => b'5',
        b'R' => b'6',
        _ => b'0',
    }
}

/// The codes of a column, zeros where a text has none, and the texts to tell those apart.
pub(super) struct Codes {
    codes: Vec<[u8; 4]>,
    texts: StringArray,
}

impl Codes {
    pub(super) fn of(column: &StringArray) -> Self {
        Self {
            codes: (column.iter())
                .map(|text| soundex(text.unwrap_or_default()).unwrap_or_default())
                .collect(),
            texts: column.clone(),
        }
    }

    fn text(&self, row: usize) -> &str {
        if self.texts.is_null(row) {
            ""
        } else {
            self.texts.value(row)
        }
    }

    /// The similarity of a row with a row of another column.
    pub(super) fn similarity(&self, row: u32, other: &Self, other_row: u32) -> f64 {
        let (row, other_row) = (row as usize, other_row as usize);
        let (a, b) = (self.codes[row], other.codes[other_row]);
        let same = a == b && (a != [0; 4] || self.text(row) == other.text(other_row));
        f64::from(u8::from(same))
    }
}
