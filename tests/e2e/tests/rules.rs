//! What the API server itself accepts and refuses: the CRDs' schemas and CEL rules, on the real one.

use anyhow::Result;
use e2e::Cluster;
use serde_json::{Value, json};

const PLATFORM: &str = r#"{
  "apiVersion": "reconciliation-platform.dev/v1alpha1",
  "kind": "ReconciliationPlatform",
  "metadata": {"name": "rules", "namespace": "default"},
  "spec": {
    "environment": "Development",
    "secrets": {"existingSecret": {"name": "recon"}},
    "database": {"external": {}},
    "storage": {"volume": {"size": "1Gi"}},
    "projects": [{"slug": "treasury", "namespaces": ["a"]}]
  }
}"#;

const JOB: &str = r#"{
  "apiVersion": "reconciliation-platform.dev/v1alpha1",
  "kind": "ReconciliationJob",
  "metadata": {"name": "rules", "namespace": "default"},
  "spec": {
    "platformRef": {"name": "main"},
    "project": "treasury",
    "left": {"source": {"configMap": {"name": "data", "key": "left.csv"}}, "key": ["id"]},
    "right": {"source": {"configMap": {"name": "data", "key": "right.csv"}}, "key": ["id"]},
    "passes": [
      {"name": "exact", "assign": "greedy", "compare": [{"column": "amount", "exact": {}}]},
      {
        "name": "fuzzy", "assign": "greedy", "score": "weighted", "accept": 0.9, "review": 0.7,
        "block": [["ccy"]],
        "compare": [
          {"column": "amount", "number": {"abs": "0.05"}},
          {"left": "memo", "right": "text", "text": {"method": "jaroWinkler", "atLeast": 0.8}},
          {"column": "date", "date": {"minDays": -1, "maxDays": 3}, "required": true}
        ]
      }
    ]
  }
}"#;

/// The object with one part replaced, or removed where the new value is null.
fn with(object: &str, pointer: &str, value: Value) -> String {
    let mut object: Value = serde_json::from_str(object).expect("JSON");
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = object.pointer_mut(parent).expect("the parent is there");
    match (parent, value) {
        (Value::Object(map), Value::Null) => {
            map.remove(name);
        }
        (Value::Object(map), value) => {
            map.insert(name.into(), value);
        }
        (Value::Array(items), value) => items[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("{pointer} has no parent"),
    }
    object.to_string()
}

async fn refused(cluster: &Cluster, object: &str, why: &str) {
    let answer = cluster.dry_run(object).await;
    let error = answer.expect_err(&format!("accepted, though: {why}: {object}"));
    let error = format!("{error:#}");
    assert!(
        error.contains(why),
        "refused, but not with `{why}`: {error}"
    );
}

#[tokio::test]
async fn objects_that_are_right_are_accepted() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let accepted = [
        PLATFORM.to_owned(),
        with(
            &with(PLATFORM, "/spec/secrets", json!({"generated": {}})),
            "/spec/database",
            json!({"embedded": {"storage": "2Gi"}}),
        ),
        with(PLATFORM, "/spec/environment", json!("Production")),
        with(
            PLATFORM,
            "/spec/storage",
            json!({"s3": {"bucket": "recon", "endpoint": "https://s3"}}),
        ),
        JOB.to_owned(),
        with(
            JOB,
            "/spec/left/source",
            json!({"upload": {"id": "00000000-0000-4000-8000-000000000000"}}),
        ),
        with(
            &with(
                JOB,
                "/spec/diff",
                json!([{"column": "status", "exact": {}}]),
            ),
            "/spec/passes/0",
            json!({
                "name": "split", "cardinality": "oneToMany", "block": [["ccy", "party"]],
                "sum": {"column": "amount", "abs": "0.01", "windowDays": 7, "dateColumn": "date"}
            }),
        ),
        with(
            &with(JOB, "/spec/limits", json!({"memory": "512Mi"})),
            "/spec/passes/1/score",
            json!("fellegiSunter"),
        ),
    ];
    for object in accepted {
        cluster.dry_run(&object).await?;
    }
    Ok(())
}

