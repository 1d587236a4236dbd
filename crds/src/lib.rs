//! The user-facing types of Reconciliation Platform.
//!
//! [`matching`] is the one language in which a reconciliation is described: in a
//! `ReconciliationJob` on Kubernetes, in a request to the API and in a file for the CLI. It needs
//! serde and schemars only. [`platform`], [`job`] and [`condition`] are the custom resources and
//! exist with the feature `kube`; the YAML beside this crate is generated from them.

pub mod decode;
pub mod matching;
mod reference;

pub use reference::matching_reference;

#[cfg(feature = "kube")]
pub mod condition;
#[cfg(feature = "kube")]
pub mod job;
#[cfg(feature = "kube")]
pub mod platform;

/// The API group of both custom resources.
pub const GROUP: &str = "reconciliation-platform.dev";
/// The served version of both custom resources.
pub const VERSION: &str = "v1alpha1";

/// The generated files: the name of each, in `crds/` and in the chart, and its YAML.
///
/// # Panics
/// When a CRD cannot be written as YAML, which a test excludes.
#[cfg(feature = "kube")]
#[must_use]
#[expect(clippy::expect_used, reason = "the types are static; a test runs this")]
pub fn generated_files() -> Vec<(&'static str, String)> {
    use kube::CustomResourceExt;
    let note = "# Generated from the crate `crds` by `make generate`. Do not edit.\n";
    [
        (
            "reconciliationplatforms.yaml",
            platform::ReconciliationPlatform::crd(),
        ),
        ("reconciliationjobs.yaml", job::ReconciliationJob::crd()),
    ]
    .into_iter()
    .map(|(name, mut crd)| {
        // Helm must never delete a CRD: every platform and job would go with it.
        crd.metadata.annotations = Some(std::collections::BTreeMap::from([(
            "helm.sh/resource-policy".into(),
            "keep".into(),
        )]));
        let mut crd = serde_json::to_value(crd).expect("a CRD is JSON");
        unwrap_descriptions(&mut crd);
        let yaml = serde_yaml::to_string(&crd).expect("a CRD is YAML");
        (name, format!("{note}{yaml}"))
    })
    .collect()
}

/// Joins the lines of each paragraph: a doc comment is broken where the source is, and
/// `kubectl explain` breaks lines itself.
#[cfg(feature = "kube")]
fn unwrap_descriptions(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for (name, value) in map {
                match value {
                    serde_json::Value::String(text) if name == "description" => {
                        let paragraphs = text.split("\n\n").map(|text| text.replace('\n', " "));
                        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                    }
                    value => unwrap_descriptions(value),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(unwrap_descriptions),
        _ => {}
    }
}
