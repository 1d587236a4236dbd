//! Rules of the repository as code: which crate may depend on which.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The packages that a workspace member depends on, outside its tests.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .expect("cargo metadata");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let package = packages
        .iter()
        .find(|found| found["name"] == package)
        .expect("the package");
    package["dependencies"]
        .as_array()
        .expect("dependencies")
        .iter()
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
        .map(|dependency| dependency["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let forbidden = [
        (
            "crds",
            vec![
                "engine", "sources", "server", "operator", "cli", "kube", "axum", "sqlx", "tokio",
            ],
        ),
        (
            "engine",
            vec![
                "sources",
                "server",
                "operator",
                "cli",
                "kube",
                "k8s-openapi",
                "axum",
                "sqlx",
            ],
        ),
        ("server", vec!["operator", "cli", "kube", "k8s-openapi"]),
        (
            "operator",
            vec!["engine", "sources", "server", "cli", "sqlx", "datafusion"],
        ),
        (
            "sources",
            vec!["server", "operator", "cli", "kube", "k8s-openapi", "axum"],
        ),
        ("cli", vec!["server", "operator", "kube", "axum", "sqlx"]),
    ];
    for (package, names) in forbidden {
        let found = dependencies(package);
        for name in names {
            assert!(!found.contains(name), "{package} must not depend on {name}");
        }
    }
}
