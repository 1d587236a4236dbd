//! Reads a [`MatchingSpec`] and finds every mistake at once, each with its path and its remedy.
//!
//! serde stops at the first mistake, and a JSON schema cannot say what spans several fields. So the
//! decoder walks the document by hand: each part is decoded on its own, a mistake is noted with its
//! path (`passes[0].compare[2].text.atLeast`) and the walk goes on.

mod comparison;
mod dataset;
mod fields;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::matching::{
    Comparison, Duplicates, Limits, MatchingSpec, Normalize, NormalizeStep, Nulls, Output, Pass,
    Score,
};
use comparison::comparison;
use dataset::dataset;
use fields::{Errors, Fields, count, leaf, list, number, text};

/// One mistake in a specification.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
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
    let value: Value = serde_yaml::from_str(text).map_err(|error| {
        vec![SpecError {
            path: String::new(),
            message: format!("this is not YAML: {error}"),
        }]
    })?;
    match value.get("kind").and_then(Value::as_str) {
        None => spec_from_value(&value),
        Some("ReconciliationJob") => {
            let mut errors = Errors::default();
            let spec = value.get("spec").cloned().unwrap_or(Value::Null);
            let decoded = decode_spec(&spec, "spec", OPERATOR_FIELDS, &mut errors);
            errors.into_result(decoded)
        }
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
    let left = fields.required("left", errors, dataset);
    let right = fields.required("right", errors, dataset);
    let normalize = fields.optional("normalize", errors, list(0, 64, normalize));
    let passes_path = fields.at("passes");
    let passes_value = fields.peek("passes");
    let passes = fields.required("passes", errors, list(1, 32, pass));
    unique_pass_names(passes_value, &passes_path, errors);
    let duplicates = fields.optional("duplicates", errors, duplicates);
    let limits = fields.optional("limits", errors, limits);
    let output = fields.optional("output", errors, output);
    fields.finish(errors);
    Some(MatchingSpec {
        left: left?,
        right: right?,
        normalize: normalize?.unwrap_or_default(),
        passes: passes?,
        duplicates: duplicates?,
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

fn pass(value: &Value, path: &str, errors: &mut Errors) -> Option<Pass> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(63));
    let block_path = fields.at("block");
    let block = fields.optional("block", errors, list(1, 16, list(1, 8, text(1024))));
    let compare = fields.required("compare", errors, list(1, 64, comparison));
    let score = fields.optional("score", errors, leaf::<Score>);
    let assign = fields.required("assign", errors, leaf);
    let accept_path = fields.at("accept");
    let accept = fields.optional("accept", errors, number(0.0, 1.0));
    let review_path = fields.at("review");
    let review = fields.optional("review", errors, number(0.0, 1.0));
    fields.finish(errors);

    if let (Some(score), Some(accept), Some(review)) = (score, accept, review) {
        match (score.unwrap_or_default(), accept, review) {
            (Score::All, None, None) | (Score::Weighted, Some(_), None) => {}
            (Score::All, accept, _) => errors.add(
                if accept.is_some() {
                    &accept_path
                } else {
                    &review_path
                },
                "needs score: weighted; under score all every comparison holds or the pair is none",
            ),
            (Score::Weighted, None, _) => {
                errors.add(
                    &accept_path,
                    "is required by score: weighted, a number from 0 to 1",
                );
            }
            (Score::Weighted, Some(accept), Some(review)) if review > accept => {
                errors.add(&review_path, format!("must not be above accept ({accept})"));
            }
            (Score::Weighted, Some(_), Some(_)) => {}
        }
    }
    if let (Some(None), Some(compare)) = (&block, &compare)
        && !compare
            .iter()
            .any(|comparison| blocks_by_itself(comparison, score.flatten()))
    {
        errors.add(
            &block_path,
            "is required here: without it every pair would be compared. Name expressions that \
             must be equal, such as [[\"ccy\", \"substr(memo, 1, 3)\"]]",
        );
    }
    Some(Pass {
        name: name?,
        block: block?,
        compare: compare?,
        score: score?,
        assign: assign?,
        accept: accept?,
        review: review?,
    })
}

/// Whether a pair can only match where this comparison's values are equal, so that they block.
fn blocks_by_itself(comparison: &Comparison, score: Option<Score>) -> bool {
    let must_hold = comparison.required || score.unwrap_or_default() == Score::All;
    comparison.exact.is_some()
        && must_hold
        && comparison.nulls.unwrap_or_default() == Nulls::default()
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

fn limits(value: &Value, path: &str, errors: &mut Errors) -> Option<Limits> {
    let mut fields = Fields::of(value, path, errors)?;
    let max_pairs = fields.optional("maxPairs", errors, count(1, 1_000_000_000_000));
    let max_edges = fields.optional("maxEdges", errors, count(1, 10_000_000_000));
    let max_rejected = fields.optional("maxRejected", errors, count(0, 1_000_000_000_000));
    fields.finish(errors);
    Some(Limits {
        max_pairs: max_pairs?,
        max_edges: max_edges?,
        max_rejected: max_rejected?,
    })
}

fn output(value: &Value, path: &str, errors: &mut Errors) -> Option<Output> {
    let mut fields = Fields::of(value, path, errors)?;
    let formats = fields.optional("formats", errors, list(0, 2, leaf));
    fields.finish(errors);
    Some(Output { formats: formats? })
}
