//! One to many and many to one: each record of the many side takes its best partner.

use super::{Chosen, Edge};

/// The best edge of each record that `of` names, out of `records`: by score, then weight, then the
/// other record's index. It is tied when another has the same score and weight.
pub fn best_of_each(edges: Vec<Edge>, of: impl Fn(&Edge) -> u32, records: usize) -> Vec<Chosen> {
    let mut best: Vec<Option<Chosen>> = vec![None; records];
    for edge in edges {
        let slot = &mut best[of(&edge) as usize];
        let tied = match slot {
            Some(held) if held.edge.by_merit(&edge).is_lt() => continue,
            Some(held) if held.edge.by_merit(&edge).is_eq() => {
                held.tied = true;
                if held.edge.by_keys(&edge).is_lt() {
                    continue;
                }
                true
            }
            _ => false,
        };
        *slot = Some(Chosen::new(edge, tied));
    }
    best.into_iter().flatten().collect()
}
