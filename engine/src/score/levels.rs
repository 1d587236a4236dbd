//! Levels of agreement: a similarity as one of a few steps, for which evidence can be counted.
//!
//! Level 0 means that the comparison does not hold; each further level begins at a similarity, and
//! the highest one is equality unless the specification says otherwise. A value that is missing has
//! no level and is no evidence.
//!
//! | method | levels when the specification gives none |
//! |---|---|
//! | exact, soundex | equal |
//! | number, date | equal, within a sixteenth, an eighth, a quarter and half of the bound, within the bound; of dates only those that are a day or more |
//! | other text | equal, then three equal steps from 1 down to `atLeast`, rounded down to hundredths |

use crds::matching::{Method, TextMethod};

/// The code of a comparison that says nothing, because a value is null.
pub const MISSING: u8 = 15;

/// Where each level of one comparison begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// The least similarity of each level over 0, from the lowest level to the highest.
    from: Vec<f64>,
}

impl Levels {
    /// The levels of a comparison: those `given`, from the highest similarity to the lowest, or the
    /// method's own.
    #[must_use]
    pub fn of(method: Method<'_>, given: &[f64]) -> Self {
        let mut from = if given.is_empty() {
            match method {
                Method::Exact => vec![1.0],
                // Small differences are common and large ones rare, so steps double.
                Method::Number(_) => steps(|_| true),
                Method::Date(window) => {
                    let longest = window
                        .min_days
                        .unsigned_abs()
                        .max(window.max_days.unsigned_abs());
                    steps(|share| f64::from(longest) * share >= 1.0)
                }
                Method::Text(text) if text.method == TextMethod::Soundex => vec![1.0],
                Method::Text(text) => {
                    let step = |third: f64| {
                        let similarity = 1.0 - (1.0 - text.at_least) * third / 3.0;
                        // Slack, so that a step that is a whole number of hundredths stays one.
                        ((similarity * 100.0 + 1e-9).floor() / 100.0).max(text.at_least)
                    };
                    vec![1.0, step(1.0), step(2.0), text.at_least]
                }
            }
        } else {
            given.to_vec()
        };
        from.dedup();
        from.reverse();
        Self { from }
    }

    /// How many levels there are, level 0 among them; 2 to 9.
    #[must_use]
    pub fn count(&self) -> usize {
        self.from.len() + 1
    }

    /// The least similarity of each level over 0, from the lowest to the highest.
    #[must_use]
    pub fn from(&self) -> &[f64] {
        &self.from
    }

    /// The level of a similarity; not a number is [`MISSING`], a negative one is level 0.
    #[must_use]
    pub fn level(&self, similarity: f64) -> u8 {
        if similarity.is_nan() {
            return MISSING;
        }
        let mut level = 0;
        for &from in &self.from {
            level += u8::from(similarity >= from);
        }
        level
    }
}

/// Equality, and the similarity at each share of the bound that is of use.
fn steps(is_of_use: impl Fn(f64) -> bool) -> Vec<f64> {
    let shares = [0.0625, 0.125, 0.25, 0.5, 1.0].into_iter();
    let shares = shares.filter(|&share| is_of_use(share));
    std::iter::once(1.0)
        .chain(shares.map(|share| 1.0 - 0.5 * share))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::matching::{DateWindow, TextSimilarity};

    fn text(method: TextMethod, at_least: f64) -> TextSimilarity {
        TextSimilarity { method, at_least }
    }

    #[test]
    fn levels_follow_from_the_bound() {
        let of = |text: &TextSimilarity| Levels::of(Method::Text(text), &[]).from().to_vec();
        assert_eq!(
            of(&text(TextMethod::JaroWinkler, 0.7)),
            [0.7, 0.8, 0.9, 1.0]
        );
        assert_eq!(
            of(&text(TextMethod::JaroWinkler, 0.85)),
            [0.85, 0.9, 0.95, 1.0]
        );
        assert_eq!(
            of(&text(TextMethod::Levenshtein, 0.5)),
            [0.5, 0.66, 0.83, 1.0]
        );
        assert_eq!(of(&text(TextMethod::Levenshtein, 1.0)), [1.0]);
        assert_eq!(of(&text(TextMethod::Soundex, 0.5)), [1.0]);
        assert_eq!(Levels::of(Method::Exact, &[]).from(), [1.0]);
        let window = DateWindow {
            min_days: 0,
            max_days: 3,
        };
        assert_eq!(
            Levels::of(Method::Date(&window), &[]).from(),
            [0.5, 0.75, 1.0]
        );
        assert_eq!(
            Levels::of(Method::Date(&window), &[0.9, 0.6]).from(),
            [0.6, 0.9]
        );
        let month = DateWindow {
            min_days: -7,
            max_days: 30,
        };
        let doubling = [0.5, 0.75, 0.875, 0.9375, 0.968_75, 1.0];
        assert_eq!(Levels::of(Method::Date(&month), &[]).from(), doubling);
    }

    #[test]
    fn bounds_are_inclusive_and_a_missing_value_has_no_level() {
        let levels = Levels::of(Method::Exact, &[0.95, 0.85, 0.7]);
        let found = [1.0, 0.95, 0.949, 0.85, 0.7, 0.69, 0.0, -1.0].map(|s| levels.level(s));
        assert_eq!(found, [3, 3, 2, 2, 1, 0, 0, 0]);
        assert_eq!(levels.level(f64::NAN), MISSING);
        assert_eq!(levels.count(), 4);
    }
}
