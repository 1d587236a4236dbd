//! The OpenAPI document: what it covers, that it is the committed one, and its viewer.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use reqwest::header::CONTENT_SECURITY_POLICY;
use serde_json::Value;
use sqlx::PgPool;
use std::collections::BTreeSet;
use std::path::Path;
use support::{Server, assert_problem, json_of};

mod support;

const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch"];

fn document() -> Value {
    serde_json::from_str(server::openapi::text().unwrap()).unwrap()
}

/// Each operation with the name that routes have, such as `GET /livez`.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, operation)| {
            assert!(METHODS.contains(&method.as_str()), "{method} of {path}");
            (format!("{} {path}", method.to_uppercase()), operation)
        })
    });
    operations.collect()
}

/// A part of the document, also where it only refers to another part.
fn resolved<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let Some(reference) = part["$ref"].as_str() else {
        return part;
    };
    let pointer = reference.strip_prefix('#').unwrap();
    document
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{reference} refers to nothing"))
}

fn visit(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| visit(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, look)),
        _ => {}
    }
}

#[test]
fn the_committed_document_is_generated_from_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == server::openapi::text().unwrap(),
        "docs/openapi.json is out of date: run `make generate`"
    );
}

#[test]
fn the_operations_are_the_routes() {
    let document = document();
    let named: BTreeSet<String> = operations(&document).into_iter().map(|it| it.0).collect();
    let routes = server::router::routes();
    let routes: BTreeSet<String> = routes
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(named, routes);
}

#[test]
fn every_operation_says_what_it_does_and_how_it_may_fail() {
    let document = document();
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    for (name, operation) in operations(&document) {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{name}"
        );
        let mut expect = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{name}: {what}"));
            }
        };
        let has = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
        expect(has(&operation["summary"]), "no summary");
        let tag = document["tags"].as_array().unwrap().iter();
        let known = tag
            .map(|tag| &tag["name"])
            .any(|it| *it == operation["tags"][0]);
        expect(known, "its tag is not described");
        let responses = operation["responses"].as_object().unwrap();
        let success = responses.keys().any(|status| status.starts_with('2'));
        expect(success, "no success");
        let is_public = operation["security"].is_null();
        expect(
            is_public || responses.contains_key("401") && responses.contains_key("403"),
            "a caller is needed, and nobody is refused",
        );
        for (status, response) in responses {
            let response = resolved(&document, response);
            expect(has(&response["description"]), "no description");
            expect(
                response["headers"]["X-Request-Id"].is_object(),
                "no X-Request-Id",
            );
            let is_error = status.starts_with('4') || status.starts_with('5');
            let problem = &response["content"]["application/problem+json"]["schema"];
            let names = problem["properties"]["type"]["enum"].as_array();
            expect(
                is_error == names.is_some(),
                &format!("{status} and no problem"),
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            expect(
                has(&parameter["description"]),
                "a parameter without a description",
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn parameters_of_paths_are_those_of_the_templates() {
    let document = document();
    for (name, operation) in operations(&document) {
        let in_template: Vec<&str> = name
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let described: Vec<&str> = parameters
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(described, in_template, "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_field_is_described() {
    let document = document();
    visit(&document, &mut |object| {
        if let Some(Value::String(_)) = object.get("$ref") {
            resolved(&document, &Value::Object(object.clone()));
        }
        assert!(object.keys().all(|name| !name.starts_with("x-kubernetes")));
    });
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].is_string() || schema["$ref"].is_string();
            assert!(described, "{name}.{field} has no description");
        }
    }
}

#[test]
fn a_run_and_a_job_take_the_matching_language_as_the_crd_has_it() {
    let document = document();
    let of = |name: &str| &document["components"]["schemas"][name];
    for request in ["NewRun", "NewJob"] {
        let spec = &of(request)["properties"]["spec"];
        assert_eq!(spec["$ref"], "#/components/schemas/MatchingSpec");
    }
    let fields = |schema: &Value| -> BTreeSet<String> {
        schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let crd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/reconciliationjobs.yaml");
    let crd = std::fs::read_to_string(crd).unwrap();
    let in_api = fields(of("MatchingSpec"));
    assert!(in_api.contains("passes"));
    for field in &in_api {
        assert!(
            crd.contains(&format!("\n              {field}:")),
            "{field}"
        );
    }
    assert_eq!(of("MatchingSpec")["additionalProperties"], false);
}

#[sqlx::test]
async fn the_server_and_the_program_give_the_committed_document(db: PgPool) {
    let server = Server::start(db.clone()).await;
    let response = server.get("/api/openapi.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(json_of(response).await, document());
    support::program(&db, &server.directory)
        .arg("openapi")
        .assert()
        .success()
        .stdout(server::openapi::text().unwrap());
}

#[sqlx::test]
async fn the_viewer_needs_no_other_host_and_no_inline_code(db: PgPool) {
    let server = Server::start(db).await;
    let page = server.get("/api/docs").send().await.unwrap();
    let policy = page.headers()[CONTENT_SECURITY_POLICY]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.starts_with("default-src 'none'; "));
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    let page = page.text().await.unwrap();
    assert!(!page.contains("://") && !page.contains("style=") && !page.contains("<script>"));
    let mut files: Vec<&str> = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        let values = page.split(attribute).skip(1);
        files.extend(values.map(|rest| rest.split('"').next().unwrap()));
    }
    files.retain(|file| *file != "data:,");
    assert_eq!(files.len(), 3);
    for file in files {
        let response = server.get(&format!("/api/{file}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{file}");
        assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], policy);
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let expected = if file.contains("css") {
            "text/css"
        } else {
            "text/javascript"
        };
        assert!(kind.starts_with(expected), "{file}: {kind}");
        assert!(!response.text().await.unwrap().is_empty(), "{file}");
    }
    let other = server.get("/api/docs/index.js").send().await.unwrap();
    assert_problem(other, 404, "not-found").await;
}
