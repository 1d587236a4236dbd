//! `reconcile explain`: why two records are a pair, or why they are not.

use std::fs;

use assert_cmd::Command;
use predicates::prelude::*;
use serde_json::Value;

const SIDES: &str = "
left: {name: ledger, source: {uri: left.csv}, key: [id], columns: [{name: amount, type: \"decimal(18,2)\"}]}
right: {name: bank, source: {uri: right.csv}, key: [id], columns: [{name: amount, type: \"decimal(18,2)\"}]}
";

const EXACT: &str = "
passes:
  - name: exact
    block: [[ccy]]
    compare: [{column: amount, exact: {}}, {column: memo, exact: {}}]
";

fn scored(assign: &str) -> String {
    format!(
        "
passes:
  - name: fuzzy
    block: [[ccy]]
    score: weighted
    assign: {assign}
    accept: 0.6
    review: 0.5
    compare: [{{column: memo, text: {{method: levenshtein, atLeast: 0.1}}}}]
"
    )
}

/// A folder with a job and its two sides, whose rows are `id,ccy,amount,memo`.
fn folder(passes: &str, left: &str, right: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("job.yaml"), format!("{SIDES}{passes}")).expect("job");
    for (name, rows) in [("left.csv", left), ("right.csv", right)] {
        let text = format!("id,ccy,amount,memo\n{rows}");
        fs::write(folder.path().join(name), text).expect("a side");
    }
    folder
}

fn explain(folder: &tempfile::TempDir, left: &str, right: &str) -> Command {
    let mut command = Command::cargo_bin("reconcile").expect("the binary");
    command.current_dir(folder.path());
    command.args(["explain", "job.yaml", "--left", left, "--right", right]);
    command
}

fn json(folder: &tempfile::TempDir, left: &str, right: &str) -> Value {
    let output = explain(folder, left, right).arg("--json").output();
    let output = output.expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn decision(answer: &Value, pass: usize) -> &str {
    answer["passes"][pass]["decision"].as_str().expect("a text")
}

#[test]
fn a_matching_pair_says_so_and_writes_nothing() {
    let folder = folder(EXACT, "L1,EUR,10.00,rent\n", "B1,EUR,10.00,rent\n");
    explain(&folder, "L1", "B1")
        .assert()
        .success()
        .stdout(predicate::str::starts_with(
            "ledger L1 and bank B1 are a pair: passes[0] `exact`: the score 1.0000 reaches accept 1\n",
        ))
        .stdout(predicate::str::contains('█'))
        .stderr(predicate::str::is_empty());
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 3);
    let answer = json(&folder, "L1", "B1");
    assert_eq!(answer["isPair"], true);
    assert_eq!(answer["left"]["outcome"], "matched");
    assert_eq!(answer["right"]["partners"], serde_json::json!(["L1"]));
    assert_eq!(decision(&answer, 0), "confirmed");
}

#[test]
fn a_pair_missed_by_its_block_names_both_values() {
    let folder = folder(EXACT, "L1,EUR,10.00,rent\n", "B1,USD,10.00,rent\n");
    explain(&folder, "L1", "B1")
        .assert()
        .success()
        .stdout(predicate::str::starts_with(
            "ledger L1 and bank B1 are not a pair: passes[0] `exact`: the block [ccy] differs: \
             EUR against USD\n",
        ));
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "notBlocked");
    assert_eq!(answer["passes"][0]["blocks"][0]["failed"]["left"], "EUR");
    assert_eq!(answer["passes"][0]["comparisons"][0]["holds"], true);
    assert_eq!(answer["left"]["outcome"], "unmatched");
}

#[test]
fn a_null_in_a_block_holds_for_nothing() {
    let folder = folder(EXACT, "L1,,10.00,rent\n", "B1,,10.00,rent\n");
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "notBlocked");
    assert_eq!(
        answer["passes"][0]["blocks"][0]["failed"]["left"],
        Value::Null
    );
}

#[test]
fn one_block_that_holds_is_enough() {
    let passes = EXACT.replace("[[ccy]]", "[[ccy], [\"lower(memo)\", amount]]");
    let folder = folder(&passes, "L1,EUR,10.00,rent\n", "B1,USD,10.00,rent\n");
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "confirmed");
    let blocks = &answer["passes"][0]["blocks"];
    assert_eq!(blocks[0]["failed"]["entry"], "ccy");
    assert_eq!(blocks[1]["failed"], Value::Null);
}

#[test]
fn a_required_comparison_sinks_a_pair() {
    let folder = folder(EXACT, "L1,EUR,10.00,rent\n", "B1,EUR,10.01,rent\n");
    explain(&folder, "L1", "B1")
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "amount does not hold: 10.00 against 10.01",
        ));
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "requiredFailed");
    assert_eq!(answer["passes"][0]["score"], 0.0);
}

