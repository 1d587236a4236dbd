//! Behaviour pinned by readable files: `cases/<feature>/{job.yaml,left.*,right.*,expected.txt}`, and
//! `rates.*` where amounts are converted.
//!
//! `UPDATE_CASES=1 cargo test -p engine --test cases` writes what the engine does now; read the
//! difference before you commit it.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use engine::{Error, SideSummary};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use support::run_files;

#[test]
fn every_case_gives_what_it_expects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut folders: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    let mut wrong = Vec::new();
    for folder in folders {
        let found = describe(&folder);
        let path = folder.join("expected.txt");
        if update {
            fs::write(&path, &found).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{}\n{found}", folder.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn describe(folder: &Path) -> String {
    let yaml = fs::read_to_string(folder.join("job.yaml")).unwrap();
    let file = |stem: &str| {
        let mut files = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
        files
            .find(|path| path.file_stem() == Some(stem.as_ref()))
            .unwrap()
    };
    let ran = match run_files(&yaml, &file("left"), &file("right")) {
        Ok(ran) => ran,
        Err(Error::Spec(errors)) => {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return format!("spec errors\n{}\n", lines.join("\n"));
        }
        Err(error) => return format!("error\n{error}\n"),
    };
    let mut text = String::new();
    for (name, side) in [("left ", &ran.summary.left), ("right", &ran.summary.right)] {
        let SideSummary {
            rows,
            matched,
            differing,
            review,
            unmatched,
            duplicate,
            rejected,
        } = side;
        let _ = writeln!(
            text,
            "{name} rows {rows}: matched {matched}, differing {differing}, review {review}, \
             unmatched {unmatched}, duplicate {duplicate}, rejected {rejected}"
        );
    }
    for row in ran.rows("pairs.parquet") {
        let [left, right, _, pass, outcome, score, reason] = row.as_slice() else {
            unreachable!()
        };
        let _ = writeln!(
            text,
            "pair {left} = {right} | {pass} {outcome} {score} | {reason}"
        );
    }
    for row in ran.rows("differences.parquet") {
        let [left, right, column, left_value, right_value, delta] = row.as_slice() else {
            unreachable!()
        };
        let _ = writeln!(
            text,
            "difference {left} = {right} | {column} {left_value} -> {right_value} | {delta}"
        );
    }
    for side in ["left", "right"] {
        for row in ran.rows(&format!("unmatched_{side}.parquet")) {
            let _ = writeln!(text, "unmatched {side} {}", row.join(" | "));
        }
    }
    for name in ["duplicates", "rejected"] {
        for row in ran.rows(&format!("{name}.parquet")) {
            let _ = writeln!(text, "{name} {}", row[1..].join(" | "));
        }
    }
    text
}
