//! Deciding which of the scored pairs hold.
//!
//! First over the pairs at or above `accept`, then over the others among the records that no
//! confirmed pair took. Everything depends on the pairs alone, not on their order; ties break on
//! indices, which are in the order of keys.

mod components;
mod greedy;
mod group;
mod margin;
mod optimal;

pub use components::groups;

pub use crds::matching::{Assign as Method, Cardinality};

use margin::RunnersUp;
use std::cmp::Ordering;

/// Scores and margins are compared, and weights added, in whole numbers of this fraction. Scores
/// are multiples of it, so that for them nothing is rounded.
const UNITS: f64 = 1e12;
/// The largest weight, in units: about a million bits of odds. Distances and duals of an assignment
/// stay at or below twice this and fit 64 bits; a weight beyond it counts as this much.
const HEAVIEST: f64 = 1e18;

/// A scored pair of records. The order of indices is the order of keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The left record's index.
    pub left: u32,
    /// The right record's index.
    pub right: u32,
    /// 0 to 1: what `accept` and `margin` look at.
    pub score: f64,
    /// What an optimal assignment adds up: the score, or under fellegiSunter the match weight
    /// (log2 odds), which may be negative. Counted in units of 1e-12, at most 1e6.
    pub weight: f64,
}

impl Edge {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to what 64 bits hold; no number at all counts as 0"
    )]
    fn units(&self) -> i64 {
        (self.weight * UNITS).round().clamp(-HEAVIEST, HEAVIEST) as i64
    }

    /// Better edges first, then by keys.
    pub(crate) fn by_rank(&self, other: &Self) -> Ordering {
        self.by_merit(other).then(self.by_keys(other))
    }

    /// Better edges first: by score, then by weight.
    fn by_merit(&self, other: &Self) -> Ordering {
        (other.score.total_cmp(&self.score)).then(other.weight.total_cmp(&self.weight))
    }

    fn by_keys(&self, other: &Self) -> Ordering {
        (self.left, self.right).cmp(&(other.left, other.right))
    }
}

/// What a pass asks of its assignment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    /// For one-to-one alone: the others have one best answer.
    pub method: Method,
    /// How many pairs a record may be in.
    pub cardinality: Cardinality,
    /// Pairs with this score or more are confirmed.
    pub accept: f64,
    /// A pair whose record has another pair with a score this near, or a better one, is ambiguous
    /// and goes to review; inclusive. 0: none is.
    pub margin: f64,
}

/// An [`Edge`] that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// The pair.
    pub edge: Edge,
    /// Whether keys alone decided: greedily, another open pair of the same score and weight stood
    /// against it; optimally, it is missing from another assignment of the same total.
    pub tied: bool,
    /// Whether its score reaches `accept` and a runner-up within the margin sent it to review.
    pub ambiguous: bool,
}

/// What one pass decided; pairs by left, then right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Pairs at or above `accept`: their records are matched.
    pub confirmed: Vec<Chosen>,
    /// Pairs below `accept`, and ambiguous ones, among the records that no confirmed pair took.
    pub review: Vec<Chosen>,
}

/// Decides over all kept pairs of a pass, in any order, no pair twice. `lefts` and `rights` are the
/// numbers of records; every edge lies within them.
#[must_use]
pub fn assign(mut edges: Vec<Edge>, rules: &Rules, lefts: usize, rights: usize) -> Assignment {
    let runners_up = (rules.margin > 0.0)
        .then(|| RunnersUp::new(&edges, rules.cardinality, rules.margin, lefts, rights));
    let is_sure = |edge: &Edge| {
        edge.score >= rules.accept && !runners_up.as_ref().is_some_and(|r| r.is_near(edge))
    };
    let mut sure = 0;
    for index in 0..edges.len() {
        if is_sure(&edges[index]) {
            edges.swap(index, sure);
            sure += 1;
        }
    }
    let mut unsure = edges.split_off(sure);

    let confirmed = decide(edges, rules, lefts, rights);
    let mut free = Free::all(lefts, rights);
    for chosen in &confirmed {
        free.take(&chosen.edge);
    }
    unsure.retain(|edge| free.has(edge));
    let mut review = decide(unsure, rules, lefts, rights);
    for chosen in &mut review {
        chosen.ambiguous = chosen.edge.score >= rules.accept;
    }
    Assignment { confirmed, review }
}

fn decide(edges: Vec<Edge>, rules: &Rules, lefts: usize, rights: usize) -> Vec<Chosen> {
    let mut chosen = match (rules.cardinality, rules.method) {
        (Cardinality::OneToOne, Method::Optimal) => optimal::assign(edges, lefts, rights),
        (Cardinality::OneToOne, Method::Greedy) => {
            greedy::assign(edges, &mut Free::all(lefts, rights))
        }
        (Cardinality::OneToMany, _) => group::best_of_each(edges, |edge| edge.right, rights),
        (Cardinality::ManyToOne, _) => group::best_of_each(edges, |edge| edge.left, lefts),
        (Cardinality::ManyToMany, _) => edges.into_iter().map(|e| Chosen::new(e, false)).collect(),
    };
    chosen.sort_unstable_by(|a, b| a.edge.by_keys(&b.edge));
    chosen
}

impl Chosen {
    fn new(edge: Edge, tied: bool) -> Self {
        Self {
            edge,
            tied,
            ambiguous: false,
        }
    }
}

/// The records that no chosen pair took.
struct Free {
    left: Vec<bool>,
    right: Vec<bool>,
}

impl Free {
    fn all(lefts: usize, rights: usize) -> Self {
        Self {
            left: vec![true; lefts],
            right: vec![true; rights],
        }
    }

    fn has(&self, edge: &Edge) -> bool {
        self.left[edge.left as usize] && self.right[edge.right as usize]
    }

    fn take(&mut self, edge: &Edge) {
        self.left[edge.left as usize] = false;
        self.right[edge.right as usize] = false;
    }
}

#[cfg(test)]
mod tests;