#[test]
fn a_pair_loses_to_a_better_partner_whichever_way_of_assigning() {
    for assign in ["optimal", "greedy"] {
        let folder = folder(
            &scored(assign),
            "L1,EUR,1,abcdefghij\n",
            "B1,EUR,1,abcdefghij\nB2,EUR,1,abcdefghix\nB3,EUR,1,zzzzzzzzzz\n",
        );
        let answer = json(&folder, "L1", "B2");
        assert_eq!(decision(&answer, 0), "assignedElsewhere", "{assign}");
        let rivals = answer["passes"][0]["leftRivals"]
            .as_array()
            .expect("rivals");
        assert_eq!(rivals.len(), 1);
        assert_eq!(rivals[0]["key"], "B1");
        assert_eq!(rivals[0]["chosen"], "confirmed");
        assert_eq!(answer["passes"][0]["score"], 0.9);
        let verdict = answer["verdict"].as_str().expect("a text");
        assert!(
            verdict.contains("left L1 went to B1 with 1.0000"),
            "{verdict}"
        );
        assert!(!verdict.contains("total"), "{verdict}");
    }
}

#[test]
fn the_best_pair_may_lose_to_a_better_total_and_says_so() {
    // L1–B1 scores 1; L1–B2 scores 0.7 and L2–B1 0.9, and L2–B2 is not kept.
    let (left, right) = (
        "L1,EUR,1,abcdefghij\nL2,EUR,1,xbcdefghij\n",
        "B1,EUR,1,abcdefghij\nB2,EUR,1,abcdefklmj\n",
    );
    let far = scored("optimal")
        .replace("accept: 0.6", "accept: 0.61")
        .replace("review: 0.5", "review: 0.61");
    let optimal = folder(&far, left, right);
    let answer = json(&optimal, "L1", "B1");
    assert_eq!(decision(&answer, 0), "assignedElsewhere");
    let verdict = answer["verdict"].as_str().expect("a text");
    assert!(
        verdict.contains("the total of all pairs is better"),
        "{verdict}"
    );
    let greedy = folder(&far.replace("optimal", "greedy"), left, right);
    assert_eq!(decision(&json(&greedy, "L1", "B1"), 0), "confirmed");
}

#[test]
fn rivals_are_the_five_best_and_the_chosen_one() {
    let right: Vec<String> = (0..9)
        .map(|at| format!("B{at},EUR,1,{}{}\n", "abcdefghij", "x".repeat(at / 3)))
        .collect();
    let folder = folder(&scored("greedy"), "L1,EUR,1,abcdefghij\n", &right.concat());
    let answer = json(&folder, "L1", "B8");
    let rivals = answer["passes"][0]["leftRivals"]
        .as_array()
        .expect("rivals");
    let keys: Vec<&str> = rivals
        .iter()
        .filter_map(|one| one["key"].as_str())
        .collect();
    assert_eq!(keys, ["B0", "B1", "B2", "B3", "B4"]);
    assert_eq!(rivals[0]["chosen"], "confirmed");
    assert_eq!(rivals[1]["chosen"], Value::Null);
}

#[test]
fn a_pair_below_review_tells_its_score() {
    let folder = folder(
        &scored("optimal"),
        "L1,EUR,1,abcdefghij\n",
        "B1,EUR,1,abcdvwxyzz\n",
    );
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "belowThreshold");
    assert_eq!(
        answer["passes"][0]["detail"],
        "the score 0.4000 is below review 0.5"
    );
}

#[test]
fn a_pair_for_review_is_a_pair() {
    let folder = folder(
        &scored("optimal"),
        "L1,EUR,1,abcdefghij\n",
        "B1,EUR,1,abcdezzzzz\n",
    );
    let answer = json(&folder, "L1", "B1");
    assert_eq!(
        (decision(&answer, 0), &answer["isPair"]),
        ("review", &Value::Bool(true))
    );
    assert_eq!(answer["right"]["outcome"], "review");
}

