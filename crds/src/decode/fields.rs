//! What every part of the decoder is made of: a list of mistakes, the fields of one mapping, and
//! single values.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::SpecError;
use crate::matching::Bound;

#[derive(Default)]
pub(super) struct Errors(Vec<SpecError>);

impl Errors {
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(SpecError {
            path: path.into(),
            message: message.into(),
        });
    }

    pub(super) fn into_result<T>(self, decoded: Option<T>) -> Result<T, Vec<SpecError>> {
        match decoded {
            Some(value) if self.0.is_empty() => Ok(value),
            _ if self.0.is_empty() => Err(vec![SpecError {
                path: String::new(),
                message: "the specification could not be read".into(),
            }]),
            _ => Err(self.0),
        }
    }
}

/// The fields of one mapping of the document, taken out one by one; what is left is unknown.
pub(super) struct Fields<'v> {
    map: BTreeMap<&'v str, &'v Value>,
    known: Vec<&'static str>,
    path: String,
}

impl<'v> Fields<'v> {
    pub(super) fn of(value: &'v Value, path: &str, errors: &mut Errors) -> Option<Self> {
        let Value::Object(map) = value else {
            errors.add(path, format!("must be a mapping, not {}", kind_of(value)));
            return None;
        };
        Some(Self {
            map: entries(map),
            known: Vec::new(),
            path: path.into(),
        })
    }

    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// The raw value, left where it is; an explicit null counts as absent.
    pub(super) fn peek(&self, name: &str) -> Option<&'v Value> {
        self.map.get(name).copied().filter(|value| !value.is_null())
    }

    /// The names of the fields that were not taken.
    pub(super) fn names(&self) -> impl Iterator<Item = &'v str> {
        self.map.keys().copied()
    }

    /// Takes the raw value; an explicit null counts as absent, as in Kubernetes.
    pub(super) fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        errors: &mut Errors,
        decode: impl FnOnce(&Value, &str, &mut Errors) -> Option<T>,
    ) -> Option<T> {
        let path = self.at(name);
        if let Some(value) = self.take(name) {
            decode(value, &path, errors)
        } else {
            errors.add(&path, "is required");
            None
        }
    }

    /// `Some(None)` where the field is absent, `None` where it is wrong.
    #[expect(clippy::option_option, reason = "absent and wrong must stay apart")]
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        errors: &mut Errors,
        decode: impl FnOnce(&Value, &str, &mut Errors) -> Option<T>,
    ) -> Option<Option<T>> {
        let path = self.at(name);
        match self.take(name) {
            Some(value) => decode(value, &path, errors).map(Some),
            None => Some(None),
        }
    }

    pub(super) fn finish(self, errors: &mut Errors) {
        for name in self.map.keys() {
            errors.add(
                &self.at(name),
                format!(
                    "is not a field here; the fields are {}",
                    self.known.join(", ")
                ),
            );
        }
    }
}

fn entries(map: &Map<String, Value>) -> BTreeMap<&str, &Value> {
    map.iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// A value that serde can read and that holds no further structure.
pub(super) fn leaf<T: DeserializeOwned>(
    value: &Value,
    path: &str,
    errors: &mut Errors,
) -> Option<T> {
    match serde_json::from_value(value.clone()) {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            errors.add(path, error.to_string());
            None
        }
    }
}

pub(super) fn text(max: usize) -> impl Fn(&Value, &str, &mut Errors) -> Option<String> {
    move |value, path, errors| {
        let Value::String(text) = value else {
            errors.add(
                path,
                format!("must be a text, not {}; put it in quotes", kind_of(value)),
            );
            return None;
        };
        if text.is_empty() || text.chars().count() > max {
            errors.add(path, format!("must have 1 to {max} characters"));
            return None;
        }
        Some(text.clone())
    }
}

pub(super) fn bound(value: &Value, path: &str, errors: &mut Errors) -> Option<Bound> {
    if let Value::Number(number) = value {
        errors.add(
            path,
            format!("must be a text, so that it stays exact: write \"{number}\""),
        );
        return None;
    }
    leaf(value, path, errors)
}

pub(super) fn number(
    minimum: f64,
    maximum: f64,
) -> impl Fn(&Value, &str, &mut Errors) -> Option<f64> {
    move |value, path, errors| {
        let Some(number) = value.as_f64() else {
            errors.add(path, format!("must be a number, not {}", kind_of(value)));
            return None;
        };
        if !(minimum..=maximum).contains(&number) {
            errors.add(
                path,
                format!("must be between {minimum} and {maximum}, not {number}"),
            );
            return None;
        }
        Some(number)
    }
}

pub(super) fn count(
    minimum: u64,
    maximum: u64,
) -> impl Fn(&Value, &str, &mut Errors) -> Option<u64> {
    move |value, path, errors| match value.as_u64() {
        Some(number) if (minimum..=maximum).contains(&number) => Some(number),
        _ => {
            errors.add(
                path,
                format!("must be a whole number from {minimum} to {maximum}"),
            );
            None
        }
    }
}

pub(super) fn list<T>(
    min: usize,
    max: usize,
    item: impl Fn(&Value, &str, &mut Errors) -> Option<T>,
) -> impl Fn(&Value, &str, &mut Errors) -> Option<Vec<T>> {
    move |value, path, errors| {
        let Value::Array(values) = value else {
            errors.add(path, format!("must be a list, not {}", kind_of(value)));
            return None;
        };
        if values.len() < min || values.len() > max {
            errors.add(
                path,
                format!("must have {min} to {max} entries, not {}", values.len()),
            );
        }
        let decoded: Vec<Option<T>> = values
            .iter()
            .take(max)
            .enumerate()
            .map(|(index, value)| item(value, &format!("{path}[{index}]"), errors))
            .collect();
        decoded.into_iter().collect()
    }
}
