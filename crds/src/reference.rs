//! The reference page of the matching language, made from the types' schemas and descriptions.

use std::collections::BTreeSet;
use std::fmt::Write;

use schemars::schema_for;
use serde_json::{Map, Value};

use crate::matching::MatchingSpec;

const INTRODUCTION: &str = "\
# The matching language

One language describes a reconciliation everywhere: in the `spec` of a `ReconciliationJob`, in the \
`spec` of a run request to the API and in a file for `reconcile run`. This page is generated from \
the types by `make generate`; `kubectl explain rjob.spec` says the same.

A field marked * is required. A mistake is reported with its path, as in `passes[0].compare[2]`, \
and all mistakes at once.
";

/// The page, as Markdown: a section for each mapping and each set of words, in the order in which
/// a reader meets them.
#[must_use]
pub fn matching_reference() -> String {
    let schema = schema_for!(MatchingSpec);
    let root = schema.as_value();
    let definitions = root["$defs"].as_object().cloned().unwrap_or_default();
    let mut page = String::from(INTRODUCTION);
    let mut seen = BTreeSet::new();
    let mut open = vec![("MatchingSpec".to_owned(), root.clone())];
    while let Some((name, schema)) = open.pop() {
        section(&mut page, &name, &schema);
        let mut next = Vec::new();
        referenced(&schema["properties"], &mut next);
        // Depth first, in the order of the fields, so that a part follows what it is part of.
        for name in next.into_iter().rev() {
            if seen.insert(name.clone())
                && let Some(schema) = definitions.get(&name)
            {
                open.push((name, schema.clone()));
            }
        }
    }
    page
}

/// The names of the definitions that a schema refers to, in the order of the schema.
fn referenced(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(name) = reference(map) {
                found.push(name);
            }
            for value in map.values() {
                referenced(value, found);
            }
        }
        Value::Array(values) => {
            for value in values {
                referenced(value, found);
            }
        }
        _ => {}
    }
}

fn reference(map: &Map<String, Value>) -> Option<String> {
    let path = map.get("$ref")?.as_str()?;
    Some(path.rsplit('/').next()?.to_owned())
}

fn section(page: &mut String, name: &str, schema: &Value) {
    let title = if name == "MatchingSpec" {
        "The whole"
    } else {
        name
    };
    let _ = write!(page, "\n## {title}\n\n{}\n", prose(&schema["description"]));
    if let Some(words) = schema["oneOf"].as_array() {
        page.push_str("\n| word | meaning |\n|---|---|\n");
        for word in words {
            let value = word["const"].as_str().unwrap_or_default();
            let _ = writeln!(page, "| `{value}` | {} |", cell(&word["description"]));
        }
    }
    if let Some(fields) = schema["properties"].as_object()
        && !fields.is_empty()
    {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        page.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        for (field, schema) in fields {
            let star = if required.contains(&field.as_str()) {
                "*"
            } else {
                ""
            };
            let _ = writeln!(
                page,
                "| `{field}`{star} | {} | {} |",
                type_of(schema),
                cell(&schema["description"])
            );
        }
    }
    let rules = schema["x-kubernetes-validations"].as_array();
    if let Some(rules) = rules.filter(|rules| !rules.is_empty()) {
        page.push_str("\nRules:\n\n");
        for rule in rules {
            let _ = writeln!(page, "- {}", rule["message"].as_str().unwrap_or_default());
        }
    }
}

/// A schema's type in words, linked to its section where it has one.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema.as_object().and_then(reference) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let named = choices.iter().find(|choice| choice["type"] != "null");
        return named.map_or_else(String::new, type_of);
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null"),
        kind => Some(kind),
    };
    let bounds = bounds(schema);
    match kind.and_then(Value::as_str) {
        Some("array") => format!("list of {}", type_of(&schema["items"])),
        Some("string") if schema["pattern"].is_string() => {
            let pattern = schema["pattern"].as_str().unwrap_or_default();
            format!("text like `{}`", pattern.replace('|', "\\|"))
        }
        Some("string") => "text".into(),
        Some("integer") => format!("whole number{bounds}"),
        Some("number") => format!("number{bounds}"),
        Some("boolean") => "true or false".into(),
        Some(other) => other.into(),
        None => String::new(),
    }
}

fn bounds(schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!(" from {least} to {most}"),
        (Value::Number(least), _) => format!(" from {least}"),
        _ => String::new(),
    }
}

fn prose(text: &Value) -> String {
    text.as_str().unwrap_or_default().to_owned()
}

fn cell(text: &Value) -> String {
    let words = prose(text);
    words
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