#[test]
fn a_runner_up_within_the_margin_is_told() {
    let passes = scored("optimal") + "    margin: 0.1\n";
    let folder = folder(
        &passes,
        "L1,EUR,1,abcdefghij\n",
        "B1,EUR,1,abcdefghij\nB2,EUR,1,abcdefghix\n",
    );
    let answer = json(&folder, "L1", "B1");
    assert_eq!(decision(&answer, 0), "review");
    assert_eq!(answer["passes"][0]["ambiguous"], true);
    let detail = answer["passes"][0]["detail"].as_str().expect("a text");
    assert!(detail.contains("within the margin 0.1"), "{detail}");
}

#[test]
fn a_record_taken_in_an_earlier_pass_names_pass_and_partner() {
    let passes = format!("{EXACT}{}", scored("optimal").replace("passes:\n", ""));
    let folder = folder(
        &passes,
        "L1,EUR,10.00,rent\n",
        "B1,EUR,10.00,rent\nB2,EUR,11.00,rents\n",
    );
    let answer = json(&folder, "L1", "B2");
    assert_eq!(decision(&answer, 0), "requiredFailed");
    assert_eq!(decision(&answer, 1), "taken");
    assert_eq!(answer["passes"][1]["leftTaken"]["pass"], "exact");
    assert_eq!(
        answer["passes"][1]["leftTaken"]["partners"],
        serde_json::json!(["B1"])
    );
    assert_eq!(answer["passes"][1]["rightTaken"], Value::Null);
}

const SUM: &str = "
passes:
  - name: split
    cardinality: oneToMany
    block: [[ccy]]
    sum: {column: amount, maxParts: 4}
";

#[test]
fn members_of_a_sum_name_their_group() {
    let folder = folder(
        SUM,
        "L1,EUR,100.00,\nL2,USD,7.00,\n",
        "B1,EUR,60.00,\nB2,EUR,40.00,\nB3,EUR,1000.00,\n",
    );
    let answer = json(&folder, "L1", "B2");
    assert_eq!(decision(&answer, 0), "confirmed");
    let group = &answer["passes"][0]["groups"][0];
    assert_eq!(group["parts"], serde_json::json!(["B1", "B2"]));
    assert_eq!(
        (&group["why"], &group["residual"]),
        (&Value::from("unique"), &Value::from("0.00"))
    );
    let other = json(&folder, "L1", "B3");
    assert_eq!(decision(&other, 0), "assignedElsewhere");
    let verdict = other["verdict"].as_str().expect("a text");
    assert!(
        verdict.contains("left L1 is the sum of B1, B2"),
        "{verdict}"
    );
    assert_eq!(decision(&json(&folder, "L2", "B1"), 0), "notBlocked");
}

#[test]
fn an_ambiguous_sum_says_why_a_person_decides() {
    let folder = folder(
        SUM,
        "L1,EUR,100.00,\n",
        "B1,EUR,60.00,\nB2,EUR,40.00,\nB3,EUR,30.00,\nB4,EUR,70.00,\n",
    );
    let answer = json(&folder, "L1", "B1");
    assert_eq!(answer["passes"][0]["groups"][0]["why"], "ambiguous");
    assert_eq!(answer["left"]["outcome"], "review");
}

#[test]
fn differing_columns_are_named() {
    let passes =
        EXACT.replace(", {column: memo, exact: {}}", "") + "diff: [{column: memo, exact: {}}]\n";
    let folder = folder(&passes, "L1,EUR,10.00,rent\n", "B1,EUR,10.00,loan\n");
    let answer = json(&folder, "L1", "B1");
    assert_eq!(answer["left"]["outcome"], "differing");
    assert_eq!(answer["differences"][0]["column"], "memo");
    let verdict = answer["verdict"].as_str().expect("a text");
    assert!(verdict.ends_with("it differs in memo"), "{verdict}");
}

#[test]
fn values_are_shown_as_they_are_and_as_they_are_compared() {
    let passes = format!("normalize: [{{column: memo, steps: [lowercase]}}]{EXACT}");
    let folder = folder(&passes, "L1,EUR,10.00,RENT\n", "B1,EUR,10.00,rent\n");
    let answer = json(&folder, "L1", "B1");
    let memo = |side: &str| answer[side]["values"][3].clone();
    assert_eq!(
        (&memo("left")["original"], &memo("left")["normalized"]),
        (&Value::from("RENT"), &Value::from("rent"))
    );
    assert_eq!(memo("right")["normalized"], Value::Null);
}

