//! What the commands print and how they exit.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;

fn reconcile() -> Command {
    Command::cargo_bin("reconcile").expect("the binary")
}

fn repository(path: &str) -> String {
    format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"))
}

const JOB: &str = "
left: {source: {uri: left.csv}, key: [id]}
right: {source: {uri: right.csv}, key: [id]}
passes:
  - {name: exact, assign: greedy, compare: [{column: amount, exact: {}}]}
";

/// A folder with a job and its two sides.
fn job(yaml: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("job.yaml"), yaml).expect("job");
    fs::write(folder.path().join("left.csv"), "id,amount\na,1\nb,2\n").expect("left");
    fs::write(folder.path().join("right.csv"), "id,amount\nx,1\ny,3\n").expect("right");
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn the_bank_example_runs_and_accounts_for_every_row() {
    let out = tempfile::tempdir().expect("a folder");
    let output = reconcile()
        .args([
            "run",
            &repository("examples/bank/job.yaml"),
            "--json",
            "--out",
        ])
        .arg(out.path().join("results"))
        .output()
        .expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let count = |side: &str, name: &str| summary[side][name].as_u64().expect("a count");
    for (side, rows) in [("left", 74), ("right", 72)] {
        let outcomes = [
            "matched",
            "differing",
            "review",
            "unmatched",
            "duplicate",
            "rejected",
        ];
        let sum: u64 = outcomes.iter().map(|name| count(side, name)).sum();
        assert_eq!((count(side, "rows"), sum), (rows, rows));
    }
    assert_eq!(
        (count("left", "duplicate"), count("left", "rejected")),
        (2, 1)
    );
    assert!(count("left", "review") > 0, "the example shows a review");
    assert!(count("left", "matched") >= 55);
    assert!(out.path().join("results/pairs.csv").exists());
}

#[test]
fn a_run_prints_a_table_without_colour_when_piped() {
    let folder = job(JOB);
    reconcile()
        .current_dir(folder.path())
        .args(["run", "job.yaml"])
        .assert()
        .success()
        .stdout(predicate::str::contains("unmatched").and(predicate::str::contains("job-out")))
        .stdout(predicate::str::contains('\u{1b}').not())
        .stderr(predicate::str::is_empty());
    assert!(names(&folder.path().join("job-out")).contains(&"summary.json".to_owned()));
}

#[test]
fn validate_reports_all_five_mistakes_with_their_paths_and_exits_with_2() {
    let folder = job("
left: {source: {uri: a.csv}, keys: [id]}
right: {source: {uri: b.csv, upload: {id: x}}}
passes:
  - name: one
    assign: greedy
    compare: [{column: memo, text: {method: soundslike, atLeast: 0.5}}]
  - name: one
    assign: greedy
    score: weighted
    accept: 0.7
    review: 0.9
    block: [[ccy]]
    compare: [{column: amount, exact: {}}]
");
    reconcile()
        .args(["validate"])
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(2)
        .stderr(
            predicate::str::contains("\nleft.keys: ")
                .or(predicate::str::starts_with("left.keys: ")),
        )
        .stderr(predicate::str::contains("\nright.source: "))
        .stderr(predicate::str::contains(
            "\npasses[0].compare[0].text.method: ",
        ))
        .stderr(predicate::str::contains("\npasses[1].name: "))
        .stderr(predicate::str::contains("\npasses[1].review: "));
}

#[test]
fn validate_reports_mistakes_in_expressions_and_columns_beside_those_of_the_structure() {
    let folder = job("
left:
  source: {uri: a.csv}
  where: 'status <>'
  columns: [{name: day, type: date, format: '%Q'}, {name: amount, type: 'decimal(9,2)'}]
right: {source: {uri: b.csv}, key: id}
passes:
  - name: one
    block: [['near(amount']]
    compare:
      - {column: amount, text: {method: soundslike, atLeast: 0.5}}
      - {column: memo, date: {minDays: 0, maxDays: 3}}
    score: weighted
    accept: 0.5
    review: 0.7
diff: [{column: note, exact: 1}]
");
    let output = reconcile()
        .arg("validate")
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(2)
        .get_output()
        .stderr
        .clone();
    let text = String::from_utf8(output).unwrap();
    let paths: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(path, _)| path))
        .collect();
    assert_eq!(
        paths,
        [
            "right.key",
            "passes[0].compare[0].text.method",
            "passes[0].review",
            "diff[0].exact",
            "left.where",
            "left.columns[0].format",
            "passes[0].compare[1].date",
            "passes[0].compare[1].date",
            "passes[0].block[0][0]",
            "error",
        ],
        "{text}"
    );
}

