//! Swapping the sides of a job, and with them everything that says left or right, swaps its
//! outcomes and changes nothing else.
//!
//! One exception is by design: where an optimal assignment has several optima, the pairs taken are
//! the first by left keys, and swapped the first by the other side's. No rule could do without: of
//! two optima that are each other's mirror image, any rule prefers one. Such pairs say `tied`, and
//! all others are in both.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[path = "support/jobs.rs"]
mod jobs;
#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use engine::{Error, SideSummary};
use jobs::{Job, csv, jobs, rows, run};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{Ran, run_texts};

/// A pair: left key, right key, pass, outcome, score, reason.
type Row = [String; 6];

/// The pairs of a run, the sides swapped back if they were.
fn pairs(ran: &Ran, swapped: bool) -> BTreeSet<Row> {
    let rows = ran.rows("pairs.parquet").into_iter().map(|row| {
        let [left, right, _, pass, outcome, score, reason] = row.try_into().unwrap();
        if swapped {
            let reason = swapped_reason(&reason);
            [right, left, pass, outcome, score, reason]
        } else {
            [left, right, pass, outcome, score, reason]
        }
    });
    rows.collect()
}

/// The groups of a run, each as its pairs.
fn groups(ran: &Ran, swapped: bool) -> BTreeSet<Vec<(String, String)>> {
    let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in ran.rows("pairs.parquet") {
        let (left, right) = (row[0].clone(), row[1].clone());
        let pair = if swapped {
            (right, left)
        } else {
            (left, right)
        };
        groups.entry(row[2].clone()).or_default().push(pair);
    }
    groups
        .into_values()
        .map(|mut pairs| {
            pairs.sort();
            pairs
        })
        .collect()
}