#[test]
fn an_unknown_key_names_its_side_and_near_keys() {
    let folder = folder(EXACT, "L1,EUR,10.00,a\nL2,EUR,1x,b\n", "B1,EUR,10.00,a\n");
    explain(&folder, "L1", "B9")
        .assert()
        .code(2)
        .stderr(predicate::str::contains(
            "right has no record with the key `B9`",
        ))
        .stderr(predicate::str::contains("near it are `B1`"));
    // A row that could not be read has no key, so the rejected rows are told.
    explain(&folder, "L2", "B1")
        .assert()
        .code(2)
        .stderr(predicate::str::contains(
            "1 row was rejected: line 3, column `amount`",
        ));
}

#[test]
fn a_duplicate_key_names_its_lines() {
    let folder = folder(EXACT, "L1,EUR,1,a\nL1,EUR,2,b\n", "B1,EUR,1,a\n");
    explain(&folder, "L1", "B1")
        .assert()
        .code(2)
        .stderr(predicate::str::contains("lines 2, 3").and(predicate::str::contains("duplicates")));
}

#[test]
fn a_rejected_row_without_a_key_is_found_by_its_number() {
    let folder = folder(EXACT, "a,EUR,1,a\nb,EUR,x,b\nc,EUR,2,c\n", "B1,EUR,2,c\n");
    let path = folder.path().join("job.yaml");
    let job = fs::read_to_string(&path)
        .expect("job")
        .replacen("key: [id], ", "", 1);
    fs::write(&path, job).expect("job");
    explain(&folder, "2", "B1")
        .assert()
        .code(2)
        .stderr(predicate::str::contains(
            "the row was rejected: line 3, column `amount`",
        ));
    assert_eq!(decision(&json(&folder, "3", "B1"), 0), "confirmed");
    explain(&folder, "4", "B1").assert().code(2);
}

#[test]
fn a_wrong_job_and_a_failed_run_have_codes_of_their_own() {
    let wrong = folder("passes: []\n", "L1,EUR,1,a\n", "B1,EUR,1,a\n");
    explain(&wrong, "L1", "B1").assert().code(2);
    let lost = folder(EXACT, "L1,EUR,1,a\n", "B1,EUR,1,a\n");
    fs::remove_file(lost.path().join("right.csv")).expect("removed");
    explain(&lost, "L1", "B1").assert().code(1);
}

#[test]
fn the_help_shows_an_example() {
    let mut command = Command::cargo_bin("reconcile").expect("the binary");
    command
        .args(["explain", "--help"])
        .assert()
        .success()
        .stdout(predicate::str::contains(
            "reconcile explain job.yaml --left L1 --right B7",
        ));
}

#[test]
fn contributions_of_learned_weights_add_up() {
    let passes = "
passes:
  - name: learned
    block: [[ccy]]
    score: fellegiSunter
    accept: 0.9
    review: 0.1
    compare: [{column: memo, text: {method: jaroWinkler, atLeast: 0.8}}, {column: amount, exact: {}}]
";
    let rows = |side: &str| -> String {
        let rows: Vec<String> = (0..60)
            .map(|at| format!("{side}{at:02},C{},{at}.00,memo {}\n", at % 6, at * 37 % 11))
            .collect();
        rows.concat()
    };
    let folder = folder(passes, &rows("L"), &rows("B"));
    for right in ["B07", "B13"] {
        let answer = json(&folder, "L07", right);
        let pass = &answer["passes"][0];
        let number = |value: &Value| value.as_f64().expect("a number");
        let parts = pass["comparisons"].as_array().expect("comparisons");
        let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
        let weight = number(&pass["weight"]);
        assert!((sum + number(&pass["prior"]) - weight).abs() < 1e-9);
        let odds = weight.exp2();
        assert!((number(&pass["score"]) - odds / (1.0 + odds)).abs() < 1e-9);
    }
    explain(&folder, "L07", "B07")
        .assert()
        .success()
        .stdout(predicate::str::contains("prior").and(predicate::str::contains(" bits")));
}
