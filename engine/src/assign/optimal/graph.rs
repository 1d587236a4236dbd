//! One component as a sparse matrix, and a matching in it with its duals.

use std::cmp::Reverse;

/// No record.
pub const NONE: u32 = u32::MAX;

/// One component: rows, columns and positive weights. 16 bytes an edge.
#[derive(Debug, Default)]
pub struct Graph {
    starts: Vec<usize>,
    /// Per row by falling weight, then by column.
    edges: Vec<(u32, i64)>,
    columns: usize,
}

impl Graph {
    /// Takes the edges (row, column, weight) in, instead of those it held.
    pub fn load(
        &mut self,
        rows: usize,
        columns: usize,
        edges: impl Iterator<Item = (u32, u32, i64)> + Clone,
    ) {
        self.columns = columns;
        refill(&mut self.starts, rows + 1, 0);
        for (row, ..) in edges.clone() {
            self.starts[row as usize] += 1;
        }
        let mut end = 0;
        for start in &mut self.starts {
            end += *start;
            *start = end;
        }
        refill(&mut self.edges, end, (0, 0));
        for (row, column, weight) in edges {
            let slot = &mut self.starts[row as usize];
            *slot -= 1;
            self.edges[*slot] = (column, weight);
        }
        for row in 0..rows {
            self.edges[self.starts[row]..self.starts[row + 1]]
                .sort_unstable_by_key(|&(column, weight)| (Reverse(weight), column));
        }
    }

    /// The same component seen from its columns.
    pub fn transposed(&self) -> Self {
        let mut graph = Self::default();
        let rows = (0..).take(self.rows());
        let edges = rows.flat_map(|row: u32| {
            let edges = self.row(row).iter();
            edges.map(move |&(column, weight)| (column, row, weight))
        });
        graph.load(self.columns, self.rows(), edges);
        graph
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of edges.
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// A row's edges (column, weight) by falling weight.
    pub fn row(&self, row: u32) -> &[(u32, i64)] {
        &self.edges[self.starts[row as usize]..self.starts[row as usize + 1]]
    }
}

/// A matching and its duals. 12 bytes a record.
#[derive(Debug, Default, Clone)]
pub struct Matching {
    /// The column of each row, or [`NONE`].
    pub row_mate: Vec<u32>,
    /// The row of each column, or [`NONE`].
    pub column_mate: Vec<u32>,
    /// The dual of each row.
    pub row_dual: Vec<i64>,
    /// The dual of each column.
    pub column_dual: Vec<i64>,
}

impl Matching {
    /// Nothing matched, all duals 0.
    pub fn clear(&mut self, rows: usize, columns: usize) {
        refill(&mut self.row_mate, rows, NONE);
        refill(&mut self.column_mate, columns, NONE);
        refill(&mut self.row_dual, rows, 0);
        refill(&mut self.column_dual, columns, 0);
    }

    /// Swaps rows and columns.
    pub fn flip(&mut self) {
        std::mem::swap(&mut self.row_mate, &mut self.column_mate);
        std::mem::swap(&mut self.row_dual, &mut self.column_dual);
    }

    /// Whether the duals prove that no matching weighs more (complementary slackness): none is
    /// negative, every edge weighs at most the sum of its two and a chosen one exactly that, and
    /// those of free records are 0.
    pub fn is_optimal(&self, graph: &Graph) -> bool {
        let is_feasible = |row: u32| {
            graph.row(row).iter().all(|&(column, weight)| {
                let bound = self.row_dual[row as usize] + self.column_dual[column as usize];
                if self.row_mate[row as usize] == column {
                    bound == weight && self.column_mate[column as usize] == row
                } else {
                    bound >= weight
                }
            })
        };
        let is_complete = |mates: &[u32], duals: &[i64]| {
            let mut both = mates.iter().zip(duals);
            both.all(|(&mate, &dual)| dual >= 0 && (mate != NONE || dual == 0))
        };
        let matched = |mates: &[u32]| mates.iter().filter(|&&mate| mate != NONE).count();
        is_complete(&self.row_mate, &self.row_dual)
            && is_complete(&self.column_mate, &self.column_dual)
            && matched(&self.row_mate) == matched(&self.column_mate)
            && (0..).take(graph.rows()).all(is_feasible)
    }
}

/// `count` times `value`, in the room that is there.
pub fn refill<T: Clone>(room: &mut Vec<T>, count: usize, value: T) {
    room.clear();
    room.resize(count, value);
}
