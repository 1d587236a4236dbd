use serde_json::json;

use super::*;

/// A job `daily` in `treasury` with this change to its spec.
pub fn job(change: impl FnOnce(&mut Value)) -> DynamicObject {
    let mut spec = json!({
        "platformRef": {"name": "main", "namespace": "recon"},
        "project": "treasury",
        "left": {"source": {"configMap": {"name": "data", "key": "l.csv"}}, "key": ["id"]},
        "right": {"source": {"configMap": {"name": "data", "key": "r.csv"}}, "key": ["id"]},
        "passes": [{
            "name": "exact",
            "assign": "greedy",
            "compare": [{"column": "ref", "exact": {}}],
        }],
    });
    change(&mut spec);
    serde_json::from_value(json!({
        "apiVersion": "reconciliation-platform.dev/v1alpha1",
        "kind": "ReconciliationJob",
        "metadata": {
            "name": "daily", "namespace": "treasury", "generation": 1,
            "uid": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        },
        "spec": spec,
    }))
    .unwrap()
}

#[test]
fn the_run_id_depends_on_the_matching_part_alone() {
    let id = |object: &DynamicObject| validate(object).unwrap().run_id;
    let before = id(&job(|_| ()));
    assert_eq!(before.to_string(), "7b009641-2f36-5da1-8bef-7c529f057b57");
    assert_eq!(id(&job(|spec| spec["project"] = json!("other"))), before);
    assert_ne!(
        id(&job(
            |spec| spec["passes"][0]["compare"][0]["column"] = json!("amount")
        )),
        before
    );
}

#[test]
fn the_platform_is_in_the_jobs_namespace_unless_named() {
    let object = job(|spec| spec["platformRef"] = json!({"name": "main"}));
    assert_eq!(validate(&object).unwrap().platform_text(), "treasury/main");
}

#[test]
fn every_mistake_comes_with_its_path_in_the_yaml() {
    let object = job(|spec| {
        spec["project"] = json!("");
        spec["passes"][0]["compare"] = json!([{"column": "ref"}]);
        spec["left"]["sorce"] = json!({});
    });
    let paths: Vec<String> = validate(&object)
        .unwrap_err()
        .into_iter()
        .map(|error| error.path)
        .collect();
    for path in ["spec.project", "spec.left", "spec.passes[0].compare[0]"] {
        assert!(
            paths.iter().any(|it| it.starts_with(path)),
            "{path} is not in {paths:?}"
        );
    }
}

#[test]
fn files_objects_queries_and_models_are_for_the_cli() {
    let object = job(|spec| {
        spec["left"]["source"] = json!({"uri": "s3://bucket/ledger.csv"});
        let secret = json!({"name": "a", "key": "url"});
        spec["right"]["source"] = json!({"sql": {"secretRef": secret, "query": "SELECT 1"}});
        spec["right"]["key"] = json!(["id"]);
        spec["model"] = json!({"uri": "model.json"});
    });
    let errors = validate(&object).unwrap_err();
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "spec.left.source.uri",
            "spec.right.source.sql",
            "spec.model"
        ]
    );
}

#[test]
fn a_path_of_the_apis_is_a_path_in_the_yaml() {
    let of = |path: &str| {
        in_spec(SpecError {
            path: path.into(),
            message: String::new(),
        })
        .path
    };
    assert_eq!(of("left.source.upload"), "spec.left.source.upload");
    assert_eq!(of(""), "spec");
}
