use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::job::validate;
use crate::job::validate::tests::job;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn run(state: &str, change: impl FnOnce(&mut serde_json::Value)) -> Outcome {
    let mut run = json!({
        "id": Uuid::from_u128(7),
        "state": state,
        "resultUri": "/api/v2/runs/x/outputs",
    });
    change(&mut run);
    Outcome::Run(Box::new(serde_json::from_value(run).unwrap()))
}

fn side(matched: i64, unmatched: i64) -> serde_json::Value {
    json!({
        "rows": matched + unmatched, "matched": matched, "differing": 0, "review": 0,
        "unmatched": unmatched, "duplicate": 0, "rejected": 0,
    })
}

fn succeeded() -> Outcome {
    run("succeeded", |run| {
        run["startedAt"] = json!("2026-11-23T10:00:00.123456Z");
        run["completedAt"] = json!("2026-11-23T10:00:05Z");
        run["summary"] = json!({"left": side(3, 1), "right": side(3, 5), "matchRate": 0.5});
    })
}

fn told(status: &ReconciliationJobStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|it| format!("{}={}/{}", it.type_, it.status, it.reason))
        .collect()
}

fn next(old: &ReconciliationJobStatus, outcome: &Outcome) -> ReconciliationJobStatus {
    status(old, outcome, Some(1), at(9))
}

#[test]
fn a_run_goes_from_queued_to_complete_and_its_counts_are_copied() {
    let queued = next(&ReconciliationJobStatus::default(), &run("queued", |_| ()));
    assert_eq!(
        told(&queued),
        [
            "Accepted=True/AsExpected",
            "Running=True/Queued",
            "Ready=False/Queued"
        ]
    );
    let running = next(
        &queued,
        &run("running", |run| {
            run["phase"] = json!("match");
            run["progress"] = json!({"done": 2, "total": 4});
        }),
    );
    assert_eq!(running.conditions[1].message, "match: 2 of 4");
    let done = next(&running, &succeeded());
    assert_eq!(
        told(&done),
        [
            "Accepted=True/AsExpected",
            "Running=False/RunSucceeded",
            "Ready=True/RunSucceeded",
            "Complete=True/RunSucceeded",
        ]
    );
    assert_eq!(done.state.as_deref(), Some("Succeeded"));
    let run = done.last_run.as_ref().unwrap();
    assert_eq!(run.left.unwrap().matched, 3);
    assert_eq!(run.match_rate.as_deref(), Some("0.5000"));
    assert_eq!(run.result_uri.as_deref(), Some("/api/v2/runs/x/outputs"));
    // What is read back from the API server is the same, so nothing is written again.
    let read: ReconciliationJobStatus =
        serde_json::from_value(serde_json::to_value(&done).unwrap()).unwrap();
    assert_eq!(next(&read, &succeeded()), read);
}

#[test]
fn a_failed_run_says_why() {
    let failed = next(
        &ReconciliationJobStatus::default(),
        &run("failed", |run| {
            run["error"] = json!({"type": "urn:x", "message": "maxPairs is exhausted"});
        }),
    );
    let last = failed.conditions.last().unwrap();
    assert_eq!(
        (last.type_.as_str(), last.message.as_str()),
        ("Failed", "maxPairs is exhausted")
    );
}

#[test]
fn a_new_run_leaves_no_end_of_the_old_one_behind() {
    let done = next(&ReconciliationJobStatus::default(), &succeeded());
    let other = run("queued", |run| run["id"] = json!(Uuid::from_u128(8)));
    let queued = status(&done, &other, Some(2), at(10));
    assert!(queued.conditions.iter().all(|it| it.type_ != "Complete"));
    assert_eq!(queued.last_run.unwrap().left, None);
}

#[test]
fn a_refusal_is_told_and_keeps_the_last_run() {
    let done = next(&ReconciliationJobStatus::default(), &succeeded());
    let errors = vec![
        SpecError {
            path: "spec.left".into(),
            message: "is bad".into(),
        },
        SpecError {
            path: "spec.right".into(),
            message: "too".into(),
        },
    ];
    let refused = status(&done, &Outcome::Invalid(errors), Some(2), at(10));
    assert_eq!(refused.conditions[0].reason, "InvalidSpec");
    assert_eq!(
        refused.conditions[0].message,
        "spec.left: is bad\nspec.right: too"
    );
    assert!(refused.last_run.is_some());
    assert!(refused.conditions.iter().all(|it| it.type_ != "Complete"));
}

#[test]
fn a_finished_run_of_this_matching_part_is_left_alone() {
    let mut object = job(|_| ());
    let validated = validate::validate(&object).unwrap();
    assert!(!is_finished(&object, &validated));
    let mine = run("succeeded", |run| run["id"] = json!(validated.run_id));
    let done = next(&ReconciliationJobStatus::default(), &mine);
    object.data["status"] = serde_json::to_value(done).unwrap();
    assert!(is_finished(&object, &validated));
    // Another matching part means another run.
    let changed = job(|spec| spec["left"]["key"] = json!(["ref"]));
    object.data["spec"] = changed.data["spec"].clone();
    object.metadata.generation = Some(2);
    let validated = validate::validate(&object).unwrap();
    assert!(!is_finished(&object, &validated));
}
