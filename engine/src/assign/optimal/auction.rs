//! The auction with scaled steps: slower than searching on most components, but by far faster on
//! those whose weights almost factor into one part for each row and one for each column.
//!
//! Forward and reverse bidding after Bertsekas and Castañón ("A Forward/Reverse Auction Algorithm
//! for Asymmetric Assignment Problems", Computational Optimization and Applications 1, 1992): rows
//! bid for columns; a column left over with a dual above 0 then bids for rows, or gives the dual up.
//! Each round bids in a smaller step than the one before. Weights are multiplied by the number of
//! rows + 2 and the last step is 1, which makes the last matching optimal; [`round`] turns its duals
//! into exact ones.
//!
//! O(n·m·log(n·C)) at worst for n rows, m edges and weights up to C; 16 bytes an edge, for the columns' view.

use super::graph::{Graph, Matching, NONE};

/// How many times smaller each step is than the one before.
const FINER: i64 = 4;
/// The largest multiplied weight: sums of two duals fit 64 bits.
const LARGEST: i64 = 1 << 61;

/// An auction at work. Between rounds every edge weighs at most the sum of its two duals and the
/// step, a chosen one exactly the sum, and free records have the dual 0.
pub struct Auction<'a> {
    rows: &'a Graph,
    columns: Graph,
    matching: &'a mut Matching,
    factor: i64,
}

impl<'a> Auction<'a> {
    /// Solves `graph` whatever `matching` held. `false`, with nothing changed, when its weights
    /// times its rows are too large for 64 bits.
    pub fn solve(graph: &'a Graph, matching: &'a mut Matching) -> bool {
        let heaviest = (0..)
            .take(graph.rows())
            .filter_map(|row| graph.row(row).first())
            .map(|&(_, weight)| weight)
            .max()
            .unwrap_or(0);
        let Some(factor) = i64::try_from(graph.rows())
            .ok()
            .and_then(|rows| rows.checked_add(2))
            .filter(|factor| heaviest <= LARGEST / factor)
        else {
            return false;
        };
        matching.clear(graph.rows(), graph.columns());
        let mut auction = Self {
            rows: graph,
            columns: graph.transposed(),
            matching,
            factor,
        };
        let mut step = heaviest * factor;
        while step > 1 {
            step = (step / FINER).max(1);
            auction.sell(step);
            auction.sell_back(step);
        }
        round(auction.matching, factor);
        true
    }

    /// Rows bid until each has a column within `step` of its best, or nothing is worth a bid.
    fn sell(&mut self, step: i64) {
        let rows = (0..).take(self.rows.rows());
        let mut waiting: Vec<u32> = rows.filter(|&row| !self.is_content(row, step)).collect();
        waiting.reverse();
        let matching = &mut *self.matching;
        for &row in &waiting {
            matching.row_dual[row as usize] = 0;
            let column = std::mem::replace(&mut matching.row_mate[row as usize], NONE);
            if column != NONE {
                matching.column_mate[column as usize] = NONE;
            }
        }
        while let Some(row) = waiting.pop() {
            matching.row_dual[row as usize] = 0;
            if let Some(outbid) = bid(self.rows, self.factor, step, matching, row) {
                waiting.push(outbid);
            }
        }
    }

    /// Columns that nobody has but that have a dual bid in turn.
    fn sell_back(&mut self, step: i64) {
        let matching = &mut *self.matching;
        matching.flip();
        let is_left_over = |matching: &Matching, column: u32| {
            matching.row_mate[column as usize] == NONE && matching.row_dual[column as usize] > 0
        };
        let columns = (0..).take(self.columns.rows());
        let mut waiting: Vec<u32> = columns.filter(|&c| is_left_over(matching, c)).collect();
        waiting.reverse();
        while let Some(column) = waiting.pop() {
            matching.row_dual[column as usize] = 0;
            let outbid = bid(&self.columns, self.factor, step, matching, column);
            waiting.extend(outbid.filter(|&column| is_left_over(matching, column)));
        }
        matching.flip();
    }

    /// Whether a row has a column within `step` of its best.
    fn is_content(&self, row: u32, step: i64) -> bool {
        let dual = self.matching.row_dual[row as usize];
        let edges = self.rows.row(row).iter();
        self.matching.row_mate[row as usize] != NONE
            && edges
                .map(|&(column, weight)| (column, weight * self.factor))
                .take_while(|&(_, weight)| weight > dual + step)
                .all(|(column, weight)| {
                    weight - self.matching.column_dual[column as usize] <= dual + step
                })
    }
}

/// A free row with the dual 0 takes the column that is worth most to it, and leaves that dual at
/// what the next best is worth, less the step. Returns the row that had the column.
fn bid(graph: &Graph, factor: i64, step: i64, matching: &mut Matching, row: u32) -> Option<u32> {
    let (mut best, mut value, mut next) = ((NONE, 0), 0, 0);
    for &(column, weight) in graph.row(row) {
        let weight = weight * factor;
        if weight <= next {
            break;
        }
        let worth = weight - matching.column_dual[column as usize];
        if worth > value {
            (best, next, value) = ((column, weight), value, worth);
        } else {
            next = next.max(worth);
        }
    }
    let (column, weight) = best;
    if column == NONE {
        return None;
    }
    let dual = (next - step).max(0);
    matching.row_dual[row as usize] = dual;
    matching.column_dual[column as usize] = weight - dual;
    matching.row_mate[row as usize] = column;
    let outbid = std::mem::replace(&mut matching.column_mate[column as usize], row);
    if outbid == NONE {
        return None;
    }
    matching.row_mate[outbid as usize] = NONE;
    Some(outbid)
}

/// Duals of multiplied weights, which prove the optimum up to a step of 1, to exact ones.
///
/// Count a row's dual as negative. Then the two of a chosen pair differ by a multiple of `factor`
/// and leave the same remainder; free records leave 0. There are fewer pairs than other remainders,
/// so some remainder t is left over. Rounding everything up from t on and down below it keeps the
/// differences of chosen pairs, and an edge that was short by 1 would break only by straddling t.
fn round(matching: &mut Matching, factor: i64) {
    let duals = matching.column_dual.iter();
    let mut remainders: Vec<i64> = duals.map(|dual| dual % factor).chain([0]).collect();
    remainders.sort_unstable();
    remainders.dedup();
    let unused = (0..)
        .zip(&remainders)
        .find(|&(expected, &remainder)| expected < remainder)
        .map_or(factor - 1, |(expected, _)| expected);
    let whole = |dual: i64| (dual - unused).div_euclid(factor) + 1;
    for dual in &mut matching.column_dual {
        *dual = whole(*dual);
    }
    for dual in &mut matching.row_dual {
        *dual = -whole(-*dual);
    }
}