#[test]
fn validate_opens_no_data() {
    let folder = job(&JOB.replace("left.csv", "is-not-there.csv"));
    reconcile()
        .arg("validate")
        .arg(folder.path().join("job.yaml"))
        .assert()
        .success()
        .stdout(predicate::str::contains("ok, 1 pass"));
}

#[test]
fn validate_with_plan_opens_the_data_and_prints_blocks_pairs_and_largest_keys() {
    let folder = job(&JOB.replace(
        "name: exact, ",
        "name: near, block: [[amount], [\"left(amount, 1)\"]], ",
    ));
    reconcile()
        .args(["validate", "--plan"])
        .arg(folder.path().join("job.yaml"))
        .assert()
        .success()
        .stdout(predicate::str::contains("ok, 1 pass"))
        .stdout(predicate::str::contains("pass `near`: 2 blocks\n"))
        .stdout(predicate::str::contains("1. amount: 1 pairs"))
        .stdout(predicate::str::contains("1 pairs from (1) with 1 × 1 rows"))
        .stdout(predicate::str::contains("in all at most 2 pairs"));
    let folder = job(&JOB.replace("left.csv", "is-not-there.csv"));
    reconcile()
        .args(["validate", "--plan"])
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(1)
        .stderr(predicate::str::contains("is-not-there.csv"));
}

#[test]
fn paths_of_a_whole_manifest_start_with_spec() {
    let indented = JOB
        .replace("uri: left.csv", "uri: left.csv, upload: {id: x}")
        .replace('\n', "\n  ");
    let folder = job(&format!(
        "apiVersion: reconciliation-platform.dev/v1alpha1\nkind: ReconciliationJob\n\
         metadata: {{name: a}}\nspec:\n  platformRef: {{name: main}}\n  project: p{indented}"
    ));
    reconcile()
        .arg("validate")
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(2)
        .stderr(predicate::str::starts_with("spec.left.source: "));
}

#[test]
fn a_wrong_expression_is_found_by_validate_with_its_path() {
    let folder = job(&JOB.replace(
        "assign: greedy,",
        "assign: greedy, block: [[\"substr(amount\"]],",
    ));
    reconcile()
        .arg("validate")
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(2)
        .stderr(predicate::str::starts_with("passes[0].block[0][0]: "));
}

#[test]
fn a_run_that_fails_exits_with_1_and_leaves_no_half_written_output() {
    let folder = job(&JOB.replace("right.csv", "is-not-there.csv"));
    let before = names(folder.path());
    reconcile()
        .current_dir(folder.path())
        .args(["run", "job.yaml"])
        .assert()
        .code(1)
        .stderr(predicate::str::contains("is-not-there.csv"));
    assert_eq!(names(folder.path()), before);
}

#[test]
fn a_job_of_a_cluster_runs_over_files_given_on_the_command_line() {
    let folder = job(&JOB.replace("uri: left.csv", "configMap: {name: data, key: left.csv}"));
    reconcile()
        .current_dir(folder.path())
        .args(["run", "job.yaml"])
        .assert()
        .code(2)
        .stderr(
            predicate::str::contains("left.source: ").and(predicate::str::contains("--left FILE")),
        );
    reconcile()
        .current_dir(folder.path())
        .args(["run", "job.yaml", "--left", "left.csv"])
        .assert()
        .success();
}

