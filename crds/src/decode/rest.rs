//! What of a wrong document can be checked all the same, so that a mistake in one place does not
//! hide those of expressions and columns in another.

use serde_json::{Map, Value, json};

use super::{SpecError, spec_from_value};
use crate::matching::MatchingSpec;

/// A wrong document, with stand-ins for what is wrong in it.
pub struct Rest {
    /// The document, as far as it could be read. Not for running.
    pub spec: MatchingSpec,
    replaced: Vec<String>,
}

impl Rest {
    /// Whether a mistake that was found in `spec` is the document's own and not a stand-in's.
    #[must_use]
    pub fn is_of_the_document(&self, error: &SpecError) -> bool {
        !self.replaced.iter().any(|path| {
            error
                .path
                .strip_prefix(path.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }
}

/// Puts stand-ins where the document is wrong; `None` where so little is left that nothing can be
/// said about it.
///
/// `errors` are those of [`spec_from_value`] for the same value.
#[must_use]
pub fn rest_of(value: &Value, errors: &[SpecError]) -> Option<Rest> {
    let mut value = value.clone();
    let mut replaced: Vec<String> = errors.iter().map(|error| error.path.clone()).collect();
    for error in errors {
        stand_in(value.as_object_mut()?, &steps(&error.path), &mut replaced)?;
    }
    let spec = spec_from_value(&value).ok()?;
    Some(Rest { spec, replaced })
}

/// `passes[0].compare[1]` as `passes`, `0`, `compare`, `1`.
fn steps(path: &str) -> Vec<&str> {
    path.split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .collect()
}

fn stand_in(
    document: &mut Map<String, Value>,
    steps: &[&str],
    replaced: &mut Vec<String>,
) -> Option<()> {
    match steps {
        ["passes", index, of_pass @ ..] => {
            let pass = document
                .get_mut("passes")?
                .get_mut(index.parse::<usize>().ok()?)?
                .as_object_mut()?;
            pass_stand_in(pass, index, of_pass, replaced)
        }
        [side @ ("left" | "right"), of_side @ ..] => {
            let dataset = document.entry(*side).or_insert(Value::Null);
            if !dataset.is_object() {
                *dataset = json!({});
            }
            side_stand_in(dataset.as_object_mut()?, side, of_side, replaced);
            Some(())
        }
        [field, ..] if *field != "passes" => {
            document.remove(*field);
            replaced.push((*field).into());
            Some(())
        }
        _ => None,
    }
}

fn pass_stand_in(
    pass: &mut Map<String, Value>,
    index: &str,
    steps: &[&str],
    replaced: &mut Vec<String>,
) -> Option<()> {
    let comparison = || json!({"column": "stand-in", "exact": {}});
    let (field, of_field) = steps.split_first()?;
    let path = format!("passes[{index}].{field}");
    match (*field, of_field) {
        ("name", _) => {
            pass.insert("name".into(), format!("stand-in {index}").into());
        }
        ("block", _) => {
            pass.insert("block".into(), json!([["stand_in"]]));
        }
        ("compare", [at, ..]) => {
            *pass
                .get_mut("compare")?
                .get_mut(at.parse::<usize>().ok()?)? = comparison();
            replaced.push(format!("{path}[{at}]"));
            return Some(());
        }
        ("compare", []) => {
            pass.insert("compare".into(), json!([comparison()]));
        }
        // What the fields of a pass say together: its blocks and comparisons alone are left.
        _ => {
            let names = ["name", "block", "compare"];
            pass.retain(|name, _| names.contains(&name.as_str()));
            if !pass.contains_key("block") {
                replaced.push(format!("passes[{index}].block"));
            }
            if !pass.contains_key("compare") {
                pass.insert("compare".into(), json!([comparison()]));
                replaced.push(format!("passes[{index}].compare"));
            }
        }
    }
    replaced.push(path);
    Some(())
}

fn side_stand_in(
    dataset: &mut Map<String, Value>,
    side: &str,
    steps: &[&str],
    replaced: &mut Vec<String>,
) {
    let field = steps.first().copied().unwrap_or("source");
    dataset.remove(field);
    replaced.push(format!("{side}.{field}"));
    if ["source", "format", "columns"].contains(&field) {
        // Of an upload without a format nothing is known: not its format, nor its columns' types.
        for name in ["format", "options", "columns"] {
            dataset.remove(name);
            replaced.push(format!("{side}.{name}"));
        }
        let upload = json!({"upload": {"id": "00000000-0000-0000-0000-000000000000"}});
        dataset.insert("source".into(), upload);
        replaced.push(format!("{side}.source"));
    }
}
