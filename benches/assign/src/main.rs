//! `assign-bench CASE [FILE]`: decides one case and prints its processor seconds, total and peak memory. With
//! FILE it also writes the edges there for `peer.py`: left and right as u32, the score in units of
//! 1e-12 as i64, little-endian. Without arguments: the names of the cases.

#[path = "../../../engine/src"]
mod engine {
    #[expect(
        dead_code,
        unused_imports,
        reason = "a part of the module serves the engine only"
    )]
    pub mod assign;
}
mod cases;

use engine::assign::{Cardinality, Edge, Method, Rules, assign};
use std::io::{BufWriter, Write};
use std::process::ExitCode;

const UNITS: f64 = 1e12;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        for (name, _) in cases::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, make)) = cases::ALL.iter().find(|(known, _)| *known == name) else {
        eprintln!("no case {name}; without arguments the cases are listed");
        return ExitCode::FAILURE;
    };
    let edges = make();
    if let Some(path) = arguments.next()
        && let Err(error) = write(&edges, &path)
    {
        eprintln!("{path}: {error}");
        return ExitCode::FAILURE;
    }
    let lefts = edges
        .iter()
        .map(|&(l, ..)| l as usize + 1)
        .max()
        .unwrap_or(0);
    let rights = edges
        .iter()
        .map(|&(_, r, _)| r as usize + 1)
        .max()
        .unwrap_or(0);
    let edges: Vec<Edge> = edges
        .into_iter()
        .map(|(left, right, units)| {
            let score = units as f64 / UNITS;
            Edge {
                left,
                right,
                score,
                weight: score,
            }
        })
        .collect();
    let (count, before) = (edges.len(), peak());
    let taken: Vec<f64> = [Method::Greedy, Method::Optimal]
        .into_iter()
        .map(|method| {
            let rules = Rules {
                method,
                cardinality: Cardinality::OneToOne,
                accept: 0.0,
                margin: 0.0,
            };
            let edges = edges.clone();
            let start = seconds();
            let decided = assign(edges, &rules, lefts, rights);
            let taken = seconds() - start;
            let total: i128 = decided
                .confirmed
                .iter()
                .map(|chosen| (chosen.edge.score * UNITS).round() as i128)
                .sum();
            let tied = decided
                .confirmed
                .iter()
                .filter(|chosen| chosen.tied)
                .count();
            let pairs = decided.confirmed.len();
            println!("{name} {method:?}: edges {count} pairs {pairs} tied {tied} total {total}");
            taken
        })
        .collect();
    println!(
        "{name}: greedy {:.2} s, optimal {:.2} s, peak {} MiB ({} before, with the edges held twice)",
        taken[0],
        taken[1],
        peak() / 1024,
        before / 1024
    );
    ExitCode::SUCCESS
}

fn write(edges: &[(u32, u32, i64)], path: &str) -> std::io::Result<()> {
    let mut file = BufWriter::new(std::fs::File::create(path)?);
    for (left, right, units) in edges {
        file.write_all(&left.to_le_bytes())?;
        file.write_all(&right.to_le_bytes())?;
        file.write_all(&units.to_le_bytes())?;
    }
    file.flush()
}

/// The seconds that a processor has spent on this thread, the only one: a busy machine does not
/// change them. 0 where the kernel does not say.
fn seconds() -> f64 {
    let statistics = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let spent = statistics.split_whitespace().next();
    spent
        .and_then(|nanoseconds| nanoseconds.parse().ok())
        .map_or(0.0, |nanoseconds: f64| nanoseconds / 1e9)
}

/// The most memory that this process has held, in KiB; 0 where the kernel does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
