//! The bit-parallel distances against plain ones, and that there is only one Levenshtein.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

use engine::utils::string::{
    jaro_winkler_similarity, levenshtein_distance, levenshtein_similarity,
};
use proptest::prelude::*;
use rstest::rstest;
use std::fs;
use std::path::{Path, PathBuf};

/// The textbook's matrix, row by row.
fn plain_levenshtein(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let next = (diagonal + usize::from(a != *b))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[right.len()]
}

/// Winkler's definition, with flags.
#[expect(clippy::cast_precision_loss, reason = "short texts")]
fn plain_jaro_winkler(left: &str, right: &str) -> f64 {
    let (a, b): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if a.is_empty() && b.is_empty() {
        return 1.0;
    }
    let window = (a.len().max(b.len()) / 2).saturating_sub(1);
    let (mut in_a, mut in_b) = (vec![false; a.len()], vec![false; b.len()]);
    for i in 0..a.len() {
        for j in i.saturating_sub(window)..(i + window + 1).min(b.len()) {
            if !in_b[j] && a[i] == b[j] {
                in_a[i] = true;
                in_b[j] = true;
                break;
            }
        }
    }
    let picked = |text: &[char], flags: &[bool]| -> Vec<char> {
        text.iter()
            .zip(flags)
            .filter(|(_, f)| **f)
            .map(|(c, _)| *c)
            .collect()
    };
    let (from_a, from_b) = (picked(&a, &in_a), picked(&b, &in_b));
    if from_a.is_empty() {
        return 0.0;
    }
    let moved = from_a.iter().zip(&from_b).filter(|(x, y)| x != y).count() / 2;
    let m = from_a.len() as f64;
    let jaro = (m / a.len() as f64 + m / b.len() as f64 + (m - moved as f64) / m) / 3.0;
    let prefix = a.iter().zip(&b).take(4).take_while(|(x, y)| x == y).count();
    jaro + prefix as f64 * 0.1 * (1.0 - jaro)
}

/// Few letters, so that texts share many; some beyond ASCII and beyond the first plane.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[abc]{0,20}",
        "[abcdé日🦀]{0,40}",
        "[ab]{50,200}",
        "[aé🦀]{60,140}",
        "\\PC{0,30}"
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn levenshtein_is_the_textbooks(left in texts(), right in texts()) {
        prop_assert_eq!(levenshtein_distance(&left, &right), plain_levenshtein(&left, &right));
    }

    #[test]
    fn jaro_winkler_is_winklers(left in texts(), right in texts()) {
        let (ours, plain) =
            (jaro_winkler_similarity(&left, &right), plain_jaro_winkler(&left, &right));
        prop_assert!((ours - plain).abs() < 1e-12, "{} and {}", ours, plain);
    }
}

#[rstest]
#[case("kitten", "sitting", 3)]
#[case("", "", 0)]
#[case("", "abc", 3)]
#[case("日本語", "日本", 1)]
#[case("e\u{301}", "é", 2)] // scalar values, not graphemes
fn known_distances(#[case] left: &str, #[case] right: &str, #[case] distance: usize) {
    assert_eq!(levenshtein_distance(left, right), distance);
}

#[rstest]
#[case("MARTHA", "MARHTA", 0.961_111)]
#[case("DIXON", "DICKSONX", 0.813_333)]
#[case("DWAYNE", "DUANE", 0.84)]
#[case("", "", 1.0)]
#[case("", "a", 0.0)]
#[case("a", "a", 1.0)]
#[case("ab", "ba", 0.0)]
fn known_jaro_winklers(#[case] left: &str, #[case] right: &str, #[case] similarity: f64) {
    let found = jaro_winkler_similarity(left, right);
    assert!((found - similarity).abs() < 1e-6, "{found}");
}

#[test]
fn a_similarity_written_by_a_person_is_reached() {
    assert!(levenshtein_similarity("aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaabbb") >= 0.85);
    assert!((levenshtein_similarity("", "") - 1.0).abs() < f64::EPSILON);
}

/// A second implementation would be named for what it does, or defined beside a crate that has one.
#[test]
fn there_is_one_levenshtein() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut manifests = Vec::new();
    walk(&root, &mut |path| {
        let Ok(text) = fs::read_to_string(path) else {
            return;
        };
        let text = text.to_lowercase();
        let definition = |line: &&str| {
            let line = line.trim_start();
            ["fn ", "func ", "def ", "function "].iter().any(|keyword| {
                line.split_once(keyword).is_some_and(|(_, name)| {
                    let name = name.split('(').next().unwrap_or_default();
                    ["levenshtein", "edit_distance", "editdistance", "damerau"]
                        .iter()
                        .any(|word| name.contains(word))
                })
            })
        };
        if text.lines().any(|line| definition(&line)) {
            found.push(path.to_owned());
        }
        let peers = [
            "strsim",
            "rapidfuzz",
            "levenshtein",
            "edit-distance",
            "triple_accel",
        ];
        if path.ends_with("Cargo.toml") && peers.iter().any(|peer| text.contains(peer)) {
            manifests.push(path.to_owned());
        }
    });
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/utils/string.rs");
    let canonical: Vec<PathBuf> = found
        .iter()
        .map(|path| path.canonicalize().unwrap())
        .collect();
    assert_eq!(canonical, [ours.canonicalize().unwrap()]);
    assert!(
        manifests.is_empty(),
        "{manifests:?} depend on another Levenshtein"
    );
}

/// Source files of the repository outside tests, benches and build folders.
fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let skipped = ["tests", "benches", "target", "node_modules", "vendor"];
        if path.is_symlink() || name.starts_with('.') || skipped.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            walk(&path, visit);
        } else if [".rs", ".go", ".py", ".js", ".ts", ".sql", "Cargo.toml"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            visit(&path);
        }
    }
}
