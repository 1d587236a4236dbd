//! The unrestricted Damerau-Levenshtein distance. Sources: R. Lowrance and R. A. Wagner, "An
//! extension of the string-to-string correction problem" (1975); C. Zhao and S. Sahni, "String
//! correction using the Damerau-Levenshtein distance" (2019), who show that of two swapped
//! characters only those with nothing between them on one side need a look, and so need no more
//! than rows of memory.

use super::{length, scalars, share, trim};

/// The Damerau-Levenshtein distance: the fewest insertions, deletions and substitutions of one
/// character and swaps of two neighbours that turn one text into the other; what was swapped may
/// be edited again, so this is a metric (and not the optimal string alignment). 0 to the length of
/// the longer text, in characters.
///
/// Takes O(n · m) steps for texts of n and m characters.
#[must_use]
pub fn damerau_levenshtein_distance(left: &str, right: &str) -> usize {
    if left == right {
        return 0;
    }
    if left.is_ascii() && right.is_ascii() {
        distance(left.as_bytes(), right.as_bytes())
    } else {
        distance(&scalars(left), &scalars(right))
    }
}

/// 1 − d / max length, with d the [`damerau_levenshtein_distance`]; 0 to 1. Two empty texts are
/// equal: 1.
#[must_use]
pub fn damerau_levenshtein_similarity(left: &str, right: &str) -> f64 {
    let longest = length(left).max(length(right));
    share(longest - damerau_levenshtein_distance(left, right), longest)
}

/// What a column of the matrix remembers from row to row.
#[derive(Clone, Copy)]
struct Column {
    /// The distance one row up.
    above: usize,
    /// The distance two rows up.
    above_two: usize,
    /// The last row whose character is this column's; 0 before the first.
    met: usize,
    /// The distance one row above `met`, two columns to the left.
    before_met: usize,
}

fn distance<T: Copy + Eq>(left: &[T], right: &[T]) -> usize {
    let (across, down) = trim(left, right);
    let far = across.len() + down.len() + 1;
    let mut columns: Vec<Column> = (0..=across.len())
        .map(|column| Column {
            above: column,
            above_two: far,
            met: 0,
            before_met: far,
        })
        .collect();
    for (row, character) in (1..).zip(down) {
        // The last column of this row with this row's character, and the distance two rows above
        // it, one column to the left.
        let (mut met, mut before_met) = (0, far);
        let first = &mut columns[0];
        let (mut corner_two, mut corner) = (first.above_two, first.above);
        (first.above_two, first.above) = (first.above, row);
        let (mut left, mut above_left_two) = (row, far);
        for (index, other) in (1..).zip(across) {
            let column = &mut columns[index];
            let next = if character == other {
                (met, before_met) = (index, corner_two);
                (column.met, column.before_met) = (row, above_left_two);
                corner
            } else {
                let edit = 1 + corner.min(left).min(column.above);
                if met > 0 && met + 1 == index {
                    edit.min(column.before_met + row - column.met)
                } else if column.met > 0 && column.met + 1 == row {
                    edit.min(before_met + index - met)
                } else {
                    edit
                }
            };
            above_left_two = corner;
            (corner_two, corner) = (column.above_two, column.above);
            (column.above_two, column.above) = (column.above, next);
            left = next;
        }
    }
    columns[across.len()].above
}
