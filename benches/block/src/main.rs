//! How fast candidate pairs are found, and in how much memory: two sides of a million records,
//! three blocks, pairs handed to two threads.
//!
//! `cargo run --release --manifest-path benches/block/Cargo.toml [ROWS]`

#[path = "../../../engine/src/block/join.rs"]
#[expect(dead_code, reason = "the engine uses all of it")]
mod join;
#[path = "../../../engine/src/block/near.rs"]
#[expect(dead_code, reason = "the engine uses all of it")]
mod near;
#[path = "../../../engine/src/block/number.rs"]
mod number;

use join::{Condition, Join, Part, parts};
use near::{Range, Window};
use number::number_keys;
use std::hint::black_box;
use std::time::Instant;

const THREADS: usize = 2;

/// Marsaglia's xorshift: the data is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

fn texts(random: &mut Random, rows: usize, distinct: u64) -> Vec<String> {
    (0..rows)
        .map(|_| format!("value {:08}", random.below(distinct)))
        .collect()
}

fn digits(random: &mut Random, rows: usize, bound: u64) -> Vec<i128> {
    (0..rows).map(|_| i128::from(random.below(bound))).collect()
}

fn equal(left: &[String], right: &[String]) -> Condition {
    let numbers = number_keys(
        (left.len(), right.len()),
        |row| Some(left[row].as_str()),
        |row| Some(right[row].as_str()),
    );
    Condition {
        left: numbers.left,
        right: numbers.right,
        count: numbers.count,
        ranges: Vec::new(),
    }
}

fn megabytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}

fn count(part: Part) -> u64 {
    let mut pairs = 0;
    for batch in part {
        pairs += batch.left.len() as u64;
        black_box(&batch.right);
    }
    pairs
}

fn main() {
    let rows: usize = (std::env::args().nth(1))
        .and_then(|rows| rows.parse().ok())
        .unwrap_or(1_000_000);
    let size = rows as u64;
    let mut random = Random(42);
    let names = [size / 20, size / 15, 200].map(|distinct| {
        let distinct = distinct.max(1);
        (
            texts(&mut random, rows, distinct),
            texts(&mut random, rows, distinct),
        )
    });
    let mut range = |bound: u64, width: i128| {
        let (left, right) = (
            digits(&mut random, rows, bound),
            digits(&mut random, rows, bound),
        );
        Range::new(
            left,
            right,
            Window::Fixed {
                min: -width,
                max: width,
            },
        )
    };
    let amounts = range(1_000_000, 200);
    let dates = range(365, 15);
    let inputs = megabytes("VmRSS:");

    let started = Instant::now();
    let mut blocks = Vec::new();
    for (index, (left, right)) in names.iter().enumerate() {
        let before = Instant::now();
        let mut condition = equal(left, right);
        if index == 2 {
            condition.ranges = vec![dates.clone(), amounts.clone()];
        }
        let numbered = before.elapsed();
        let join = Join::new(&condition);
        println!(
            "block {index}: numbered in {numbered:.2?}, joined in {:.2?}, {} pairs",
            before.elapsed() - numbered,
            join.pairs
        );
        blocks.push((condition, join));
    }
    let walk = Instant::now();
    let parts = parts(blocks, THREADS);
    let pairs: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (parts.into_iter())
            .map(|part| scope.spawn(move || count(part)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_default())
            .sum()
    });
    let walked = walk.elapsed();
    println!(
        "{rows} × {rows} rows: {pairs} pairs handed out in {walked:.2?} ({:.0} M/s), {:.2?} with \
         the joins; {} MB at most, of which {inputs} MB are the inputs",
        pairs as f64 / walked.as_secs_f64() / 1e6,
        started.elapsed(),
        megabytes("VmHWM:"),
    );
}
