//! Decodes what holds for a run as a whole.

use serde_json::Value;

use super::dataset::dataset;
use super::fields::{Errors, Fields, count, leaf, list, text};
use crate::matching::{Fx, Limits, Location, Memory, Model, Output};

pub(super) fn fx(value: &Value, path: &str, errors: &mut Errors) -> Option<Fx> {
    let mut fields = Fields::of(value, path, errors)?;
    let rates = fields.required("rates", errors, dataset);
    let base = fields.required("base", errors, text(16));
    let amount = fields.required("amount", errors, text(253));
    let currency = fields.required("currency", errors, text(253));
    let date = fields.required("date", errors, text(253));
    let missing = fields.optional("missing", errors, leaf);
    fields.finish(errors);
    Some(Fx {
        rates: rates?,
        base: base?,
        amount: amount?,
        currency: currency?,
        date: date?,
        missing: missing?,
    })
}

pub(super) fn model(value: &Value, path: &str, errors: &mut Errors) -> Option<Model> {
    let mut fields = Fields::of(value, path, errors)?;
    let uri_path = fields.at("uri");
    let uri = fields.required("uri", errors, text(4096));
    if let Some(uri) = &uri
        && !matches!(Location::of(uri), Ok(Location::File(_)))
    {
        errors.add(&uri_path, "must be the path of a file on this machine");
    }
    fields.finish(errors);
    Some(Model { uri: uri? })
}

pub(super) fn limits(value: &Value, path: &str, errors: &mut Errors) -> Option<Limits> {
    let mut fields = Fields::of(value, path, errors)?;
    let max_pairs = fields.optional("maxPairs", errors, count(1, 1_000_000_000_000));
    let max_edges = fields.optional("maxEdges", errors, count(1, 10_000_000_000));
    let max_rejected = fields.optional("maxRejected", errors, count(0, 1_000_000_000_000));
    let memory = fields.optional("memory", errors, memory);
    fields.finish(errors);
    Some(Limits {
        max_pairs: max_pairs?,
        max_edges: max_edges?,
        max_rejected: max_rejected?,
        memory: memory?,
    })
}

/// A quantity; a bare number counts bytes, as in Kubernetes.
fn memory(value: &Value, path: &str, errors: &mut Errors) -> Option<Memory> {
    match value {
        Value::Number(number) => leaf(&Value::String(number.to_string()), path, errors),
        _ => leaf(value, path, errors),
    }
}

pub(super) fn output(value: &Value, path: &str, errors: &mut Errors) -> Option<Output> {
    let mut fields = Fields::of(value, path, errors)?;
    let formats = fields.optional("formats", errors, list(0, 4, leaf));
    let pairs = fields.optional("pairs", errors, leaf);
    fields.finish(errors);
    Some(Output {
        formats: formats?,
        pairs: pairs?,
    })
}
