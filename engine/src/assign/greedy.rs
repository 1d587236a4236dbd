//! One to one, the best pair first.

use super::{Chosen, Edge, Free};

/// Goes through the edges by falling score, then falling weight, then left, then right, and takes
/// each whose records are both still free. O(m·log m) for m edges, in place.
pub fn assign(mut edges: Vec<Edge>, free: &mut Free) -> Vec<Chosen> {
    edges.sort_unstable_by(Edge::by_rank);
    let mut chosen = Vec::new();
    let mut left_rivals = vec![0_u32; free.left.len()];
    let mut right_rivals = vec![0_u32; free.right.len()];
    for equals in edges.chunk_by(|a, b| a.by_merit(b).is_eq()) {
        let open: Vec<Edge> = equals.iter().filter(|e| free.has(e)).copied().collect();
        for edge in &open {
            left_rivals[edge.left as usize] += 1;
            right_rivals[edge.right as usize] += 1;
        }
        for edge in &open {
            if free.has(edge) {
                free.take(edge);
                let tied =
                    left_rivals[edge.left as usize] > 1 || right_rivals[edge.right as usize] > 1;
                chosen.push(Chosen::new(*edge, tied));
            }
        }
        for edge in &open {
            left_rivals[edge.left as usize] = 0;
            right_rivals[edge.right as usize] = 0;
        }
    }
    chosen
}
