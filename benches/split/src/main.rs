//! Plants splits in a ledger and a bank statement, and counts what is found again.
//!
//! `cargo run --release -- [FILTER]` prints one line an instance whose name contains the filter.

/// The module itself, compiled from where it stands.
#[path = "../../../engine/src"]
mod engine {
    pub mod split;
}
mod planted;

use engine::split::{Rules, Why, solve};
use planted::{Shape, plant};
use std::time::Instant;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let shapes = [
        shape("5 candidates", 5, 1_000_000),
        shape("15 candidates", 15, 1_000_000),
        shape("50 candidates", 50, 1_000_000),
        shape("150 candidates", 150, 1_000_000),
        shape("15, small amounts", 15, 20_000),
        shape("50, small amounts", 50, 20_000),
        shape("50, large amounts", 50, 1_000_000_000),
        Shape {
            singles: false,
            ..shape("15, pairs gone", 15, 1_000_000)
        },
        Shape {
            singles: false,
            ..shape("50, pairs gone", 50, 1_000_000)
        },
        Shape {
            credit_notes: 10,
            ..shape("15, credit notes", 15, 1_000_000)
        },
        Shape {
            round_to: 500,
            ..shape("15, round amounts", 15, 1_000_000)
        },
        Shape {
            tolerance: 1,
            ..shape("15, tolerance 0.01", 15, 1_000_000)
        },
        Shape {
            wholes: 500_000,
            ..shape("15, ten times more", 15, 1_000_000)
        },
    ];
    println!(
        "{:<20} {:>7} {:>7} {:>7} | {:>7} {:>5} {:>7} {:>6} {:>6} {:>6} {:>6} | {:>7} {:>6}",
        "instance",
        "wholes",
        "parts",
        "planted",
        "unique",
        "wrong",
        "ambig.",
        "cont.",
        "exh.",
        "crowd",
        "found%",
        "Mnodes",
        "s"
    );
    for shape in shapes.iter().filter(|shape| shape.name.contains(&filter)) {
        run(shape);
    }
}

fn shape(name: &'static str, candidates: usize, largest: u64) -> Shape {
    Shape {
        name,
        wholes: 50_000,
        candidates,
        largest,
        singles: true,
        credit_notes: 0,
        round_to: 1,
        tolerance: 0,
    }
}

fn run(shape: &Shape) {
    let planted = plant(shape);
    let rules = Rules {
        tolerance: shape.tolerance,
        max_parts: 10,
        window_days: Some(planted::WINDOW),
        node_budget: 200_000,
        max_candidates: 5_000,
    };
    let started = Instant::now();
    let outcome = solve(&planted.problem, &rules, &|_, _| true).expect("nobody stops it");
    let seconds = started.elapsed().as_secs_f64();
    let count = |why: fn(Why) -> bool| outcome.groups.iter().filter(|g| why(g.why)).count();
    let unique = count(|why| why == Why::Unique);
    let right = outcome.groups.iter().filter(|group| {
        group.why == Why::Unique && planted.truth.get(&group.whole) == Some(&group.parts)
    });
    let right = right.count();
    println!(
        "{:<20} {:>7} {:>7} {:>7} | {:>7} {:>5} {:>7} {:>6} {:>6} {:>6} {:>6.1} | {:>7.1} {:>6.2}",
        shape.name,
        planted.problem.wholes.items.len(),
        planted.problem.parts.items.len(),
        planted.truth.len(),
        unique,
        unique - right,
        count(|why| why == Why::Ambiguous),
        count(|why| matches!(why, Why::Contested { .. })),
        outcome.exhausted,
        outcome.crowded_out,
        100.0 * right as f64 / planted.truth.len() as f64,
        outcome.nodes as f64 / 1e6,
        seconds,
    );
}
