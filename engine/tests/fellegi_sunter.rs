//! `score: fellegiSunter` from files to files: what a run learns depends on the data alone, and its
//! model gives the same result again.

#![expect(
    clippy::unwrap_used,
    reason = "a fault in a test's own files may panic"
)]

#[expect(dead_code, reason = "each test file uses its own part of the support")]
mod support;

use engine::{Error, InputFile, Model, RunRequest, Silent, TrainRequest};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

const JOB: &str = "
left: {source: {uri: left.csv}, key: [id], columns: [{name: born, type: date}]}
right: {source: {uri: right.csv}, key: [id], columns: [{name: born, type: date}]}
passes:
  - name: people
    block: [[given, family], [born], [family, \"substr(town, 1, 2)\"]]
    score: fellegiSunter
    assign: greedy
    accept: 0.9
    review: 0.5
    compare:
      - {column: given, text: {method: jaroWinkler, atLeast: 0.8}}
      - {column: family, text: {method: levenshtein, atLeast: 0.6}}
      - {column: town, exact: {}}
      - {column: born, date: {minDays: -30, maxDays: 30}}
";

const GIVEN: [&str; 12] = [
    "anna", "bruno", "clara", "david", "elena", "fabian", "greta", "henry", "irene", "jonas",
    "katja", "lukas",
];
const FAMILY: [&str; 10] = [
    "meier", "keller", "schmid", "weber", "huber", "graf", "frei", "baumann", "gerber", "moser",
];
const TOWNS: [&str; 5] = ["bern", "bern", "basel", "zug", "thun"];

/// Persons with few names, each on both sides, the right side with errors and gaps.
fn people(count: usize) -> (Vec<String>, Vec<String>) {
    let mut left = Vec::new();
    let mut right = Vec::new();
    for person in 0..count {
        let given = GIVEN[person * 7 % GIVEN.len()];
        let family = FAMILY[(person * 3 + person / 7) % FAMILY.len()];
        let town = TOWNS[(person / 3) % TOWNS.len()];
        let (year, month, day) = (
            1930 + person * 13 % 70,
            person * 5 % 12 + 1,
            person * 11 % 28 + 1,
        );
        left.push(format!(
            "l{person:04},{given},{family},{town},{year}-{month:02}-{day:02}"
        ));
        let given = if person % 9 == 0 { &given[1..] } else { given };
        let family = if person % 11 == 0 {
            format!("{family}s")
        } else {
            family.into()
        };
        let town = if person % 5 == 0 { "" } else { town };
        let day = if person % 13 == 0 { day % 28 + 1 } else { day };
        right.push(format!(
            "r{person:04},{given},{family},{town},{year}-{month:02}-{day:02}"
        ));
    }
    (left, right)
}

fn write(folder: &Path, name: &str, rows: &[String]) {
    let mut text = "id,given,family,town,born\n".to_owned();
    for row in rows {
        writeln!(text, "{row}").unwrap();
    }
    fs::write(folder.join(name), text).unwrap();
}

fn input(folder: &Path, name: &str) -> InputFile {
    InputFile {
        path: folder.join(name),
        name: name.into(),
    }
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .build()
        .unwrap()
}

/// Runs the job in a folder; returns `pairs.csv`'s text.
fn run(folder: &Path, job: &str, out: &str, threads: usize) -> Result<String, Error> {
    let job = format!("{job}output: {{formats: [parquet, csv]}}\n");
    let spec = crds::decode::spec_from_yaml(&job).unwrap();
    let request = RunRequest {
        rates: None,
        model: spec.model.as_ref().map(|model| folder.join(&model.uri)),
        spec,
        left: input(folder, "left.csv"),
        right: input(folder, "right.csv"),
        out_dir: folder.join(out),
    };
    runtime(threads).block_on(engine::run(request, Arc::new(Silent)))?;
    Ok(fs::read_to_string(folder.join(out).join("pairs.csv")).unwrap())
}

fn folder(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (left, right) = people(count);
    write(folder.path(), "left.csv", &left);
    write(folder.path(), "right.csv", &right);
    folder
}

#[test]
fn the_model_depends_on_neither_the_order_of_rows_nor_threads() {
    let folder = folder(400);
    let path = folder.path();
    let pairs = run(path, JOB, "one", 1).unwrap();
    let model = fs::read(path.join("one/model.json")).unwrap();
    let (mut left, mut right) = people(400);
    left.reverse();
    right.rotate_left(123);
    write(path, "left.csv", &left);
    write(path, "right.csv", &right);
    assert_eq!(run(path, JOB, "other", 4).unwrap(), pairs);
    assert_eq!(fs::read(path.join("other/model.json")).unwrap(), model);
}

#[test]
fn people_are_found_again_and_strangers_are_not() {
    let folder = folder(400);
    let pairs = run(folder.path(), JOB, "out", 2).unwrap();
    let matched: Vec<&str> = pairs
        .lines()
        .filter(|row| row.contains(",matched,"))
        .collect();
    let right = matched.iter().filter(|row| row[1..5] == row[7..11]).count();
    assert_eq!(right, matched.len(), "{pairs}");
    assert!(right >= 390, "{right} of 400");
}

#[test]
fn pairs_that_cannot_reach_the_threshold_are_left_out_and_no_others() {
    let folder = folder(400);
    let matched = |review: &str, out| {
        let job = JOB.replace("review: 0.5", review);
        let pairs = run(folder.path(), &job, out, 2).unwrap();
        let matched = pairs.lines().filter(|row| row.contains(",matched,"));
        matched.map(str::to_owned).collect::<Vec<_>>()
    };
    // With a threshold of 0 no pair is given up before all of its comparisons ran.
    assert_eq!(
        matched("review: 0.9", "pruned"),
        matched("review: 0.0", "all")
    );
}

#[test]
fn a_trained_model_gives_the_same_result_as_the_run_that_trains() {
    let folder = folder(300);
    let path = folder.path();
    let pairs = run(path, JOB, "trained", 2).unwrap();
    let trained = fs::read_to_string(path.join("trained/model.json")).unwrap();
    let request = TrainRequest {
        rates: None,
        spec: crds::decode::spec_from_yaml(JOB).unwrap(),
        left: input(path, "left.csv"),
        right: input(path, "right.csv"),
    };
    let model = runtime(2)
        .block_on(engine::train(request, Arc::new(Silent)))
        .unwrap();
    assert_eq!(model.text().unwrap(), trained);
    fs::write(path.join("model.json"), &trained).unwrap();
    assert_eq!(Model::read(&path.join("model.json")).unwrap(), model);

    let reusing = format!("{JOB}model: {{uri: model.json}}\n");
    assert_eq!(run(path, &reusing, "reused", 2).unwrap(), pairs);
    assert!(
        !path.join("reused/model.json").exists(),
        "nothing was trained"
    );
}

#[test]
fn a_model_of_other_comparisons_is_refused_with_every_difference() {
    let folder = folder(100);
    let path = folder.path();
    run(path, JOB, "trained", 2).unwrap();
    let changed = JOB
        .replace("atLeast: 0.8", "atLeast: 0.7")
        .replace("maxDays: 30", "maxDays: 60")
        .replace("town, exact: {}", "town, exact: {}, nulls: mismatch");
    let error = run(
        path,
        &format!("{changed}model: {{uri: trained/model.json}}\n"),
        "out",
        2,
    );
    let Err(Error::Spec(errors)) = error else {
        panic!("{error:?}")
    };
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].starts_with("passes[0].compare[0]: method: "),
        "{found:#?}"
    );
    assert!(found[1].starts_with("passes[0].compare[0]: levels: [1, 0.9, 0.8, 0.7] here, "));
    assert!(
        found[2].starts_with("passes[0].compare[2]: nulls: mismatch here, neutral in the model")
    );
    assert!(
        found[3].starts_with("passes[0].compare[3]: method: "),
        "{found:#?}"
    );

    let renamed = JOB.replace("name: people", "name: persons");
    let error = run(
        path,
        &format!("{renamed}model: {{uri: trained/model.json}}\n"),
        "out",
        2,
    );
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("passes[0].name: the model has no pass `persons`"),
        "{message}"
    );
}

