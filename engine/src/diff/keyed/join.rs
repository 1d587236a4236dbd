//! Joining the entries of both sides, partition by partition.

use super::partition::{Partitions, Room};
use crate::error::Error;
use crate::progress::Progress;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Numbers of rows, as one bit each.
#[derive(Clone)]
pub struct RowSet(Vec<u64>);

impl RowSet {
    /// None of `rows` rows.
    #[must_use]
    pub fn none(rows: u64) -> Self {
        Self(vec![0; usize::try_from(rows.div_ceil(64)).unwrap_or(0)])
    }

    fn insert(&mut self, row: u64) {
        self.0[(row / 64) as usize] |= 1 << (row % 64);
    }

    fn unite(&mut self, other: &Self) {
        for (one, other) in self.0.iter_mut().zip(&other.0) {
            *one |= other;
        }
    }

    /// Whether the row is one of them.
    #[must_use]
    pub fn contains(&self, row: u64) -> bool {
        self.0[(row / 64) as usize] >> (row % 64) & 1 == 1
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

/// What the join says of the rows that have an entry.
pub struct Joined {
    /// The left rows of pairs that are the only ones of their sides with their key and whose
    /// fingerprints are equal.
    pub plain: RowSet,
    /// All other rows of the left side.
    pub left: RowSet,
    /// All other rows of the right side.
    pub right: RowSet,
}

impl Joined {
    fn nothing(rows: [u64; 2]) -> Self {
        Self {
            plain: RowSet::none(rows[0]),
            left: RowSet::none(rows[0]),
            right: RowSet::none(rows[1]),
        }
    }
}

/// Joins the partitions of both sides on `threads` threads. An entry is the words of its key, the
/// fingerprint and the number of the row, which is below `rows` of its side.
///
/// # Errors
/// When spilled entries cannot be read back; [`Error::Cancelled`].
pub fn join(
    left: &Partitions,
    right: &Partitions,
    room: &Room,
    rows: [u64; 2],
    threads: usize,
    progress: &dyn Progress,
) -> Result<Joined, Error> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut joined = Joined::nothing(rows);
        let mut board = Board::default();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= left.count() {
                return Ok(joined);
            }
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            left.take(index, room, &mut lefts)?;
            right.take(index, room, &mut rights)?;
            match left.width() {
                3 => board.join(
                    lefts.as_chunks::<3>().0,
                    rights.as_chunks::<3>().0,
                    &mut joined,
                ),
                _ => board.join(
                    lefts.as_chunks::<4>().0,
                    rights.as_chunks::<4>().0,
                    &mut joined,
                ),
            }
            progress.advance(index as u64 + 1, left.count() as u64);
        }
    };
    let parts = super::on_threads(threads, |_| work())?;
    let mut whole = Joined::nothing(rows);
    for part in parts {
        whole.plain.unite(&part.plain);
        whole.left.unite(&part.left);
        whole.right.unite(&part.right);
    }
    Ok(whole)
}

/// A slot of the table that holds nothing.
const EMPTY: u32 = u32::MAX;
/// What a left entry is joined with, other than one right entry.
const ALONE: u32 = u32::MAX;
const SEVERAL: u32 = u32::MAX - 1;
const REPEATED: u32 = u32::MAX - 2;

/// The memory of one thread's joins: an open-addressing table of the left entries.
#[derive(Default)]
struct Board {
    slots: Vec<u32>,
    partners: Vec<u32>,
}

