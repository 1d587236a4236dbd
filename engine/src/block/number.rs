//! Numbers for values: equal values of both sides have equal numbers.
//!
//! Numbers count up in the order in which values first occur on the left side, so they depend on
//! the data alone, not on hashes or threads.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::scope;

/// The number of a row that takes part in nothing.
pub const NONE: u32 = u32::MAX;
/// Set in the hash of every row that takes part. Hash tables look at higher and lower bits.
const PRESENT: u64 = 1 << 40;
/// Rows from which on more than one thread pays off.
const WORTH_A_THREAD: usize = 20_000;

/// The numbers of both sides' rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Each left row's number, [`NONE`] where it takes no part.
    pub left: Vec<u32>,
    /// Each right row's number, [`NONE`] where it takes no part or no left row has its value.
    pub right: Vec<u32>,
    /// How many numbers there are.
    pub count: u32,
}

/// Numbers the rows of both sides by their keys; a row without a key takes no part.
pub fn number_keys<K: Hash + Eq>(
    (left_rows, right_rows): (usize, usize),
    left: impl Fn(usize) -> Option<K> + Sync,
    right: impl Fn(usize) -> Option<K> + Sync,
) -> Numbers {
    let threads = if left_rows + right_rows < WORTH_A_THREAD {
        1
    } else {
        crate::threads::count()
    };
    let state = RandomState::default();
    let left_hashes = hashes(left_rows, &left, &state, threads);
    let right_hashes = hashes(right_rows, &right, &state, threads);
    // For every row the first left row with its key. Each thread takes the keys of its share of
    // the hashes, so no two write the same place.
    let first = |rows: usize| -> Vec<AtomicU32> {
        std::iter::repeat_with(|| AtomicU32::new(NONE))
            .take(rows)
            .collect()
    };
    let (left_first, right_first) = (first(left_rows), first(right_rows));
    let work = |share: u64| {
        let mine = |hash: u64| hash != 0 && (hash >> 41) % threads as u64 == share;
        let mut table: HashTable<u32> = HashTable::new();
        for ((row, &hash), place) in (0_u32..).zip(&left_hashes).zip(&left_first) {
            if !mine(hash) {
                continue;
            }
            let key = left(row as usize);
            let same =
                |&other: &u32| left_hashes[other as usize] == hash && left(other as usize) == key;
            let entry = table.entry(hash, same, |&other| left_hashes[other as usize]);
            place.store(*entry.or_insert(row).get(), Ordering::Relaxed);
        }
        for ((row, &hash), place) in (0_usize..).zip(&right_hashes).zip(&right_first) {
            if !mine(hash) {
                continue;
            }
            let key = right(row);
            let same =
                |&other: &u32| left_hashes[other as usize] == hash && left(other as usize) == key;
            if let Some(&row) = table.find(hash, same) {
                place.store(row, Ordering::Relaxed);
            }
        }
    };
    if threads == 1 {
        work(0);
    } else {
        scope(|scope| {
            for share in 0..threads as u64 {
                let work = &work;
                scope.spawn(move || work(share));
            }
        });
    }
    let mut count = 0;
    let mut numbers = vec![NONE; left_rows];
    for (row, first) in left_first.iter().enumerate() {
        let first = first.load(Ordering::Relaxed);
        if first == NONE {
            continue;
        }
        numbers[row] = if first as usize == row {
            count += 1;
            count - 1
        } else {
            numbers[first as usize]
        };
    }
    let right = right_first
        .into_iter()
        .map(|first| match first.into_inner() {
            NONE => NONE,
            first => numbers[first as usize],
        })
        .collect();
    Numbers {
        left: numbers,
        right,
        count,
    }
}

/// The hash of each row's key, 0 where it has none.
fn hashes<K: Hash>(
    rows: usize,
    key: &(impl Fn(usize) -> Option<K> + Sync),
    state: &RandomState,
    threads: usize,
) -> Vec<u64> {
    let mut hashes = vec![0; rows];
    let share = rows.div_ceil(threads).max(1);
    let fill = |from: usize, part: &mut [u64]| {
        for (row, hash) in (from..).zip(part) {
            if let Some(key) = key(row) {
                *hash = state.hash_one(key) | PRESENT;
            }
        }
    };
    if threads == 1 {
        fill(0, &mut hashes);
    } else {
        scope(|scope| {
            for (index, part) in hashes.chunks_mut(share).enumerate() {
                let fill = &fill;
                scope.spawn(move || fill(index * share, part));
            }
        });
    }
    hashes
}
