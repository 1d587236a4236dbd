//! Measures the engine's text similarities over pairs of texts, one line of a file each:
//!
//! ```text
//! text-bench PAIRS.tsv METHOD SUBJECT THREADS REPEATS
//! ```
//!
//! METHOD is one of the engine's; SUBJECT is `prepared` (many pairs at once, columns made ready
//! before), `batched` (making ready included, on one thread), `single` (one pair at a time) or
//! `crate` (the `rapidfuzz` crate, one pair at a time). Prints the seconds of each repetition, then
//! the peak memory in MiB and the sum of all similarities.
//!
//! The engine's module is compiled from its files, so that measuring needs no build of DataFusion.

#[expect(unused_imports, reason = "the product uses the rest")]
#[path = "../../../engine/src/utils/mod.rs"]
mod utils;

use arrow::array::StringArray;
use rapidfuzz::distance::{damerau_levenshtein, jaro, jaro_winkler, levenshtein};
use std::time::Instant;
use std::{env, fs, thread};
use utils::string::{Method, Prepared, prepare, similarities, similarity};

/// Pairs handed to the kernels at a time, as the engine does.
const BATCH: usize = 8192;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, method, subject, threads, repeats] = arguments.as_slice() else {
        panic!("text-bench PAIRS.tsv METHOD SUBJECT THREADS REPEATS");
    };
    let method = match method.as_str() {
        "levenshtein" => Method::Levenshtein,
        "damerauLevenshtein" => Method::DamerauLevenshtein,
        "jaro" => Method::Jaro,
        "jaroWinkler" => Method::JaroWinkler,
        "tokenSort" => Method::TokenSort,
        "tokenSet" => Method::TokenSet,
        "qgram" => Method::Qgram,
        "soundex" => Method::Soundex,
        other => panic!("no method {other}"),
    };
    let threads: usize = threads.parse().expect("a number of threads");
    let repeats: usize = repeats.parse().expect("a number of repetitions");
    let text = fs::read_to_string(path).expect("a readable file");
    let pairs: Vec<(&str, &str)> = (text.lines())
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let left = StringArray::from_iter_values(pairs.iter().map(|pair| pair.0));
    let right = StringArray::from_iter_values(pairs.iter().map(|pair| pair.1));
    let rows: Vec<u32> = (0..).take(pairs.len()).collect();
    let mut out = vec![0.0; rows.len()];
    let ready = (prepare(method, &left), prepare(method, &right));
    for _ in 0..repeats {
        let start = Instant::now();
        match subject.as_str() {
            "prepared" => batched(&ready.0, &ready.1, &rows, threads, &mut out),
            "batched" => {
                let (l, r) = (prepare(method, &left), prepare(method, &right));
                batched(&l, &r, &rows, threads, &mut out);
            }
            "single" => each(&left, &right, threads, &mut out, |a, b| {
                similarity(method, a, b)
            }),
            "crate" => each(&left, &right, threads, &mut out, by_crate(method)),
            other => panic!("no subject {other}"),
        }
        println!("{}", start.elapsed().as_secs_f64());
    }
    println!("{}", peak_memory());
    println!("{}", out.iter().sum::<f64>());
}

/// Each thread takes a share of the rows, batch by batch.
fn batched(left: &Prepared, right: &Prepared, rows: &[u32], threads: usize, out: &mut [f64]) {
    let share = rows.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        for (rows, out) in rows.chunks(share).zip(out.chunks_mut(share)) {
            scope.spawn(move || {
                let places: Vec<u32> = (0..).take(BATCH).collect();
                for (rows, out) in rows.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
                    let alive = &places[..rows.len()];
                    similarities(left, right, rows, rows, alive, 0.0, out);
                }
            });
        }
    });
}

fn each(
    left: &StringArray,
    right: &StringArray,
    threads: usize,
    out: &mut [f64],
    similarity: impl Fn(&str, &str) -> f64 + Sync,
) {
    let share = out.len().div_ceil(threads).max(1);
    let similarity = &similarity;
    thread::scope(|scope| {
        for (index, out) in out.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (row, out) in (index * share..).zip(out) {
                    *out = similarity(left.value(row), right.value(row));
                }
            });
        }
    });
}

/// All texts here are ASCII, which the crate is given to know.
fn by_crate(method: Method) -> fn(&str, &str) -> f64 {
    match method {
        Method::Levenshtein => |a, b| levenshtein::normalized_similarity(a.bytes(), b.bytes()),
        Method::DamerauLevenshtein => {
            |a, b| damerau_levenshtein::normalized_similarity(a.bytes(), b.bytes())
        }
        Method::Jaro => |a, b| jaro::similarity(a.bytes(), b.bytes()),
        Method::JaroWinkler => |a, b| jaro_winkler::similarity(a.bytes(), b.bytes()),
        other => panic!("the crate has no {other:?}"),
    }
}

/// In MiB; 0 where the system does not tell.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1024)
}