#[test]
fn a_damaged_model_is_named() {
    let folder = folder(20);
    let path = folder.path();
    let job = format!("{JOB}model: {{uri: model.json}}\n");
    run(path, JOB, "trained", 2).unwrap();
    let trained = fs::read_to_string(path.join("trained/model.json")).unwrap();
    assert!(!trained.contains("\"rivals\""), "{trained}");
    let without_their_number = trained.replace("\"u\": ", "\"r\": 0.5, \"u\": ");
    for (text, says) in [
        ("{}", "is no model"),
        ("{\"version\": 2, \"passes\": []}", "has version 2"),
        (&without_their_number, "r without rivals"),
    ] {
        fs::write(path.join("model.json"), text).unwrap();
        let message = run(path, &job, "out", 2).unwrap_err().to_string();
        assert!(
            message.contains("model.json") && message.contains(says),
            "{message}"
        );
    }
}

/// Couples of one name, one address and one telephone; of every fifth couple one person is on the left
/// side alone and the other on the right side alone.
fn couples(folder: &Path, count: usize) {
    let header = "id,given,family,town,phone,born\n".to_owned();
    let (mut left, mut right) = (header.clone(), header);
    for person in 0..count {
        let couple = person / 2;
        let given = GIVEN[(person * 5 + couple) % GIVEN.len()];
        let family = FAMILY[(couple * 3 + couple / 11) % FAMILY.len()];
        let row = |file: &mut String, side: char, given: &str| {
            writeln!(
                file,
                "{side}{person:04},{given},{family},{couple} lane,{},{}-{:02}-{:02}",
                70_000 + couple * 13,
                1940 + person * 37 % 60,
                person * 7 % 12 + 1,
                person * 5 % 28 + 1
            )
            .unwrap();
        };
        let parted = couple % 5 == 0;
        if !parted || person % 2 == 0 {
            row(&mut left, 'l', given);
        }
        if !parted || person % 2 == 1 {
            let given = if person % 9 == 0 { &given[1..] } else { given };
            row(&mut right, 'r', given);
        }
    }
    fs::write(folder.join("left.csv"), left).unwrap();
    fs::write(folder.join("right.csv"), right).unwrap();
}