#[tokio::test]
async fn platforms_that_are_wrong_are_refused_with_the_reason() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let secrets = "exactly one of externalSecrets, existingSecret and generated must be set";
    let cases = [
        ("/spec/secrets", json!({}), secrets),
        (
            "/spec/secrets",
            json!({"generated": {}, "existingSecret": {"name": "a"}}),
            secrets,
        ),
        (
            "/spec/secrets",
            json!({"generated": {}}),
            "generated secrets need database.embedded",
        ),
        (
            "/spec/database",
            json!({}),
            "exactly one of external and embedded must be set",
        ),
        (
            "/spec/database",
            json!({"embedded": {}}),
            "database.embedded needs secrets.generated",
        ),
        (
            "/spec/storage",
            json!({}),
            "exactly one of volume and s3 must be set",
        ),
        (
            "/spec/storage",
            json!({"volume": {}}),
            "exactly one of claimName and size must be set",
        ),
        ("/spec/environment", json!("Staging"), "Unsupported value"),
        ("/spec/replicas", json!(0), "greater than or equal to 1"),
        (
            "/spec/projects",
            json!([{"slug": "Not A Slug"}]),
            "should match",
        ),
        (
            "/spec/projects",
            json!([{"slug": "a"}, {"slug": "a"}]),
            "duplicate",
        ),
    ];
    for (pointer, value, why) in cases {
        refused(&cluster, &with(PLATFORM, pointer, value), why).await;
    }
    let production = with(PLATFORM, "/spec/environment", json!("Production"));
    let generated = with(
        &with(&production, "/spec/secrets", json!({"generated": {}})),
        "/spec/database",
        json!({"embedded": {}}),
    );
    refused(
        &cluster,
        &generated,
        "generated secrets are for Development",
    )
    .await;
    refused(
        &cluster,
        &generated,
        "the embedded database is for Development",
    )
    .await;
    Ok(())
}

#[tokio::test]
async fn jobs_that_are_wrong_are_refused_with_the_reason() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let source = "exactly one of uri, upload, configMap and sql must be set";
    let method = "exactly one of exact, number, date and text must be set";
    let cases = [
        ("/spec/left/source", json!({}), source),
        (
            "/spec/left/source",
            json!({"uri": "a.csv", "configMap": {"name": "a", "key": "b"}}),
            source,
        ),
        (
            "/spec/left/source",
            json!({"uri": "a.csv"}),
            "a platform reads no local files",
        ),
        (
            "/spec/left/source",
            json!({"uri": "s3://bucket/a.csv"}),
            "no s3:// objects",
        ),
        (
            "/spec/right/source",
            json!({"sql": {"secretRef": {"name": "a", "key": "url"}, "query": "SELECT 1"}}),
            "queries run in the CLI only",
        ),
        ("/spec/model", json!({"uri": "m.json"}), "files of the CLI"),
        ("/spec/limits", json!({"memory": "lots"}), "should match"),
        (
            "/spec/passes/0/sum",
            json!({"column": "amount"}),
            "sum needs cardinality",
        ),
        (
            "/spec/passes/0",
            json!({"name": "split", "block": [["ccy"]], "sum": {"column": "amount"}}),
            "sum needs cardinality",
        ),
        (
            "/spec/passes/0",
            json!({"name": "split", "cardinality": "oneToMany", "sum": {"column": "amount"}}),
            "sum needs block",
        ),
        ("/spec/diff", json!([{"column": "status"}]), method),
        ("/spec/passes/1/margin", json!(2), "less than or equal to 1"),
        ("/spec/passes", json!([]), "at least 1 items"),
        ("/spec/passes/1/name", json!("exact"), "duplicate"),
        (
            "/spec/passes/1/review",
            json!(0.95),
            "review must not be above accept",
        ),
        (
            "/spec/passes/1/accept",
            json!(1.5),
            "less than or equal to 1",
        ),
        ("/spec/passes/1/accept", Value::Null, "need accept"),
        (
            "/spec/passes/0/accept",
            json!(0.5),
            "accept and review need score weighted",
        ),
        (
            "/spec/passes/0/compare/0",
            json!({"column": "amount"}),
            method,
        ),
        (
            "/spec/passes/0/compare/0",
            json!({"exact": {}}),
            "set column, or left and right",
        ),
        (
            "/spec/passes/1/compare/0/number",
            json!({}),
            "set abs, percent or both",
        ),
        (
            "/spec/passes/1/compare/0/number/abs",
            json!("a lot"),
            "should match",
        ),
        (
            "/spec/passes/1/compare/2/date/minDays",
            json!(9),
            "minDays must not be above maxDays",
        ),
        (
            "/spec/passes/1/compare/1/text/method",
            json!("soundslike"),
            "Unsupported value",
        ),
    ];
    for (pointer, value, why) in cases {
        refused(&cluster, &with(JOB, pointer, value), why).await;
    }
    Ok(())
}

#[tokio::test]
async fn the_platform_of_a_job_cannot_be_changed() -> Result<()> {
    let cluster = Cluster::connect().await?;
    let namespace = cluster.namespace("rules").await?;
    let job = with(JOB, "/metadata/namespace", json!(namespace));
    cluster.apply(&job).await?;
    let moved = with(&job, "/spec/platformRef/name", json!("other"));
    let error = cluster
        .apply(&moved)
        .await
        .expect_err("moved to another platform");
    assert!(
        format!("{error:#}").contains("platformRef is immutable"),
        "{error:#}"
    );
    cluster.delete_namespaces(&[&namespace]).await
}
