//! Exceptions and differences of a run.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use serde_json::{Value, json};
use sqlx::PgPool;
use support::{Server, assert_problem};

mod support;

fn column<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items
        .iter()
        .map(|item| item[name].as_str().unwrap_or_default())
        .collect()
}

#[sqlx::test]
async fn every_exception_of_a_run_is_listed_with_its_reason(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let id = server.exceptional_run(&token, project).await;
    let path = format!("/api/v2/runs/{id}/exceptions");
    let items = server.all(&token, &path, 3).await;
    assert_eq!(server.all(&token, &path, 1000).await, items);
    assert_eq!(
        column(&items, "outcome"),
        [
            "review",
            "review",
            "differing",
            "duplicate",
            "duplicate",
            "rejected",
            "unmatched",
            "unmatched"
        ]
    );
    let keys: Vec<(&str, &str, &str)> = items
        .iter()
        .map(|item| {
            let text = |name: &str| item[name].as_str().unwrap_or_default();
            (text("side"), text("leftKey"), text("rightKey"))
        })
        .collect();
    assert_eq!(
        keys,
        [
            ("", "b", "b"),
            ("", "c", "c"),
            ("", "a", "a"),
            ("left", "dup", ""),
            ("left", "dup", ""),
            ("left", "", ""),
            ("left", "d", ""),
            ("right", "", "e"),
        ]
    );
    for (number, item) in items.iter().enumerate() {
        assert_eq!(item["number"], number + 1);
        assert!(!item["reason"].as_str().unwrap().is_empty(), "{item}");
    }
    let score = items[0]["score"].as_f64().unwrap();
    assert!((score - 5.0 / 6.0).abs() < 1e-9, "{score}");
    assert_eq!(items[0]["pass"], "fuzzy");
    assert_eq!(
        (&items[5]["line"], &items[5]["column"]),
        (&json!(8), &json!("amount"))
    );

    for (outcome, count) in [
        ("review", 2),
        ("duplicate", 2),
        ("unmatched", 2),
        ("differing", 1),
    ] {
        let path = format!("{path}?outcome={outcome}");
        let some = server.all(&token, &path, 1).await;
        let expected = items.iter().filter(|item| item["outcome"] == outcome);
        assert_eq!(some, expected.cloned().collect::<Vec<_>>());
        assert_eq!(some.len(), count);
    }
    let both = |found: u64| json!({"found": found, "kept": found});
    assert_eq!(
        server.run(&token, id).await["exceptions"],
        json!({"review": both(2), "differing": both(1), "duplicate": both(2), "rejected": both(1),
               "unmatched": both(2)})
    );
    for query in [
        "?outcome=matched",
        "?outcome=",
        "?kind=review",
        "?cursor=eA",
    ] {
        let response = server.get(&format!("{path}{query}"));
        let response = response.bearer_auth(&token).send().await.unwrap();
        assert_problem(response, 400, "bad-request").await;
    }
}

#[sqlx::test]
async fn over_the_bound_exceptions_are_counted_and_not_kept(db: PgPool) {
    let changes = [("WORKERS", "1"), ("EXCEPTIONS_PER_OUTCOME", "1")];
    let server = Server::with(db, &changes).await;
    let (token, project) = server.owner_of("treasury").await;
    let id = server.exceptional_run(&token, project).await;
    let items = server
        .all(&token, &format!("/api/v2/runs/{id}/exceptions"), 100)
        .await;
    assert_eq!(
        column(&items, "outcome"),
        ["review", "differing", "duplicate", "rejected", "unmatched"]
    );
    let counts = server.run(&token, id).await["exceptions"].clone();
    assert_eq!(counts["review"], json!({"found": 2, "kept": 1}));
    assert_eq!(counts["differing"], json!({"found": 1, "kept": 1}));
    assert_eq!(counts["unmatched"], json!({"found": 2, "kept": 1}));
}

#[sqlx::test]
async fn a_run_without_a_result_has_no_exceptions(db: PgPool) {
    let server = Server::start(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let spec = server.small_spec(&token, project).await;
    let id = server.queue(&token, project, &spec).await;
    for list in ["exceptions", "differences"] {
        let path = format!("/api/v2/runs/{id}/{list}");
        let response = server.get(&path).bearer_auth(&token).send().await.unwrap();
        assert_problem(response, 409, "conflict").await;
    }
    let run = server.run(&token, id).await;
    assert_eq!(
        (&run["exceptions"], &run["reviews"]),
        (&Value::Null, &Value::Null)
    );
}

#[sqlx::test]
async fn differences_are_listed_page_by_page(db: PgPool) {
    let server = Server::with_worker(db).await;
    let (token, project) = server.owner_of("treasury").await;
    let rows = |step: u32| {
        let rows = (0..7).map(|row| format!("{row},{}\n", row * 10 + step * (row % 2)));
        format!("id,amount\n{}", rows.collect::<String>())
    };
    let left = server.upload(&token, project, "left.csv", &rows(0)).await;
    let right = server.upload(&token, project, "right.csv", &rows(1)).await;
    let mut spec = support::spec(left, right);
    spec["passes"][0]["compare"] = json!([{"column": "id", "exact": {}}]);
    spec["diff"] = json!([{"column": "amount", "exact": {}}]);
    for side in ["left", "right"] {
        spec[side]["columns"] = json!([{"name": "amount", "type": "decimal(18,2)"}]);
    }
    let id = server.queue(&token, project, &spec).await;
    server.wait_for(&token, id, "succeeded").await;
    let path = format!("/api/v2/runs/{id}/differences");
    let items = server.all(&token, &path, 2).await;
    assert_eq!(column(&items, "leftKey"), ["1", "3", "5"]);
    assert_eq!(
        items[1],
        json!({"leftKey": "3", "rightKey": "3", "column": "amount", "leftValue": "30.00",
               "rightValue": "31.00", "delta": "1.00"})
    );
}
