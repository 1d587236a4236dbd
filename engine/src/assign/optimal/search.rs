//! Shortest augmenting paths: the matching of one component, usually in a few scans of its edges.
//!
//! After Jonker and Volgenant ("A Shortest Augmenting Path Algorithm for Dense and Sparse Linear
//! Assignment Problems", Computing 38, 1987) with three changes. A row may stay free at no cost: a
//! search may also end at a row whose dual is used up on the way, which then goes free, so that
//! nothing is padded to a perfect matching. Rows keep their edges by falling weight, and since duals
//! of columns are never negative, a scan stops at the first edge that is too light. Beside the
//! search from one row there is a phase that searches from all free rows at once and takes disjoint
//! shortest paths until no more fits (after Hopcroft and Karp, SIAM Journal on Computing 2, 1973),
//! which is what many equal weights need; the two take turns by what they cost.
//!
//! O(n·m·log n) at worst for n rows and m edges. Up to 50 bytes a column.

use super::graph::{Graph, Matching, NONE, refill};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::replace;

/// Farther than any path, none of which is longer than the largest weight.
const FAR: i64 = i64::MAX;
/// Bids of the first round, per row.
const BIDS: usize = 8;
/// Searches from one row between two looks at what they cost.
const BATCH: usize = 16;
/// How many times the cost of a phase goes into searches from one row before the next is tried.
const PHASE_SHARE: u64 = 4;

/// Where a path ends.
#[derive(Clone, Copy)]
enum End {
    /// At a column that was free.
    Column(u32),
    /// At a row that goes free; the one where it began, if that stays so.
    Row(u32),
}

/// The room for searches. Between searches every edge weighs at most the sum of its two duals and a
/// chosen one exactly that, and free columns have the dual 0; at the end so do free rows.
#[derive(Debug, Default)]
pub struct Search {
    distance: Vec<i64>,
    /// The row from which a column was reached.
    parent: Vec<u32>,
    touched: Vec<u32>,
    settled: Vec<(u32, i64)>,
    heap: BinaryHeap<Reverse<(i64, u32)>>,
    path: Vec<(u32, usize)>,
    /// Edges looked at since the start.
    scanned: u64,
}

impl Search {
    /// Begins anew: each row bids for its best column as far as its second best allows, and whoever
    /// is outbid bids again. Returns the free rows that an edge is still worth something to.
    pub fn start(&mut self, graph: &Graph, matching: &mut Matching) -> Vec<u32> {
        matching.clear(graph.rows(), graph.columns());
        refill(&mut self.distance, graph.columns(), FAR);
        refill(&mut self.parent, graph.columns(), NONE);
        self.scanned = 0;
        let mut free = Vec::new();
        let mut bids = BIDS * graph.rows();
        for first in (0..).take(graph.rows()) {
            let mut row = first;
            while let Some((column, value, next)) = self.best(graph, matching, row) {
                let outbid = matching.column_mate[column as usize];
                if bids == 0 || (outbid != NONE && value == next) {
                    free.push(row);
                    break;
                }
                bids -= 1;
                matching.column_dual[column as usize] += value - next;
                matching.row_dual[row as usize] = next;
                matching.row_mate[row as usize] = column;
                matching.column_mate[column as usize] = row;
                if outbid == NONE {
                    break;
                }
                matching.row_mate[outbid as usize] = NONE;
                row = outbid;
            }
        }
        free
    }

    /// Augments until no edge is worth anything to a free row, or until over `patience` edges were
    /// looked at since the start. Returns the rows still to be searched for.
    pub fn augment(
        &mut self,
        graph: &Graph,
        matching: &mut Matching,
        mut free: Vec<u32>,
        patience: u64,
    ) -> Vec<u32> {
        let (mut spent, mut next_phase, mut a_search) = (0, 0, 0_u64);
        while !free.is_empty() && self.scanned <= patience {
            let (before, waiting) = (self.scanned, free.len());
            if spent >= next_phase {
                free.retain(|&row| self.best(graph, matching, row).is_some());
                self.phase(graph, matching, &mut free);
                let (cost, done) = (self.scanned - before, (waiting - free.len()) as u64);
                let pays = cost <= a_search.saturating_mul(done);
                (spent, next_phase) = (0, if pays { 0 } else { PHASE_SHARE * cost });
            } else {
                let batch = free.split_off(waiting.saturating_sub(BATCH));
                let searches = batch.len() as u64;
                for row in batch {
                    if self.best(graph, matching, row).is_some() {
                        self.search(graph, matching, row);
                    }
                }
                let cost = self.scanned - before;
                a_search = cost / searches;
                spent += cost.max(1);
            }
        }
        free
    }

    /// The best column of a free row, what it is worth beyond its dual, and what the next best is
    /// worth; among equals a free column first. `None` when no column is worth anything. Sets the
    /// row's dual to match.
    fn best(
        &mut self,
        graph: &Graph,
        matching: &mut Matching,
        row: u32,
    ) -> Option<(u32, i64, i64)> {
        let (mut best, mut value, mut next, mut is_free) = (NONE, 0, 0, true);
        for &(column, weight) in graph.row(row) {
            if weight <= next && (is_free || weight < value) {
                break;
            }
            self.scanned += 1;
            let worth = weight - matching.column_dual[column as usize];
            if worth > value {
                is_free = matching.column_mate[column as usize] == NONE;
                (best, next, value) = (column, value, worth);
            } else if worth > 0 && worth == value {
                next = worth;
                if !is_free && matching.column_mate[column as usize] == NONE {
                    (best, is_free) = (column, true);
                }
            } else {
                next = next.max(worth);
            }
        }
        matching.row_dual[row as usize] = value;
        (best != NONE).then_some((best, value, next))
    }