#[test]
fn a_file_that_is_no_yaml_and_a_file_that_is_missing_are_named() {
    let folder = job("left: [");
    reconcile()
        .arg("validate")
        .arg(folder.path().join("job.yaml"))
        .assert()
        .code(2)
        .stderr(predicate::str::contains("not YAML"));
    reconcile()
        .args(["validate", "nowhere.yaml"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("nowhere.yaml"));
}

#[test]
fn help_teaches_by_example_and_completions_are_printed() {
    reconcile()
        .arg("--help")
        .assert()
        .success()
        .stdout(predicate::str::contains("Examples:"));
    reconcile()
        .args(["completions", "bash"])
        .assert()
        .success()
        .stdout(predicate::str::contains("_reconcile"));
}

#[test]
fn profile_says_what_a_file_holds_and_how_a_job_declares_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.csv");
    let rows = "id,booked,amount,note\n1,31/01/2024,10.50,\n2,01/02/2024,-3,x\n2,01/02/2024,-3,x\n";
    std::fs::write(&file, rows).unwrap();
    let assert = reconcile().arg("profile").arg(&file).assert().success();
    let text = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    for line in [
        "3 rows, 0 rejected, 1 duplicate",
        "booked  date %d/%m/%Y",
        "  from     31/01/2024 to 01/02/2024",
        "  - {name: amount, type: \"decimal(18,2)\"}",
        "  - {name: booked, type: date, format: \"%d/%m/%Y\"}",
        "  1 nulls, 1 distinct",
    ] {
        assert!(text.contains(line), "`{line}` is not in\n{text}");
    }
    let assert = reconcile()
        .arg("profile")
        .arg(&file)
        .arg("--json")
        .assert()
        .success();
    let json: serde_json::Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    assert_eq!(json["columns"][2]["type"], "decimal(18,2)");
}

#[test]
fn profile_of_a_file_without_a_known_format_says_how_to_name_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.dat");
    std::fs::write(&file, "a\n1\n").unwrap();
    reconcile()
        .arg("profile")
        .arg(&file)
        .assert()
        .code(2)
        .stderr(predicate::str::contains("names no format"));
    let csv = ["--format", "csv"];
    reconcile()
        .arg("profile")
        .arg(&file)
        .args(csv)
        .assert()
        .success();
}

const LEARNED: &str = "
left: {source: {uri: left.csv}, key: [id]}
right: {source: {uri: right.csv}, key: [id]}
passes:
  - name: people
    block: [[name], [town]]
    score: fellegiSunter
    accept: 0.9
    assign: greedy
    compare:
      - {column: name, exact: {}, weight: 3}
      - {column: town, exact: {}}
";

#[test]
fn train_writes_a_model_that_a_job_beside_it_uses() {
    let folder = job(LEARNED);
    let rows = |side: &str| {
        let person = |n: usize| format!("{side}{n},name{},town{}\n", n % 9, n % 7);
        format!("id,name,town\n{}", (0..40).map(person).collect::<String>())
    };
    fs::write(folder.path().join("left.csv"), rows("l")).expect("left");
    fs::write(folder.path().join("right.csv"), rows("r")).expect("right");
    reconcile()
        .current_dir(folder.path())
        .args(["train", "job.yaml", "--out", "people.json"])
        .assert()
        .success()
        .stdout(
            predicate::str::contains("people: prior ")
                .and(predicate::str::contains("\n  name "))
                .and(predicate::str::contains("model in people.json")),
        )
        .stderr(predicate::str::diff(
            "note: passes[0].compare[0].weight is ignored by score: fellegiSunter, which learns \
             weights\n",
        ));
    let using = format!("{LEARNED}model: {{uri: people.json}}\n");
    fs::write(folder.path().join("using.yaml"), using).expect("job");
    let elsewhere = tempfile::tempdir().expect("a folder");
    reconcile()
        .current_dir(elsewhere.path())
        .arg("run")
        .arg(folder.path().join("using.yaml"))
        .assert()
        .success();
    let outputs = names(&elsewhere.path().join("using-out"));
    assert!(!outputs.contains(&"model.json".to_owned()), "{outputs:?}");
    reconcile()
        .current_dir(folder.path())
        .args(["run", "job.yaml"])
        .assert()
        .success();
    assert!(names(&folder.path().join("job-out")).contains(&"model.json".to_owned()));
}

#[test]
fn a_job_without_learned_weights_has_nothing_to_train() {
    let folder = job(JOB);
    reconcile()
        .current_dir(folder.path())
        .args(["train", "job.yaml"])
        .assert()
        .code(2)
        .stderr(predicate::str::starts_with(
            "passes: no pass has score: fellegiSunter",
        ));
}
