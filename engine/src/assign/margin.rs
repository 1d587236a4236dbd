//! Which pairs have a runner-up so near that a person has to decide.

use super::{Cardinality, Edge, UNITS};

/// Below any score.
const NO_SCORE: i64 = i64::MIN / 2;

/// The two best scores of each record that may be in one pair only. 16 bytes a record.
pub struct RunnersUp {
    margin: i64,
    /// Empty when a left record may be in many pairs.
    left: Vec<[i64; 2]>,
    /// Empty when a right record may be in many pairs.
    right: Vec<[i64; 2]>,
}

impl RunnersUp {
    /// Looks at all kept edges, whether `accept` is reached or not.
    pub fn new(
        edges: &[Edge],
        cardinality: Cardinality,
        margin: f64,
        lefts: usize,
        rights: usize,
    ) -> Self {
        let (left, right) = match cardinality {
            Cardinality::OneToOne => (lefts, rights),
            Cardinality::OneToMany => (0, rights),
            Cardinality::ManyToOne => (lefts, 0),
            Cardinality::ManyToMany => (0, 0),
        };
        let mut found = Self {
            margin: units(margin),
            left: vec![[NO_SCORE; 2]; left],
            right: vec![[NO_SCORE; 2]; right],
        };
        for edge in edges {
            let score = units(edge.score);
            for best in [
                found.left.get_mut(edge.left as usize),
                found.right.get_mut(edge.right as usize),
            ] {
                match best {
                    Some([first, second]) if score > *first => {
                        (*first, *second) = (score, *first);
                    }
                    Some([_, second]) => *second = score.max(*second),
                    None => {}
                }
            }
        }
        found
    }

    /// Whether another edge of one of its records scores at least its score less the margin.
    pub fn is_near(&self, edge: &Edge) -> bool {
        let score = units(edge.score);
        [
            self.left.get(edge.left as usize),
            self.right.get(edge.right as usize),
        ]
        .into_iter()
        .flatten()
        .any(|&[first, second]| {
            let other = if score == first { second } else { first };
            other >= score.saturating_sub(self.margin)
        })
    }
}

/// Whole units, so that 0.92 − 0.05 is 0.87 and not a little more.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a score or a margin lies from 0 to 1; beyond 64 bits the cast saturates"
)]
fn units(score: f64) -> i64 {
    (score * UNITS).round() as i64
}