    /// Finds the shortest path from a free row to a free column, or to a row that may go free, and
    /// changes the matching along it. Edges are as long as they weigh less than their duals' sum.
    fn search(&mut self, graph: &Graph, matching: &mut Matching, source: u32) {
        let mut nearest = (matching.row_dual[source as usize], End::Row(source));
        self.relax(graph, matching, source, 0, &mut nearest);
        self.settle(graph, matching, &mut nearest);
        let (length, end) = nearest;
        self.shift(matching, length);
        matching.row_dual[source as usize] -= length;
        let last = match end {
            End::Column(column) => column,
            End::Row(row) => replace(&mut matching.row_mate[row as usize], NONE),
        };
        self.switch(matching, last);
        self.forget();
    }

    /// Gives `column` to the row it was reached from, that row's to the one before, and so on.
    fn switch(&self, matching: &mut Matching, mut column: u32) {
        while column != NONE {
            let row = self.parent[column as usize];
            matching.column_mate[column as usize] = row;
            column = replace(&mut matching.row_mate[row as usize], column);
        }
    }

    /// Grows paths, the shortest first, until none can end nearer than `nearest`.
    fn settle(&mut self, graph: &Graph, matching: &Matching, nearest: &mut (i64, End)) {
        while let Some(Reverse((distance, column))) = self.heap.pop() {
            if distance >= nearest.0 {
                break;
            }
            if distance > self.distance[column as usize] {
                continue;
            }
            self.settled.push((column, distance));
            let row = matching.column_mate[column as usize];
            let freed = distance + matching.row_dual[row as usize];
            if freed < nearest.0 {
                *nearest = (freed, End::Row(row));
            }
            self.relax(graph, matching, row, distance, nearest);
        }
    }

    /// Goes on from a row at `distance` to its columns.
    fn relax(
        &mut self,
        graph: &Graph,
        matching: &Matching,
        row: u32,
        distance: i64,
        nearest: &mut (i64, End),
    ) {
        let base = distance + matching.row_dual[row as usize];
        for &(column, weight) in graph.row(row) {
            if base - weight >= nearest.0 {
                break;
            }
            self.scanned += 1;
            let through = base - weight + matching.column_dual[column as usize];
            let known = &mut self.distance[column as usize];
            if through >= *known || through >= nearest.0 {
                continue;
            }
            if *known == FAR {
                self.touched.push(column);
            }
            *known = through;
            self.parent[column as usize] = row;
            if matching.column_mate[column as usize] == NONE {
                *nearest = (through, End::Column(column));
            } else {
                self.heap.push(Reverse((through, column)));
            }
        }
    }

    /// Moves the duals of what was settled nearer than `length`, so that edges on paths of that
    /// length weigh as much as their duals.
    fn shift(&self, matching: &mut Matching, length: i64) {
        for &(column, distance) in &self.settled {
            if distance < length {
                let row = matching.column_mate[column as usize];
                matching.column_dual[column as usize] += length - distance;
                matching.row_dual[row as usize] -= length - distance;
            }
        }
    }

    fn forget(&mut self) {
        for column in self.touched.drain(..) {
            self.distance[column as usize] = FAR;
        }
        self.settled.clear();
        self.heap.clear();
    }

    /// Searches from all `free` rows at once and takes disjoint shortest paths until no more fits.
    /// Leaves the rows still to be searched for.
    fn phase(&mut self, graph: &Graph, matching: &mut Matching, free: &mut Vec<u32>) {
        let duals = free
            .iter()
            .map(|&row| (matching.row_dual[row as usize], row));
        let Some((dual, row)) = duals.min() else {
            return;
        };
        let mut nearest = (dual, End::Row(row));
        for &row in &*free {
            self.relax(graph, matching, row, 0, &mut nearest);
        }
        self.settle(graph, matching, &mut nearest);
        self.shift(matching, nearest.0);
        for &row in &*free {
            matching.row_dual[row as usize] -= nearest.0;
        }
        self.forget();
        free.retain(|&row| matching.row_dual[row as usize] > 0 && !self.walk(graph, matching, row));
        self.forget();
    }

    /// Walks from a free row over edges that weigh as much as their duals, through columns that no
    /// walk of this phase has seen; changes the matching along the path if one ends.
    fn walk(&mut self, graph: &Graph, matching: &mut Matching, source: u32) -> bool {
        self.path.clear();
        self.path.push((source, 0));
        while let Some((row, seen)) = self.path.last_mut() {
            let dual = matching.row_dual[*row as usize];
            let mut reached = None;
            for &(column, weight) in &graph.row(*row)[*seen..] {
                if weight < dual {
                    break;
                }
                *seen += 1;
                self.scanned += 1;
                if self.distance[column as usize] == FAR
                    && weight == dual + matching.column_dual[column as usize]
                {
                    self.distance[column as usize] = 0;
                    self.touched.push(column);
                    self.parent[column as usize] = *row;
                    reached = Some(column);
                    break;
                }
            }
            let Some(column) = reached else {
                self.path.pop();
                continue;
            };
            let mate = matching.column_mate[column as usize];
            if mate != NONE && matching.row_dual[mate as usize] > 0 {
                self.path.push((mate, 0));
                continue;
            }
            if mate != NONE {
                matching.row_mate[mate as usize] = NONE;
            }
            self.switch(matching, column);
            return true;
        }
        false
    }
}
