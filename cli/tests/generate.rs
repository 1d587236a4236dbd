//! What `reconcile generate` writes.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;

fn reconcile() -> Command {
    Command::cargo_bin("reconcile").expect("the binary")
}

const FILES: [&str; 4] = ["left.csv", "right.csv", "truth.csv", "job.yaml"];

/// Generates into a new folder.
fn generate(arguments: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    reconcile()
        .arg("generate")
        .args(arguments.split(' '))
        .arg("--out")
        .arg(folder.path())
        .assert()
        .success();
    folder
}

/// A file's rows, by the names of its columns.
fn rows(folder: &Path, name: &str) -> Vec<HashMap<String, String>> {
    csv::Reader::from_path(folder.join(name))
        .expect("a file")
        .deserialize()
        .map(|row| row.expect("a row"))
        .collect()
}

fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    FILES
        .iter()
        .map(|name| fs::read(folder.join(name)).expect("a file"))
        .collect()
}

/// FNV-1a, 64 bits.
fn fingerprint(files: &[Vec<u8>]) -> u64 {
    files
        .iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// Whether a count is within five standard deviations of a binomial draw.
fn plausible(count: usize, of: usize, share: f64) -> bool {
    let of = f64::from(u32::try_from(of).expect("small"));
    let count = f64::from(u32::try_from(count).expect("small"));
    (count - of * share).abs() <= 5.0 * (of * share * (1.0 - share)).sqrt()
}

fn share_of(rows: &[HashMap<String, String>], holds: impl Fn(&str) -> bool, column: &str) -> usize {
    rows.iter().filter(|row| holds(&row[column])).count()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_others() {
    for kind in [
        "bank --rows 2000",
        "bank --rows 2000 --splits 0.2",
        "persons --rows 2000",
    ] {
        let one = bytes(generate(&format!("{kind} --seed 1")).path());
        let again = bytes(generate(&format!("{kind} --seed 1")).path());
        let other = bytes(generate(&format!("{kind} --seed 2")).path());
        assert!(one == again, "{kind}");
        assert!(
            one[..3].iter().zip(&other[..3]).all(|(a, b)| a != b),
            "{kind}"
        );
        assert_eq!(
            one[3], other[3],
            "{kind}: the job does not depend on the seed"
        );
    }
}

/// Published figures name seeds; a change of the data must be seen.
#[test]
fn the_data_of_a_seed_never_changes() {
    for (kind, expected) in [
        ("bank --rows 1000 --splits 0.2", 6_245_214_957_831_198_489),
        ("persons --rows 1000", 9_116_627_554_297_291_637),
    ] {
        let data = bytes(generate(&format!("{kind} --seed 1")).path());
        assert_eq!(fingerprint(&data[..3]), expected, "{kind}");
    }
}

#[test]
fn truth_names_rows_that_are_there_and_no_key_comes_twice() {
    for (kind, left_key, right_key) in [
        ("bank --rows 3000", "entry_id", "line"),
        ("bank --rows 3000 --splits 0.5", "entry_id", "line"),
        ("persons --rows 3000", "id", "id"),
    ] {
        let folder = generate(kind);
        let truth = rows(folder.path(), "truth.csv");
        for (file, key, column) in [
            ("left.csv", left_key, "left_key"),
            ("right.csv", right_key, "right_key"),
        ] {
            let rows = rows(folder.path(), file);
            let keys: HashSet<&str> = rows.iter().map(|row| row[key].as_str()).collect();
            assert_eq!(
                keys.len(),
                rows.len(),
                "{kind}: a key comes twice in {file}"
            );
            assert!(
                truth
                    .iter()
                    .all(|pair| keys.contains(pair[column].as_str())),
                "{kind}"
            );
        }
        let pairs: HashSet<_> = truth
            .iter()
            .map(|pair| (&pair["left_key"], &pair["right_key"]))
            .collect();
        assert_eq!(pairs.len(), truth.len(), "{kind}");
    }
}

#[test]
fn without_splits_a_row_has_one_partner_at_most() {
    for kind in ["bank --rows 3000", "persons --rows 3000"] {
        let folder = generate(kind);
        let truth = rows(folder.path(), "truth.csv");
        for column in ["left_key", "right_key"] {
            let keys: HashSet<&String> = truth.iter().map(|pair| &pair[column]).collect();
            assert_eq!(keys.len(), truth.len(), "{kind}");
        }
    }
}

#[test]
fn splits_are_stars_of_two_to_six_members_in_the_share_asked_for() {
    let folder = generate("bank --rows 20000 --splits 0.2 --seed 5");
    let truth = rows(folder.path(), "truth.csv");
    let degree = |column: &str| {
        let mut degrees: HashMap<String, usize> = HashMap::new();
        for pair in &truth {
            *degrees.entry(pair[column].clone()).or_default() += 1;
        }
        degrees
    };
    let (lefts, rights) = (degree("left_key"), degree("right_key"));
    for pair in &truth {
        let (left, right) = (lefts[&pair["left_key"]], rights[&pair["right_key"]]);
        assert!(left.min(right) == 1 && left.max(right) <= 6);
    }
    let instalments = lefts.values().filter(|&&degree| degree > 1).count();
    let collective = rights.values().filter(|&&degree| degree > 1).count();
    let single = truth
        .iter()
        .filter(|pair| lefts[&pair["left_key"]] == 1 && rights[&pair["right_key"]] == 1)
        .count();
    // Payments missing on a side are no pairs, so single ones are fewer than four fifths.
    let kept = 0.8 * 0.96 * 0.96;
    let all = instalments + collective + single;
    let share = |part: f64| part / (kept + 0.2);
    assert!(
        plausible(instalments, all, share(0.1)),
        "{instalments} of {all}"
    );
    assert!(
        plausible(collective, all, share(0.1)),
        "{collective} of {all}"
    );
}

#[test]
fn the_shares_of_errors_are_those_of_the_parameters() {
    let folder = generate("bank --rows 20000 --seed 3");
    let left = rows(folder.path(), "left.csv");
    let right = rows(folder.path(), "right.csv");
    let truth = rows(folder.path(), "truth.csv");
    assert!(plausible(
        share_of(&left, str::is_empty, "reference"),
        left.len(),
        0.03
    ));
    assert!(plausible(
        share_of(&right, str::is_empty, "reference"),
        right.len(),
        0.30
    ));
    assert!(plausible(
        share_of(&right, str::is_empty, "party"),
        right.len(),
        0.08
    ));
    // Missing on the other side, or a second entry; of payments, so slightly another share of rows.
    let alone = left.len() - truth.len();
    assert!(
        plausible(alone, left.len(), 0.045),
        "{alone} of {}",
        left.len()
    );

    let folder = generate("persons --rows 20000 --seed 3");
    let left = rows(folder.path(), "left.csv");
    let right = rows(folder.path(), "right.csv");
    assert_eq!(rows(folder.path(), "truth.csv").len(), 16_000);
    for (column, rate) in [("phone", 0.25), ("birth_date", 0.06), ("town", 0.02)] {
        assert!(
            plausible(share_of(&right, str::is_empty, column), 20_000, rate),
            "{column}"
        );
        assert!(
            plausible(share_of(&left, str::is_empty, column), 20_000, rate * 0.35),
            "{column}"
        );
    }
}

#[test]
fn without_noise_every_row_has_a_partner_of_the_same_amount() {
    let folder = generate("bank --rows 2000 --noise 0");
    let by_key = |file: &str, key: &str| -> HashMap<String, HashMap<String, String>> {
        rows(folder.path(), file)
            .into_iter()
            .map(|row| (row[key].clone(), row))
            .collect()
    };
    let (left, right) = (by_key("left.csv", "entry_id"), by_key("right.csv", "line"));
    let truth = rows(folder.path(), "truth.csv");
    assert_eq!((left.len(), right.len(), truth.len()), (2000, 2000, 2000));
    for pair in &truth {
        let (entry, line) = (&left[&pair["left_key"]], &right[&pair["right_key"]]);
        for column in ["amount", "currency", "party", "reference"] {
            assert_eq!(entry[column], line[column]);
        }
    }
}

#[test]
fn parts_of_a_split_sum_up_where_nothing_is_kept_back() {
    let folder = generate("bank --rows 2000 --splits 1 --noise 0");
    let cents = |text: &str| text.replace('.', "").parse::<i64>().expect("an amount");
    let amounts = |file: &str, key: &str| -> HashMap<String, i64> {
        rows(folder.path(), file)
            .iter()
            .map(|row| (row[key].clone(), cents(&row["amount"])))
            .collect()
    };
    let (left, right) = (
        amounts("left.csv", "entry_id"),
        amounts("right.csv", "line"),
    );
    let mut rest: HashMap<String, i64> = HashMap::new();
    let truth = rows(folder.path(), "truth.csv");
    let lines: HashSet<&String> = truth.iter().map(|pair| &pair["right_key"]).collect();
    let collective = lines.len() < truth.len();
    assert!(collective);
    let mut by_right: HashMap<&String, Vec<&String>> = HashMap::new();
    for pair in &truth {
        by_right
            .entry(&pair["right_key"])
            .or_default()
            .push(&pair["left_key"]);
    }
    for (line, entries) in &by_right {
        if entries.len() > 1 {
            let sum: i64 = entries.iter().map(|entry| left[*entry]).sum();
            assert_eq!(sum, right[*line]);
        } else {
            *rest.entry(entries[0].clone()).or_default() += right[*line];
        }
    }
    assert!(!rest.is_empty());
    for (entry, sum) in rest {
        assert_eq!(sum, left[&entry]);
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = generate("persons --rows 10");
    let before = bytes(folder.path());
    reconcile()
        .args([
            "generate", "persons", "--rows", "10", "--seed", "2", "--out",
        ])
        .arg(folder.path())
        .assert()
        .code(1)
        .stderr(predicate::str::contains(
            "left.csv is there already: remove it",
        ));
    assert!(before == bytes(folder.path()));
}

#[test]
fn a_bad_argument_is_named() {
    for (argument, message) in [
        ("--rows 0", "--rows"),
        ("--rows 10 --splits 1.5", "give a number from 0 to 1"),
        ("--rows 10 --noise NaN", "give a number from 0 to 10"),
        ("--rows 10 --noise -1", "give a number from 0 to 10"),
    ] {
        reconcile()
            .args(["generate", "bank", "--out", "nowhere"])
            .args(argument.split(' '))
            .assert()
            .code(2)
            .stderr(predicate::str::contains(message));
    }
}

#[test]
fn one_row_and_the_most_noise_are_possible() {
    for kind in ["bank", "bank --splits 1", "persons"] {
        let folder = generate(&format!("{kind} --rows 1 --noise 10"));
        assert!(folder.path().join("job.yaml").exists());
    }
}

#[test]
fn the_jobs_run_and_find_most_pairs() {
    for (kind, least) in [
        ("bank --rows 1000", 0.8),
        ("bank --rows 1000 --splits 0.2", 0.7),
        ("persons --rows 1000", 0.8),
    ] {
        let folder = generate(kind);
        let job = folder.path().join("job.yaml");
        reconcile().arg("validate").arg(&job).assert().success();
        reconcile()
            .arg("run")
            .arg(&job)
            .arg("--out")
            .arg(folder.path().join("out"))
            .assert()
            .success();
        let pair =
            |row: HashMap<String, String>| (row["left_key"].clone(), row["right_key"].clone());
        let truth: HashSet<_> = rows(folder.path(), "truth.csv")
            .into_iter()
            .map(pair)
            .collect();
        let found = rows(&folder.path().join("out"), "pairs.csv")
            .into_iter()
            .filter(|row| row["outcome"] == "matched")
            .map(pair)
            .filter(|pair| truth.contains(pair))
            .count();
        let recall = f64::from(u32::try_from(found).expect("small"))
            / f64::from(u32::try_from(truth.len()).expect("small"));
        assert!(recall > least, "{kind}: {recall}");
    }
}
