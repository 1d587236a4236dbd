//! Similarities of many pairs of rows of two columns.

use super::dispatch::Level;
use super::groups::{self, Kernel};
use super::qgram::Grams;
use super::soundex::Codes;
use super::texts::{Texts, distinct};
use super::tokens::{Scratch, of_sets, sorted_column};
use arrow::array::StringArray;

/// How two texts are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// [`levenshtein_similarity`](super::levenshtein_similarity).
    Levenshtein,
    /// [`damerau_levenshtein_similarity`](super::damerau_levenshtein_similarity), unrestricted.
    DamerauLevenshtein,
    /// [`jaro_similarity`](super::jaro_similarity).
    Jaro,
    /// [`jaro_winkler_similarity`](super::jaro_winkler_similarity).
    JaroWinkler,
    /// [`token_sort_similarity`](super::token_sort_similarity).
    TokenSort,
    /// [`token_set_similarity`](super::token_set_similarity).
    TokenSet,
    /// [`qgram_similarity`](super::qgram_similarity).
    Qgram,
    /// [`soundex_similarity`](super::soundex_similarity).
    Soundex,
}

/// A column made ready once for one method: its texts (shared with the array, not copied), their
/// words in order, their grams or their codes. Where most texts occur more than once, each is made
/// ready once, and `places` says which one a row has: what pairs jump about in is then small enough
/// for the processor's caches.
pub struct Prepared {
    method: Method,
    column: Column,
    places: Option<Vec<u32>>,
}

enum Column {
    Texts(Texts),
    Sets(Texts),
    Grams(Grams),
    Codes(Codes),
}

/// Makes a column ready for [`similarities`]. A null counts as an empty text; whoever calls knows
/// better what a null means.
#[must_use]
pub fn prepare(method: Method, column: &StringArray) -> Prepared {
    let (texts, places) = distinct(column).unzip();
    let column = texts.as_ref().unwrap_or(column);
    let column = match method {
        Method::Levenshtein | Method::DamerauLevenshtein | Method::Jaro | Method::JaroWinkler => {
            Column::Texts(Texts::of(column))
        }
        Method::TokenSort => Column::Texts(Texts::of(&sorted_column(column, false))),
        Method::TokenSet => Column::Sets(Texts::of(&sorted_column(column, true))),
        Method::Qgram => Column::Grams(Grams::of(column)),
        Method::Soundex => Column::Codes(Codes::of(column)),
    };
    Prepared {
        method,
        column,
        places,
    }
}

/// Writes the similarity, 0 to 1, of rows `left_rows[i]` and `right_rows[i]` into `out[i]`, for
/// each `i` in `alive`, and leaves all other places of `out` as they are.
///
/// A similarity of `at_least` or more is exact. A smaller one may be given as any value under
/// `at_least`: where the lengths alone keep a pair below it, nothing is computed. With 0 all are
/// exact. Results depend on the two texts and on `at_least` alone: not on the other pairs, their
/// order or the machine.
///
/// # Panics
/// As indexing does: if a row or a place does not exist, or if the columns were made ready for
/// different methods.
pub fn similarities(
    left: &Prepared,
    right: &Prepared,
    left_rows: &[u32],
    right_rows: &[u32],
    alive: &[u32],
    at_least: f64,
    out: &mut [f64],
) {
    let (left_places, right_places) = (
        left.places_of(left_rows, alive),
        right.places_of(right_rows, alive),
    );
    let pairs = Pairs {
        left_rows: left_places.as_deref().unwrap_or(left_rows),
        right_rows: right_places.as_deref().unwrap_or(right_rows),
        alive,
    };
    at_level(Level::detect(), left, right, &pairs, at_least, out);
}

impl Prepared {
    /// Where the texts of rows stand, for those at the places `alive`; none where they stand in
    /// rows.
    fn places_of(&self, rows: &[u32], alive: &[u32]) -> Option<Vec<u32>> {
        let all = self.places.as_ref()?;
        let mut places = vec![0; rows.len()];
        for &pair in alive {
            places[pair as usize] = all[rows[pair as usize] as usize];
        }
        Some(places)
    }
}

/// Pairs of rows, of which those at the places `alive` are wanted.
pub(super) struct Pairs<'a> {
    pub left_rows: &'a [u32],
    pub right_rows: &'a [u32],
    pub alive: &'a [u32],
}

impl Pairs<'_> {
    fn each(&self, out: &mut [f64], mut similarity: impl FnMut(u32, u32) -> f64) {
        for &pair in self.alive {
            let pair = pair as usize;
            out[pair] = similarity(self.left_rows[pair], self.right_rows[pair]);
        }
    }
}

