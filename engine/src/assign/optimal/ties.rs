//! Among matchings of the same weight: which one is taken, and what keys alone decided.
//!
//! A matching is optimal exactly when each of its edges weighs as much as its two duals ("tight")
//! and no record with a dual above 0 is free. So two optima differ by cycles in a graph of the tight
//! edges: left → right along an edge that is not chosen, right → left along a chosen one, and through
//! a hub that stands for being free. A chosen edge is in every optimum unless its two ends are
//! strongly connected there. Which nodes are does not change along such cycles.

mod order;

use super::graph::{Matching, NONE, refill};

/// Settles ties, with lefts as rows and rights as columns, both in the order of keys.
#[derive(Debug, Default)]
pub struct Ties {
    tight: Tight,
    tied: Vec<bool>,
}

impl Ties {
    /// Changes an optimal `matching` to the one to be taken. `edges` (left, right, weight) are
    /// those of the component, sorted.
    pub fn settle(
        &mut self,
        matching: &mut Matching,
        edges: impl Iterator<Item = (u32, u32, i64)>,
    ) {
        refill(&mut self.tied, matching.row_mate.len(), false);
        self.tight.load(matching, edges);
        let chosen = matching.row_mate.iter().filter(|&&mate| mate != NONE);
        if self.tight.edges.len() == chosen.count() {
            return;
        }
        let components = self.tight.strong_components(matching);
        if !self.mark(matching, &components) {
            return;
        }
        order::make_first(&self.tight, matching, &components);
        self.mark(matching, &components);
    }

    /// Whether the chosen edge of `left` is missing from another optimum.
    pub fn is_tied(&self, left: u32) -> bool {
        self.tied[left as usize]
    }

    fn mark(&mut self, matching: &Matching, components: &[u32]) -> bool {
        for (left, tied) in self.tied.iter_mut().enumerate() {
            let mate = matching.row_mate[left];
            *tied = mate != NONE && components[left] == components[self.tight.right(mate) as usize];
        }
        self.tied.contains(&true)
    }
}

/// The tight edges of a component. Nodes are the lefts, then the rights, then the hub.
#[derive(Clone, Debug, Default)]
struct Tight {
    lefts: usize,
    rights: usize,
    starts: Vec<usize>,
    /// Per left, the rights in their order.
    edges: Vec<u32>,
    /// Nodes that may be free in an optimum.
    may_be_free: Vec<u32>,
}

impl Tight {
    fn load(&mut self, matching: &Matching, edges: impl Iterator<Item = (u32, u32, i64)>) {
        (self.lefts, self.rights) = (matching.row_mate.len(), matching.column_mate.len());
        self.edges.clear();
        refill(&mut self.starts, self.lefts + 1, 0);
        for (left, right, weight) in edges {
            let duals = matching.row_dual[left as usize] + matching.column_dual[right as usize];
            if weight == duals {
                self.edges.push(right);
                self.starts[left as usize + 1] += 1;
            }
        }
        for left in 0..self.lefts {
            self.starts[left + 1] += self.starts[left];
        }
        self.may_be_free.clear();
        let duals = matching.row_dual.iter().chain(&matching.column_dual);
        let nodes = (0..).zip(duals).filter(|&(_, &dual)| dual == 0);
        self.may_be_free
            .extend(nodes.map(|(node, _): (u32, _)| node));
    }

    /// Keeps the edges that `is_kept` says so of, by the nodes of their left and right.
    fn retain(&mut self, is_kept: impl Fn(u32, u32) -> bool) {
        let (mut kept, mut start) = (0, 0);
        for left in (0..).take(self.lefts) {
            let end = self.starts[left as usize + 1];
            for at in start..end {
                let right = self.edges[at];
                if is_kept(left, self.right(right)) {
                    self.edges[kept] = right;
                    kept += 1;
                }
            }
            start = end;
            self.starts[left as usize + 1] = kept;
        }
        self.edges.truncate(kept);
    }

    fn nodes(&self) -> usize {
        self.lefts + self.rights + 1
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a component whose nodes were over 32 bits would need 100 GB for its edges"
    )]
    fn right(&self, right: u32) -> u32 {
        self.lefts as u32 + right
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a component whose nodes were over 32 bits would need 100 GB for its edges"
    )]
    fn hub(&self) -> u32 {
        (self.lefts + self.rights) as u32
    }

    /// The rights that a left has tight edges to.
    fn of(&self, left: u32) -> &[u32] {
        &self.edges[self.starts[left as usize]..self.starts[left as usize + 1]]
    }

    /// The next node after `node`, from `cursor` on.
    fn next(&self, matching: &Matching, node: u32, cursor: &mut usize) -> Option<u32> {
        let at = *cursor;
        *cursor += 1;
        let index = node as usize;
        if index < self.lefts {
            let (rights, mate) = (self.of(node), matching.row_mate[index]);
            return match rights.get(at) {
                Some(&right) if right == mate => self.next(matching, node, cursor),
                Some(&right) => Some(self.right(right)),
                None => {
                    let may_leave = mate != NONE && matching.row_dual[index] == 0;
                    (at == rights.len() && may_leave).then_some(self.hub())
                }
            };
        }
        if node != self.hub() {
            let mate = matching.column_mate[index - self.lefts];
            return (at == 0).then_some(if mate == NONE { self.hub() } else { mate });
        }
        let rest = self.may_be_free.get(at..)?;
        let takes = |&node: &u32| match (node as usize).checked_sub(self.lefts) {
            None => matching.row_mate[node as usize] == NONE,
            Some(right) => matching.column_mate[right] != NONE,
        };
        let skipped = rest.iter().position(takes)?;
        *cursor += skipped;
        Some(rest[skipped])
    }

    /// The strongly connected component of each node, by Tarjan's algorithm ("Depth-First Search
    /// and Linear Graph Algorithms", SIAM Journal on Computing 1, 1972) without recursion.
    fn strong_components(&self, matching: &Matching) -> Vec<u32> {
        let mut components = vec![NONE; self.nodes()];
        // The number in order of discovery, and the lowest number reached from there.
        let mut low = vec![NONE; self.nodes()];
        let (mut open, mut path) = (Vec::new(), Vec::new());
        let mut discovered = 0;
        for root in (0..).take(self.nodes()) {
            if low[root as usize] != NONE {
                continue;
            }
            let mut entered = Some(root);
            loop {
                if let Some(node) = entered.take() {
                    low[node as usize] = discovered;
                    path.push((node, 0, discovered));
                    open.push(node);
                    discovered += 1;
                }
                let Some((node, cursor, number)) = path.last_mut() else {
                    break;
                };
                if let Some(next) = self.next(matching, *node, cursor) {
                    if low[next as usize] == NONE {
                        entered = Some(next);
                    } else if components[next as usize] == NONE {
                        low[*node as usize] = low[*node as usize].min(low[next as usize]);
                    }
                    continue;
                }
                let (node, number) = (*node, *number);
                path.pop();
                if low[node as usize] == number {
                    while let Some(member) = open.pop() {
                        components[member as usize] = node;
                        if member == node {
                            break;
                        }
                    }
                }
                if let Some((before, ..)) = path.last() {
                    let lowest = low[node as usize].min(low[*before as usize]);
                    if components[node as usize] == NONE {
                        low[*before as usize] = lowest;
                    }
                }
            }
        }
        components
    }
}
