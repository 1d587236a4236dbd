//! Deciding which of the scored pairs hold, one to one.

/// A scored pair of records. The order of indices is the order of keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Edge {
    /// The left record's index.
    pub left: u32,
    /// The right record's index.
    pub right: u32,
    /// 0 to 1.
    pub score: f64,
    /// What decides between pairs: the match weight in bits under `fellegiSunter`, else the score.
    pub weight: f64,
}

/// An [`Edge`] that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chosen {
    /// The pair.
    pub edge: Edge,
    /// Whether another pair with the same score stood against it and lost by its keys alone.
    pub tied: bool,
}

/// What one pass decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// Pairs at or above `accept`: their records are matched.
    pub confirmed: Vec<Chosen>,
    /// Pairs from `review` up to `accept` among the records that no confirmed pair took.
    pub review: Vec<Chosen>,
}

/// Best score first, each record at most once; equal scores go by the left key, then the right.
/// First over the pairs at or above `accept`, then over the others among the records left.
/// `lefts` and `rights` are the numbers of records; every edge lies within them, and no pair occurs
/// twice.
#[must_use]
pub fn greedy(mut edges: Vec<Edge>, accept: f64, lefts: usize, rights: usize) -> Assignment {
    edges.sort_unstable_by(|a, b| {
        b.weight
            .total_cmp(&a.weight)
            .then(a.left.cmp(&b.left))
            .then(a.right.cmp(&b.right))
    });
    let (sure, unsure) = edges.split_at(edges.partition_point(|edge| edge.score >= accept));
    let mut board = Board {
        left: vec![false; lefts],
        right: vec![false; rights],
        left_rivals: vec![0; lefts],
        right_rivals: vec![0; rights],
    };
    Assignment {
        confirmed: board.take_best(sure),
        review: board.take_best(unsure),
    }
}

/// Which records are taken.
struct Board {
    left: Vec<bool>,
    right: Vec<bool>,
    left_rivals: Vec<u32>,
    right_rivals: Vec<u32>,
}

impl Board {
    fn is_free(&self, edge: &Edge) -> bool {
        !self.left[edge.left as usize] && !self.right[edge.right as usize]
    }

    /// `edges` come best first.
    fn take_best(&mut self, edges: &[Edge]) -> Vec<Chosen> {
        let mut chosen = Vec::new();
        let same_score = |a: &Edge, b: &Edge| a.weight.total_cmp(&b.weight).is_eq();
        for group in edges.chunk_by(same_score) {
            let open: Vec<Edge> = group.iter().filter(|e| self.is_free(e)).copied().collect();
            for edge in &open {
                self.left_rivals[edge.left as usize] += 1;
                self.right_rivals[edge.right as usize] += 1;
            }
            for edge in &open {
                if self.is_free(edge) {
                    self.left[edge.left as usize] = true;
                    self.right[edge.right as usize] = true;
                    let tied = self.left_rivals[edge.left as usize] > 1
                        || self.right_rivals[edge.right as usize] > 1;
                    chosen.push(Chosen { edge: *edge, tied });
                }
            }
            for edge in &open {
                self.left_rivals[edge.left as usize] = 0;
                self.right_rivals[edge.right as usize] = 0;
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(left: u32, right: u32, score: f64) -> Edge {
        let weight = score;
        Edge {
            left,
            right,
            score,
            weight,
        }
    }

    fn pairs(chosen: &[Chosen]) -> Vec<(u32, u32, bool)> {
        chosen
            .iter()
            .map(|c| (c.edge.left, c.edge.right, c.tied))
            .collect()
    }

    #[test]
    fn the_best_pair_comes_first_and_takes_its_records() {
        let edges = vec![edge(0, 0, 0.8), edge(0, 1, 0.9), edge(1, 1, 0.85)];
        let decided = greedy(edges, 0.5, 2, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 1, false)]);
        assert!(decided.review.is_empty());
    }

    #[test]
    fn a_tie_goes_to_the_smaller_keys_and_is_said() {
        let edges = vec![
            edge(1, 0, 1.0),
            edge(0, 1, 1.0),
            edge(0, 0, 1.0),
            edge(1, 1, 1.0),
        ];
        let decided = greedy(edges, 1.0, 2, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, true), (1, 1, true)]);
    }

    #[test]
    fn review_takes_only_what_confirmation_left() {
        let edges = vec![
            edge(0, 0, 0.95),
            edge(0, 1, 0.8),
            edge(1, 1, 0.7),
            edge(1, 0, 0.75),
        ];
        let decided = greedy(edges, 0.9, 2, 2);
        assert_eq!(pairs(&decided.confirmed), [(0, 0, false)]);
        assert_eq!(pairs(&decided.review), [(1, 1, false)]);
    }
}