/// [`similarities`] with the instructions of a level.
pub(super) fn at_level(
    level: Level,
    left: &Prepared,
    right: &Prepared,
    pairs: &Pairs,
    at_least: f64,
    out: &mut [f64],
) {
    assert_eq!(
        left.method, right.method,
        "columns made ready for different methods"
    );
    match (&left.column, &right.column) {
        (Column::Texts(l), Column::Texts(r)) => {
            let kernel = match left.method {
                Method::DamerauLevenshtein => Kernel::Damerau,
                Method::Jaro => Kernel::Jaro,
                Method::JaroWinkler => Kernel::JaroWinkler,
                Method::TokenSort => Kernel::Indel,
                _ => Kernel::Levenshtein,
            };
            groups::similarities(level, kernel, l, r, pairs, at_least, out);
        }
        (Column::Sets(l), Column::Sets(r)) => {
            let mut scratch = Scratch::default();
            pairs.each(out, |a, b| of_sets(l.text(a), r.text(b), &mut scratch));
        }
        (Column::Grams(l), Column::Grams(r)) => pairs.each(out, |a, b| l.similarity(a, r, b)),
        (Column::Codes(l), Column::Codes(r)) => pairs.each(out, |a, b| l.similarity(a, r, b)),
        _ => unreachable!("one method prepares one kind of column"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            "[abc ]{0,18}",
            "[a-f ]{10,40}",
            "[ab]{30,70}",
            "[aé日 ]{0,20}"
        ]
    }

    proptest! {
        #[test]
        fn texts_that_occur_often_give_the_same_bits_as_texts_that_occur_once(
            texts in prop::collection::vec(texts(), 2..6),
            picks in prop::collection::vec((0..6_usize, 0..6_usize), 1..100),
        ) {
            let side = |of: fn(&(usize, usize)) -> usize| -> Vec<&str> {
                picks.iter().map(|pick| texts[of(pick) % texts.len()].as_str()).collect()
            };
            let (left, right) = (side(|pick| pick.0), side(|pick| pick.1));
            let rows: Vec<u32> = (0..).take(picks.len()).collect();
            for method in [Method::Levenshtein, Method::JaroWinkler, Method::TokenSet, Method::Qgram,
                           Method::Soundex] {
                let prepared = |side: &[&str]| prepare(method, &StringArray::from(side.to_vec()));
                let mut together = vec![-1.0; rows.len()];
                let (l, r) = (prepared(&left), prepared(&right));
                similarities(&l, &r, &rows, &rows, &rows, 0.0, &mut together);
                for (row, together) in together.iter().enumerate() {
                    let mut alone = [-1.0];
                    let (l, r) = (prepared(&left[row..=row]), prepared(&right[row..=row]));
                    prop_assert!(l.places.is_none() && r.places.is_none());
                    similarities(&l, &r, &[0], &[0], &[0], 0.0, &mut alone);
                    prop_assert_eq!(together.to_bits(), alone[0].to_bits());
                }
            }
        }

        #[test]
        fn all_instructions_give_the_same_bits(
            pairs in prop::collection::vec((texts(), texts()), 1..150)
        ) {
            let (left, right): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let rows: Vec<u32> = (0..).take(left.len()).collect();
            let (left, right) = (StringArray::from(left), StringArray::from(right));
            for method in [
                Method::Levenshtein,
                Method::DamerauLevenshtein,
                Method::Jaro,
                Method::JaroWinkler,
                Method::TokenSort,
            ] {
                let (left, right) = (prepare(method, &left), prepare(method, &right));
                let (l, r) = (left.places_of(&rows, &rows), right.places_of(&rows, &rows));
                let pairs = Pairs {
                    left_rows: l.as_deref().unwrap_or(&rows),
                    right_rows: r.as_deref().unwrap_or(&rows),
                    alive: &rows,
                };
                let bits = |level| {
                    let mut out = vec![-1.0; rows.len()];
                    at_level(level, &left, &right, &pairs, 0.0, &mut out);
                    out.into_iter().map(f64::to_bits).collect::<Vec<_>>()
                };
                let baseline = bits(Level::Baseline);
                prop_assert_eq!(&bits(Level::Avx2), &baseline);
                prop_assert_eq!(&bits(Level::Avx512), &baseline);
                prop_assert_eq!(&bits(Level::detect()), &baseline);
            }
        }
    }
}
