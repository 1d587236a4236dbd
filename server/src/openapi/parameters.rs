//! Parameters of paths and queries, and names of operations.

use serde_json::{Value, json};

/// A parameter of a query is there or not; it is never null.
pub(super) fn not_null(mut schema: Value) -> Value {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [kind] = &types[..] {
            schema["type"] = kind.clone();
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|option| option["type"] != "null");
        if let [option] = &options[..] {
            return option.clone();
        }
    }
    schema
}

/// `list_of_run` as `listOfRun`.
pub(super) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        text.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(characters.as_str());
    }
    text
}

/// What a part of a path is.
pub(super) fn path_parameter(name: &str, path: &str) -> (Value, &'static str) {
    let id = json!({"type": "string", "format": "uuid"});
    let text = json!({"type": "string", "minLength": 1});
    let label = json!({"type": "string", "minLength": 1, "maxLength": 63});
    match name {
        "project" => (label, "The project's id or slug"),
        "job" => (label, "The job's id or name"),
        "kind" => (
            json!({"type": "string", "enum": ["user", "namespace"]}),
            "Whether the member is a person or a namespace",
        ),
        "name" if path.contains("/members/") => (text, "The e-mail address or the namespace"),
        "name" | "file" => (text, "The file's name"),
        "group" => (text, "The group, as `groupId` of its pairs has it"),
        _ => (id, "The id"),
    }
}