#[test]
fn a_person_whose_record_is_missing_is_not_matched_with_somebody_of_the_same_address() {
    const JOB: &str = "
left: {source: {uri: left.csv}, key: [id], columns: [{name: born, type: date}]}
right: {source: {uri: right.csv}, key: [id], columns: [{name: born, type: date}]}
passes:
  - name: people
    block: [[born], [town], [phone]]
    score: fellegiSunter
    accept: 0.5
    compare:
      - {column: given, text: {method: jaroWinkler, atLeast: 0.8}}
      - {column: family, text: {method: levenshtein, atLeast: 0.6}}
      - {column: town, exact: {}}
      - {column: phone, exact: {}}
      - {column: born, date: {minDays: -3, maxDays: 3}}
";
    let folder = tempfile::tempdir().unwrap();
    couples(folder.path(), 600);
    let pairs = run(folder.path(), JOB, "out", 2).unwrap();
    let (mut same, mut other) = (0, Vec::new());
    for line in pairs.lines().skip(1) {
        if line[1..5] == line[7..11] {
            same += 1;
        } else {
            other.push(line);
        }
    }
    assert_eq!(same, 480);
    assert!(other.is_empty(), "{other:#?}");
    let model = Model::read(&folder.path().join("out/model.json")).unwrap();
    let pass = &model.passes[0];
    assert!(pass.rivals > 0.0);
    let shared = [1, 2, 3].map(|at| *pass.comparisons[at].r().unwrap().last().unwrap());
    assert!(shared.iter().all(|share| *share > 0.9), "{shared:?}");

    // The model's file says all of it; and no pair was given up that would have been one.
    let reusing = format!("{JOB}model: {{uri: out/model.json}}\n");
    assert_eq!(run(folder.path(), &reusing, "reused", 2).unwrap(), pairs);
    let all = run(folder.path(), &format!("{JOB}    review: 0.0\n"), "all", 2).unwrap();
    let matched = |text: &str| {
        text.lines()
            .filter(|line| line.contains(",matched,"))
            .count()
    };
    assert_eq!(matched(&all), matched(&pairs));
}
