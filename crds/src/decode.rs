//! Reads a [`MatchingSpec`] and finds every mistake at once, each with its path and its remedy.
//!
//! serde stops at the first mistake, and a JSON schema cannot say what spans several fields. So the
//! decoder walks the document by hand: each part is decoded on its own, a mistake is noted with its
//! path (`passes[0].compare[2].text.atLeast`) and the walk goes on.

mod comparison;
mod dataset;
mod fields;
mod pass;
mod rest;
mod run;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::matching::{Duplicates, MatchingSpec, Normalize, NormalizeStep};
use comparison::difference;
use dataset::side;
use fields::{Errors, Fields, leaf, list, text};
use pass::pass;
pub use rest::{Rest, rest_of};
use run::{fx, limits, model, output};

/// One mistake in a specification.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct SpecError {
    /// Where, as in `passes[0].compare[0]`; empty for the document as a whole.
    pub path: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Reads a specification from YAML (or JSON, which YAML contains): either the bare language, or a
/// whole `ReconciliationJob` whose `spec` holds it among the fields for the operator.
///
/// # Errors
/// Every mistake of the document, in the order of the document; paths of a whole
/// `ReconciliationJob` start with `spec.`.
pub fn spec_from_yaml(text: &str) -> Result<MatchingSpec, Vec<SpecError>> {
    let value = document(text)?;
    let mut errors = Errors::default();
    let decoded = match matching_part(&value)? {
        Part::Whole(value) => decode_spec(value, "", &[], &mut errors),
        Part::Spec(value) => decode_spec(value, "spec", OPERATOR_FIELDS, &mut errors),
    };
    errors.into_result(decoded)
}

/// [`rest_of`] for the text and the mistakes of [`spec_from_yaml`]; of a whole `ReconciliationJob`
/// it is the rest of its `spec`, and paths start there.
#[must_use]
pub fn rest_of_yaml(text: &str, errors: &[SpecError]) -> Option<Rest> {
    let value = document(text).ok()?;
    match matching_part(&value).ok()? {
        Part::Whole(value) => rest_of(value, errors),
        Part::Spec(spec) => {
            let mut spec = spec.clone();
            let fields = spec.as_object_mut()?;
            fields.retain(|name, _| !OPERATOR_FIELDS.contains(&name.as_str()));
            let within = errors.iter().map(|error| SpecError {
                path: error.path.trim_start_matches("spec.").into(),
                message: String::new(),
            });
            rest_of(&spec, &within.collect::<Vec<_>>())
        }
    }
}

/// Where the matching part of a document stands.
enum Part<'v> {
    Whole(&'v Value),
    Spec(&'v Value),
}

fn document(text: &str) -> Result<Value, Vec<SpecError>> {
    yaml::value(text).map_err(|error| {
        vec![SpecError {
            path: String::new(),
            message: format!("this is not YAML: {error}"),
        }]
    })
}

fn matching_part(value: &Value) -> Result<Part<'_>, Vec<SpecError>> {
    match value.get("kind").and_then(Value::as_str) {
        None => Ok(Part::Whole(value)),
        Some("ReconciliationJob") => Ok(Part::Spec(value.get("spec").unwrap_or(&Value::Null))),
        Some(other) => Err(vec![SpecError {
            path: "kind".into(),
            message: format!("`{other}` is no job; a job is a ReconciliationJob or the bare spec"),
        }]),
    }
}

/// Reads a specification that was already parsed, as the API does.
///
/// # Errors
/// Every mistake of the document, in the order of the document.
pub fn spec_from_value(value: &Value) -> Result<MatchingSpec, Vec<SpecError>> {
    let mut errors = Errors::default();
    let decoded = decode_spec(value, "", &[], &mut errors);
    errors.into_result(decoded)
}

