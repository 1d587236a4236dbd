//! The CRD YAML beside this crate is what the types say.
#![cfg(feature = "kube")]

use std::{fs, path::Path};

/// Above this a client-side `kubectl apply` cannot keep the last-applied annotation.
const LARGEST_CRD: usize = 256 * 1024;

#[test]
fn the_crd_yaml_is_generated_from_the_types() {
    for (name, yaml) in crds::generated_files() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == yaml,
            "crds/{name} is out of date: run `make generate`"
        );
    }
}

#[test]
fn the_reference_page_is_generated_from_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/matching.md");
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == crds::matching_reference(),
        "docs/matching.md is out of date: run `make generate`"
    );
}

#[test]
fn each_crd_is_small_enough_for_a_client_side_apply() {
    for (name, yaml) in crds::generated_files() {
        assert!(
            yaml.len() < LARGEST_CRD,
            "crds/{name} has {} bytes",
            yaml.len()
        );
    }
}

#[test]
fn every_field_is_documented_and_none_has_a_default_that_would_show_as_drift() {
    fn walk(schema: &serde_json::Value, path: &str) {
        if let Some(properties) = schema.get("properties").and_then(|value| value.as_object()) {
            for (name, property) in properties {
                let path = format!("{path}.{name}");
                let described = property.get("description").is_some();
                assert!(
                    described || path.contains("resources"),
                    "{path} has no description"
                );
                assert!(
                    property.get("default").is_none(),
                    "{path} has a default in the schema"
                );
                walk(property, &path);
            }
        }
        if let Some(items) = schema.get("items") {
            walk(items, path);
        }
    }
    for (name, yaml) in crds::generated_files() {
        let crd: serde_json::Value = serde_yaml::from_str(&yaml).expect("YAML");
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        assert!(
            schema["properties"]["spec"].is_object(),
            "{name} has no spec"
        );
        walk(&schema["properties"]["spec"], "spec");
        walk(&schema["properties"]["status"], "status");
    }
}
