//! One to one with the largest total weight, exactly.
//!
//! Weights are whole units of 1e-12, so that equal totals are equal whatever the order of adding.
//! Connected components are independent of each other and are solved one by one: a pair on its own
//! and a star directly, any other by [`search`], and by [`auction`] where searching turns out slow.
//!
//! An edge that weighs nothing or less adds nothing to a total. Records that the optimum leaves
//! free are assigned over such edges greedily, best score first.
//!
//! Which of several optima: the chosen pairs, sorted by left and right, are lexicographically
//! first. So the first left record that any optimum matches is matched, to the first right record
//! that any optimum gives it; then the next, given that. Finding it takes a number of steps that is
//! bounded by the edges of a component ([`ties`]). Where that is not enough, the lefts not reached
//! keep the pairs that the solver found; those depend on the component's keys and weights alone.
//! `tied` is exact in both cases.
//!
//! Cost: O(m·log m) to sort m edges, then that of the solvers. A component of 60,000 records and 5
//! million edges takes from a third of a second to five seconds on one core (`benches/assign`).
//! Memory beyond the edges themselves (24 bytes each): for the largest component 16 bytes an edge,
//! 16 more where it is auctioned, 12 more for each edge that an optimum could hold.

mod auction;
mod graph;
mod search;
mod ties;

use super::components::Sets;
use super::{Chosen, Edge, Free, greedy};
use auction::Auction;
use graph::{Graph, Matching, NONE};
use search::Search;
use ties::Ties;

/// Edges that a search may look at, per edge and per row of the component, before the auction is
/// tried instead: a few times what random weights need.
const PATIENCE: (u64, u64) = (10, 300);

/// The best total over `edges`, in place but for what one component needs.
pub fn assign(mut edges: Vec<Edge>, lefts: usize, rights: usize) -> Vec<Chosen> {
    let mut idle: Vec<Edge> = edges.extract_if(.., |edge| edge.units() <= 0).collect();
    let mut chosen = Vec::new();
    take_alone(&mut edges, &mut chosen, lefts, rights);
    let component = sort_by_component(&mut edges, lefts, rights);
    let mut room = Room {
        local_left: vec![NONE; lefts],
        local_right: vec![NONE; rights],
        ..Room::default()
    };
    for edges in edges.chunk_by(|a, b| component[a.left as usize] == component[b.left as usize]) {
        room.assign(edges, &mut chosen);
    }
    if !idle.is_empty() {
        let mut free = Free::all(lefts, rights);
        for taken in &chosen {
            free.take(&taken.edge);
        }
        idle.retain(|edge| free.has(edge));
        chosen.extend(greedy::assign(idle, &mut free));
    }
    chosen
}

/// Takes the edges out whose records have no other.
fn take_alone(edges: &mut Vec<Edge>, chosen: &mut Vec<Chosen>, lefts: usize, rights: usize) {
    let (mut of_left, mut of_right) = (vec![0_u8; lefts], vec![0_u8; rights]);
    for edge in &*edges {
        for count in [
            &mut of_left[edge.left as usize],
            &mut of_right[edge.right as usize],
        ] {
            *count = count.saturating_add(1);
        }
    }
    edges.retain(|edge| {
        let alone = of_left[edge.left as usize] == 1 && of_right[edge.right as usize] == 1;
        if alone {
            chosen.push(Chosen::new(*edge, false));
        }
        !alone
    });
}

/// Sorts by component, then left, then right; returns the component of each left record.
fn sort_by_component(edges: &mut [Edge], lefts: usize, rights: usize) -> Vec<u32> {
    let mut sets = Sets::new(lefts);
    let mut first_left = vec![NONE; rights];
    for edge in &*edges {
        let first = &mut first_left[edge.right as usize];
        if *first == NONE {
            *first = edge.left;
        } else {
            sets.join(*first as usize, edge.left as usize);
        }
    }
    let component: Vec<u32> = (0..)
        .take(lefts)
        .map(|left: u32| u32::try_from(sets.find(left as usize)).unwrap_or(left))
        .collect();
    edges.sort_unstable_by_key(|edge| (component[edge.left as usize], edge.left, edge.right));
    component
}

/// What one component needs, kept for the next.
#[derive(Default)]
struct Room {
    local_left: Vec<u32>,
    local_right: Vec<u32>,
    lefts: Vec<u32>,
    rights: Vec<u32>,
    graph: Graph,
    matching: Matching,
    search: Search,
    ties: Ties,
}

impl Room {
    /// Solves the component of `edges`, which are sorted by left and right.
    fn assign(&mut self, edges: &[Edge], chosen: &mut Vec<Chosen>) {
        let (first, last) = (&edges[0], &edges[edges.len() - 1]);
        let is_star = first.left == last.left || edges.iter().all(|edge| edge.right == first.right);
        if is_star {
            chosen.extend(best_of(edges));
            return;
        }
        number(
            edges.iter().map(|edge| edge.left),
            &mut self.local_left,
            &mut self.lefts,
        );
        number(
            edges.iter().map(|edge| edge.right),
            &mut self.local_right,
            &mut self.rights,
        );
        let (lefts, rights) = (self.lefts.len(), self.rights.len());
        let local = |edge: &Edge| {
            let left = self.local_left[edge.left as usize];
            (left, self.local_right[edge.right as usize], edge.units())
        };
        // The side with fewer records bids and searches: it leaves fewer that no one can match.
        let flipped = lefts > rights;
        if flipped {
            let edges = edges.iter().map(local).map(|(l, r, weight)| (r, l, weight));
            self.graph.load(rights, lefts, edges);
        } else {
            self.graph.load(lefts, rights, edges.iter().map(local));
        }
        solve(&self.graph, &mut self.search, &mut self.matching);
        debug_assert!(self.matching.is_optimal(&self.graph));
        if flipped {
            self.matching.flip();
        }
        self.ties
            .settle(&mut self.matching, edges.iter().map(local));
        for edge in edges {
            let (left, right, _) = local(edge);
            if self.matching.row_mate[left as usize] == right {
                chosen.push(Chosen::new(*edge, self.ties.is_tied(left)));
            }
        }
        for &left in &self.lefts {
            self.local_left[left as usize] = NONE;
        }
        for &right in &self.rights {
            self.local_right[right as usize] = NONE;
        }
    }
}

/// Searches, unless that takes too long and the auction can do without.
fn solve(graph: &Graph, search: &mut Search, matching: &mut Matching) {
    let patience = PATIENCE.0 * graph.len() as u64 + PATIENCE.1 * graph.rows() as u64;
    let free = search.start(graph, matching);
    let free = search.augment(graph, matching, free, patience);
    if !free.is_empty() && !Auction::solve(graph, matching) {
        search.augment(graph, matching, free, u64::MAX);
    }
}

/// The heaviest edge of a star, the first of several.
fn best_of(star: &[Edge]) -> Option<Chosen> {
    let heaviest = star.iter().map(Edge::units).max()?;
    let mut equals = star.iter().filter(|edge| edge.units() == heaviest);
    let first = *equals.next()?;
    Some(Chosen::new(first, equals.next().is_some()))
}

/// Numbers the distinct `records` in their order from 0.
fn number(records: impl Iterator<Item = u32>, local: &mut [u32], distinct: &mut Vec<u32>) {
    distinct.clear();
    for record in records {
        let known = &mut local[record as usize];
        if *known == NONE {
            *known = 0;
            distinct.push(record);
        }
    }
    distinct.sort_unstable();
    for (number, &record) in (0..).zip(&*distinct) {
        local[record as usize] = number;
    }
}

#[cfg(test)]
mod tests;