/// `amount 1~2 0.50; tied` is `amount 2~1 0.50; tied`.
fn swapped_reason(reason: &str) -> String {
    let parts = reason.split("; ").map(|part| {
        let compared = part.split_once(' ').and_then(|(label, rest)| {
            let at = rest.find(['=', '~', '≠'])?;
            let sign = rest[at..].chars().next()?;
            let (left, rest) = (&rest[..at], &rest[at + sign.len_utf8()..]);
            let (right, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
            Some(format!(
                "{} {right}{sign}{left}{rest}",
                swapped_label(label)
            ))
        });
        compared.unwrap_or_else(|| part.to_owned())
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// Columns of two names are told as `left/right`.
fn swapped_label(label: &str) -> String {
    match label.split_once('/') {
        Some((left, right)) => format!("{right}/{left}"),
        None => label.to_owned(),
    }
}

/// What differs: keys, column, values and delta.
fn differences(ran: &Ran, swapped: bool) -> BTreeSet<[String; 6]> {
    let rows = ran.rows("differences.parquet").into_iter().map(|row| {
        let [left, right, column, left_value, right_value, delta] = row.try_into().unwrap();
        if swapped {
            let column = swapped_label(&column);
            [
                right,
                left,
                column,
                right_value,
                left_value,
                negated(&delta),
            ]
        } else {
            [left, right, column, left_value, right_value, delta]
        }
    });
    rows.collect()
}

fn negated(delta: &str) -> String {
    match delta.strip_prefix('-') {
        Some(rest) => rest.to_owned(),
        None if delta == "null" => delta.to_owned(),
        None => format!("-{delta}"),
    }
}

/// The rows of an output that stand for no pair, of one side.
fn alone(ran: &Ran, side: &str) -> Vec<Vec<String>> {
    let mut rows = ran.rows(&format!("unmatched_{side}.parquet"));
    for name in ["duplicates.parquet", "rejected.parquet"] {
        let of_side = ran.rows(name).into_iter().filter(|row| row[0] == side);
        // Neither the side's name nor the file's.
        rows.extend(of_side.map(|row| row[2..].to_vec()));
    }
    rows
}

fn sides(ran: &Ran) -> (SideSummary, SideSummary) {
    (ran.summary.left, ran.summary.right)
}

fn assert_mirrored(ran: &Ran, mirrored: &Ran) -> Result<(), TestCaseError> {
    let (right, left) = sides(mirrored);
    prop_assert_eq!(sides(ran), (left, right));
    prop_assert_eq!(
        ran.summary.match_rate.to_bits(),
        mirrored.summary.match_rate.to_bits()
    );
    prop_assert_eq!(pairs(ran, false), pairs(mirrored, true));
    prop_assert_eq!(groups(ran, false), groups(mirrored, true));
    prop_assert_eq!(differences(ran, false), differences(mirrored, true));
    prop_assert_eq!(alone(ran, "left"), alone(mirrored, "right"));
    prop_assert_eq!(alone(ran, "right"), alone(mirrored, "left"));
    // Not how many candidates: a derived block of a bound in percent is a window of the left value.
    let passes = |ran: &Ran| -> Vec<_> {
        let passes = ran.summary.passes.iter();
        passes
            .map(|pass| (pass.name.clone(), pass.pairs, pass.exhausted))
            .collect()
    };
    prop_assert_eq!(passes(ran), passes(mirrored));
    Ok(())
}

fn is_tied(row: &Row) -> bool {
    row[5].split("; ").any(|part| part == "tied")
}

/// Where an optimal pass had several optima: the total is the same, and what every optimum has.
fn assert_same_optimum(ran: &Ran, mirrored: &Ran) -> Result<(), TestCaseError> {
    let (pairs, others) = (pairs(ran, false), pairs(mirrored, true));
    let matched = |pairs: &BTreeSet<Row>, tied: bool| -> BTreeSet<Row> {
        let kept = pairs.iter().filter(|row| {
            row[3] != "review" && row[4].parse::<f64>().unwrap() > 0.0 && (tied || !is_tied(row))
        });
        kept.cloned().collect()
    };
    prop_assert_eq!(matched(&pairs, false), matched(&others, false));
    let total = |pairs: &BTreeSet<Row>| -> i64 {
        let scores = matched(pairs, true).into_iter();
        #[expect(clippy::cast_possible_truncation, reason = "25 scores of at most 1")]
        scores
            .map(|row| (row[4].parse::<f64>().unwrap() * 1e12).round() as i64)
            .sum()
    };
    prop_assert_eq!(total(&pairs), total(&others));
    Ok(())
}

#[test]
fn outcomes_are_mirrored() {
    const CASES: u32 = 256;
    let (compared, tied, failed) = Default::default();
    let counted = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
    let inputs = (jobs(), rows(), rows());
    let checked = runner.run(&inputs, |(job, left, right): (Job, _, _)| {
        let (left, right) = (csv(&left), csv(&right));
        let swapped = job.swapped();
        let (ran, mirrored) = match (run(&job, &left, &right, 2), run(&swapped, &right, &left, 2)) {
            (Ok(ran), Ok(mirrored)) => (ran, mirrored),
            (Err(one), Err(other)) => {
                counted(&failed);
                // Of two sides that are wrong the left one is told.
                let kind = |error: &Error| std::mem::discriminant(error);
                prop_assert_eq!(kind(&one), kind(&other), "{} {}", one, other);
                return Ok(());
            }
            (one, other) => {
                let told = [one.err(), other.err()].map(|error| error.map(|e| e.to_string()));
                return Err(TestCaseError::fail(format!("only one fails: {told:?}")));
            }
        };
        let optimal = job.optimal();
        let chosen_by_left_keys = |pairs: BTreeSet<Row>| {
            pairs
                .iter()
                .any(|row| is_tied(row) && optimal.contains(&row[2]))
        };
        // Pairs that are not listed may be tied too.
        let unknown = job.lists_exceptions_only() && !optimal.is_empty();
        if unknown
            || chosen_by_left_keys(pairs(&ran, false))
            || chosen_by_left_keys(pairs(&mirrored, true))
        {
            if job.is_one_weighted_pass() && !unknown {
                counted(&tied);
                assert_same_optimum(&ran, &mirrored)?;
            }
            return Ok(());
        }
        if ran.summary.pairs > 0 {
            counted(&compared);
        }
        assert_mirrored(&ran, &mirrored)
    });
    checked.unwrap();
    let cases = CASES as usize;
    let counts = [&compared, &tied, &failed].map(|counter| counter.load(Ordering::Relaxed));
    assert!(
        counts[0] * 4 > cases && counts[1] > 0 && counts[2] * 2 < cases,
        "compared, tied, failed: {counts:?} of {cases}"
    );
}

#[test]
fn columns_of_two_names_and_bounds_of_one_side_are_mirrored() {
    let yaml = |[one, other]: [&str; 2], base: &str, days: &str, many: &str| {
        let side = |side, name| {
            format!(
                "{side}: {{source: {{uri: {side}.csv}}, key: [id], columns: [{{name: {name}, from: \
                 amount, type: \"decimal(9,2)\"}}, {{name: day, type: date}}]}}\n"
            )
        };
        format!(
            "{}{}passes:\n  - name: p\n    cardinality: {many}\n    score: weighted\n    accept: 0.5\n    \
             compare:\n      - {{left: {one}, right: {other}, number: {{percent: \"10\", base: \
             {base}}}}}\n      - {{column: day, date: {days}}}\n\
             diff: [{{left: {one}, right: {other}, exact: {{}}}}]\n",
            side("left", one),
            side("right", other)
        )
    };
    let one = b"id,amount,day\na,100.00,2026-01-01\nb,110.00,2026-01-02\nc,50.00,2026-01-09\n";
    let other = b"id,amount,day\nx,109.00,2026-01-04\ny,99.00,2026-01-05\nz,55.01,2026-01-10\n";
    let ran = run_texts(
        &yaml(
            ["net", "gross"],
            "left",
            "{minDays: 0, maxDays: 4}",
            "oneToMany",
        ),
        one,
        other,
    );
    let mirrored = run_texts(
        &yaml(
            ["gross", "net"],
            "right",
            "{minDays: -4, maxDays: 0}",
            "manyToOne",
        ),
        other,
        one,
    );
    let (ran, mirrored) = (ran.unwrap(), mirrored.unwrap());
    assert!(ran.summary.pairs > 0 && ran.summary.left.unmatched > 0);
    assert!(!differences(&ran, false).is_empty());
    assert_mirrored(&ran, &mirrored).unwrap();
}

#[test]
fn of_two_optima_that_are_mirror_images_the_first_by_left_keys_is_taken_and_says_so() {
    // A ring of six pairs with one score: a–2, 2–c, c–1, 1–b, b–3, 3–a.
    let yaml = "left: {source: {uri: left.csv}, key: [id]}\n\
                right: {source: {uri: right.csv}, key: [id]}\n\
                passes: [{name: p, block: [[one], [two]], compare: [{column: all, exact: {}}]}]\n";
    let letters = b"id,one,two,all\na,x,p,1\nb,y,q,1\nc,z,r,1\n";
    let digits = b"id,one,two,all\n1,z,q,1\n2,x,r,1\n3,y,p,1\n";
    let keys = |left: &[u8], right: &[u8], swapped| -> Vec<String> {
        let pairs = pairs(&run_texts(yaml, left, right).unwrap(), swapped);
        assert!(pairs.iter().all(is_tied), "{pairs:?}");
        pairs
            .iter()
            .map(|row| format!("{}{}", row[0], row[1]))
            .collect()
    };
    assert_eq!(keys(letters, digits, false), ["a2", "b3", "c1"]);
    assert_eq!(keys(digits, letters, true), ["a3", "b1", "c2"]);
}