/// What belongs to the CLI alone in a specification: local files, `s3://` objects, queries and models. A platform
/// refuses it, with the paths that this returns. It looks at the document as it is, so that these
/// mistakes are told beside those of [`spec_from_value`].
#[must_use]
pub fn for_the_cli_only(value: &Value) -> Vec<SpecError> {
    const INSTEAD: &str = "use upload or configMap";
    let sources = ["/left/source", "/right/source", "/fx/rates/source"];
    let kinds = [("uri", "local files and s3:// objects"), ("sql", "queries")];
    let mut errors = Vec::new();
    for source in sources {
        for (kind, what) in kinds {
            if value
                .pointer(&format!("{source}/{kind}"))
                .is_some_and(|found| !found.is_null())
            {
                errors.push(SpecError {
                    path: format!("{}.{kind}", source[1..].replace('/', ".")),
                    message: format!("{what} are for the CLI; {INSTEAD}"),
                });
            }
        }
    }
    if value.get("model").is_some_and(|found| !found.is_null()) {
        errors.push(SpecError {
            path: "model".into(),
            message: "models are files of the CLI; leave it out, and the run trains its own".into(),
        });
    }
    errors
}

/// Fields of a `ReconciliationJob`'s spec that are the operator's and not the language's.
const OPERATOR_FIELDS: &[&str] = &["platformRef", "project"];

fn decode_spec(
    value: &Value,
    path: &str,
    ignored: &[&'static str],
    errors: &mut Errors,
) -> Option<MatchingSpec> {
    let mut fields = Fields::of(value, path, errors)?;
    for name in ignored {
        fields.take(name);
    }
    let left = fields.required("left", errors, side);
    let right = fields.required("right", errors, side);
    let normalize = fields.optional("normalize", errors, list(0, 64, normalize));
    let passes_path = fields.at("passes");
    let passes_value = fields.peek("passes");
    let passes = fields.required("passes", errors, list(1, 32, pass));
    unique_pass_names(passes_value, &passes_path, errors);
    let diff = fields.optional("diff", errors, list(0, 512, difference));
    let duplicates = fields.optional("duplicates", errors, duplicates);
    let fx = fields.optional("fx", errors, fx);
    let model = fields.optional("model", errors, model);
    let limits = fields.optional("limits", errors, limits);
    let output = fields.optional("output", errors, output);
    fields.finish(errors);
    Some(MatchingSpec {
        left: left?,
        right: right?,
        normalize: normalize?.unwrap_or_default(),
        passes: passes?,
        diff: diff?.unwrap_or_default(),
        duplicates: duplicates?,
        fx: fx?,
        model: model?,
        limits: limits?,
        output: output?,
    })
}

/// Names are compared before the passes are decoded, so that a pass with another mistake counts.
fn unique_pass_names(passes: Option<&Value>, path: &str, errors: &mut Errors) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, pass) in passes
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let Some(name) = pass.get("name").and_then(Value::as_str) else {
            continue;
        };
        match first.get(name) {
            Some(earlier) => errors.add(
                &format!("{path}[{index}].name"),
                format!("`{name}` is already the name of {path}[{earlier}]; names are unique"),
            ),
            None => {
                first.insert(name, index);
            }
        }
    }
}

fn normalize(value: &Value, path: &str, errors: &mut Errors) -> Option<Normalize> {
    let mut fields = Fields::of(value, path, errors)?;
    let column = fields.required("column", errors, text(253));
    let steps = fields.required("steps", errors, list(1, 16, leaf::<NormalizeStep>));
    fields.finish(errors);
    Some(Normalize {
        column: column?,
        steps: steps?,
    })
}

fn duplicates(value: &Value, path: &str, errors: &mut Errors) -> Option<Duplicates> {
    let mut fields = Fields::of(value, path, errors)?;
    let left = fields.optional("left", errors, leaf);
    let right = fields.optional("right", errors, leaf);
    fields.finish(errors);
    Some(Duplicates {
        left: left?,
        right: right?,
    })
}