impl Board {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a partition's entries are counted in 32 bits, and a slot is cut to the table"
    )]
    fn join<const WIDTH: usize>(
        &mut self,
        lefts: &[[u64; WIDTH]],
        rights: &[[u64; WIDTH]],
        joined: &mut Joined,
    ) {
        let key = WIDTH - 2;
        let (fingerprint, row) = (WIDTH - 2, WIDTH - 1);
        let size = (lefts.len() * 2).next_power_of_two().max(2);
        let mask = size - 1;
        self.slots.clear();
        self.slots.resize(size, EMPTY);
        self.partners.clear();
        self.partners.resize(lefts.len(), ALONE);
        // The upper bits of a key chose the partition, so its lower ones choose the slot.
        for (index, entry) in lefts.iter().enumerate() {
            let mut slot = entry[0] as usize & mask;
            loop {
                let found = self.slots[slot];
                if found == EMPTY {
                    self.slots[slot] = index as u32;
                    break;
                }
                if lefts[found as usize][..key] == entry[..key] {
                    self.partners[found as usize] = SEVERAL;
                    self.partners[index] = REPEATED;
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
        for (index, entry) in rights.iter().enumerate() {
            let mut slot = entry[0] as usize & mask;
            loop {
                let found = self.slots[slot];
                if found == EMPTY {
                    joined.right.insert(entry[row]);
                    break;
                }
                if lefts[found as usize][..key] == entry[..key] {
                    match &mut self.partners[found as usize] {
                        partner if *partner == ALONE => *partner = index as u32,
                        partner => {
                            if let Some(other) = rights.get(*partner as usize) {
                                joined.right.insert(other[row]);
                            }
                            joined.right.insert(entry[row]);
                            *partner = SEVERAL;
                        }
                    }
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
        for (entry, &partner) in lefts.iter().zip(&self.partners) {
            match rights.get(partner as usize) {
                Some(other) if other[fingerprint] == entry[fingerprint] => {
                    joined.plain.insert(entry[row]);
                }
                Some(other) => {
                    joined.left.insert(entry[row]);
                    joined.right.insert(other[row]);
                }
                None => joined.left.insert(entry[row]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::keyed::fingerprint::scattered;
    use crate::diff::keyed::partition::Filler;
    use crate::progress::Silent;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Rows as key and fingerprint.
    type Rows = Vec<(u64, u64)>;

    fn naive(one: &Rows, other: &Rows) -> (u64, Vec<bool>) {
        let groups = |rows: &Rows| {
            let mut groups: HashMap<u64, Vec<u64>> = HashMap::new();
            for (key, fingerprint) in rows {
                groups.entry(*key).or_default().push(*fingerprint);
            }
            groups
        };
        let (ones, others) = (groups(one), groups(other));
        let is_plain = |key: &u64| ones[key].len() == 1 && others.get(key) == ones.get(key);
        let plain: Vec<bool> = one.iter().map(|(key, _)| is_plain(key)).collect();
        (plain.iter().filter(|plain| **plain).count() as u64, plain)
    }

    fn joined(left: &Rows, right: &Rows, budget: u64, wide: bool) -> Joined {
        let room = Room::new(budget, 2);
        let width = if wide { 4 } else { 3 };
        let sides = [left, right].map(|rows| {
            let partitions = Partitions::new(4, width);
            let mut filler = Filler::new(&partitions, &room, rows.len() % 2);
            for (&(key, fingerprint), row) in rows.iter().zip(0..) {
                let key = scattered(key);
                if wide {
                    filler.put([key, !key, fingerprint, row]).unwrap();
                } else {
                    filler.put([key, fingerprint, row]).unwrap();
                }
            }
            filler.finish().unwrap();
            partitions
        });
        let rows = [left.len() as u64, right.len() as u64];
        join(&sides[0], &sides[1], &room, rows, 2, &Silent).unwrap()
    }

    proptest! {
        #[test]
        fn exactly_the_plain_rows_are_left_out(
            left in prop::collection::vec((0_u64..60, 0_u64..2), 0..80),
            right in prop::collection::vec((0_u64..60, 0_u64..2), 0..80),
            budget in prop::sample::select(vec![0_u64, 500, 1 << 20]),
            wide in any::<bool>(),
        ) {
            let found = joined(&left, &right, budget, wide);
            let (plain, lefts) = naive(&left, &right);
            let (same, rights) = naive(&right, &left);
            prop_assert_eq!((found.plain.count(), found.plain.count()), (plain, same));
            for (row, plain) in lefts.iter().enumerate() {
                prop_assert_eq!(found.plain.contains(row as u64), *plain);
                prop_assert_eq!(found.left.contains(row as u64), !plain);
            }
            for (row, plain) in rights.iter().enumerate() {
                prop_assert_eq!(found.right.contains(row as u64), !plain);
            }
        }
    }

    #[test]
    fn entries_that_fill_many_chunks_come_back_from_files() {
        let left: Rows = (0..20_000).map(|key| (key, 1)).collect();
        let right: Rows = (0..20_000)
            .rev()
            .map(|key| (key, u64::from(key != 7)))
            .collect();
        for budget in [0, 100_000, u64::MAX] {
            let found = joined(&left, &right, budget, false);
            assert_eq!(found.plain.count(), 19_999);
            assert_eq!((found.left.count(), found.right.count()), (1, 1));
            assert!(found.left.contains(7) && found.right.contains(19_992));
        }
    }
}
