//! The order of a file's rows.

use super::random::{Random, Subject};

/// A random order of rows, known both ways. 8 bytes a row.
pub struct Shuffle {
    order: Vec<u32>,
    position: Vec<u32>,
}

impl Shuffle {
    /// A random order of `rows` rows.
    pub fn new(rows: u32, seed: u64, subject: Subject) -> Self {
        let mut order: Vec<u32> = (0..rows).collect();
        Random::new(seed, subject, 0).shuffle(&mut order);
        let mut position = vec![0; order.len()];
        for (at, &row) in (0..rows).zip(&order) {
            position[row as usize] = at;
        }
        Self { order, position }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The rows in the order of the file.
    pub fn order(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().copied()
    }

    /// Where a row stands in the file, from 0.
    pub fn position(&self, row: u32) -> u32 {
        self.position[row as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_row_once_and_knows_where() {
        let shuffle = Shuffle::new(1000, 3, Subject::LeftOrder);
        let order: Vec<u32> = shuffle.order().collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..1000).collect::<Vec<_>>());
        assert_ne!(sorted, order);
        for (at, &row) in (0..).zip(&order) {
            assert_eq!(shuffle.position(row), at);
        }
    }
}
