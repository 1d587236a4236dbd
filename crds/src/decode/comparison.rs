//! Decodes one comparison.

use serde_json::Value;

use super::fields::{Errors, Fields, bound, leaf, list, number, text};
use crate::matching::{Comparison, DateWindow, Difference, Exact, NumberBound, TextSimilarity};

/// Exactly one method and one way of naming the columns.
fn columns_and_method(fields: &Fields<'_>, path: &str, errors: &mut Errors) {
    let present = |fields: &Fields<'_>, names: &[&str]| {
        names
            .iter()
            .filter(|name| fields.peek(name).is_some())
            .count()
    };
    let methods = present(fields, &["exact", "number", "date", "text"]);
    let sides = (
        present(fields, &["column"]),
        present(fields, &["left", "right"]),
    );
    if methods != 1 {
        errors.add(
            path,
            format!("exactly one of exact, number, date and text must be set, not {methods}"),
        );
    }
    if sides != (1, 0) && sides != (0, 2) {
        errors.add(
            path,
            "set column, or both left and right where the names differ",
        );
    }
}

pub(super) fn comparison(value: &Value, path: &str, errors: &mut Errors) -> Option<Comparison> {
    let mut fields = Fields::of(value, path, errors)?;
    columns_and_method(&fields, path, errors);
    let column = fields.optional("column", errors, text(253));
    let left = fields.optional("left", errors, text(253));
    let right = fields.optional("right", errors, text(253));
    let exact = fields.optional("exact", errors, exact);
    let number_bound = fields.optional("number", errors, number_bound);
    let date = fields.optional("date", errors, date_window);
    let similarity = fields.optional("text", errors, text_similarity);
    let weight_path = fields.at("weight");
    let weight = fields.optional("weight", errors, number(0.0, 1e6));
    if weight == Some(Some(0.0)) {
        errors.add(
            &weight_path,
            "must be over 0; leave the comparison out instead",
        );
    }
    let required = fields.optional("required", errors, leaf);
    let nulls = fields.optional("nulls", errors, leaf);
    let levels_path = fields.at("levels");
    let levels = fields.optional("levels", errors, list(1, 8, number(0.0, 1.0)));
    fields.finish(errors);
    if let Some(Some(levels)) = &levels
        && (levels.contains(&0.0) || !levels.is_sorted_by(|a, b| a > b))
    {
        errors.add(
            &levels_path,
            "must fall from the highest similarity to the lowest, each over 0, such as [0.95, 0.85]",
        );
    }
    Some(Comparison {
        column: column?,
        left: left?,
        right: right?,
        exact: exact?,
        number: number_bound?,
        date: date?,
        text: similarity?,
        weight: weight?,
        required: required?.unwrap_or_default(),
        nulls: nulls?,
        levels: levels?.unwrap_or_default(),
    })
}

pub(super) fn difference(value: &Value, path: &str, errors: &mut Errors) -> Option<Difference> {
    let mut fields = Fields::of(value, path, errors)?;
    columns_and_method(&fields, path, errors);
    let column = fields.optional("column", errors, text(253));
    let left = fields.optional("left", errors, text(253));
    let right = fields.optional("right", errors, text(253));
    let exact = fields.optional("exact", errors, exact);
    let number_bound = fields.optional("number", errors, number_bound);
    let date = fields.optional("date", errors, date_window);
    let similarity = fields.optional("text", errors, text_similarity);
    fields.finish(errors);
    Some(Difference {
        column: column?,
        left: left?,
        right: right?,
        exact: exact?,
        number: number_bound?,
        date: date?,
        text: similarity?,
    })
}

fn exact(value: &Value, path: &str, errors: &mut Errors) -> Option<Exact> {
    let fields = Fields::of(value, path, errors)?;
    for name in fields.names() {
        errors.add(&fields.at(name), "exact has no settings; write `exact: {}`");
    }
    Some(Exact {})
}

fn number_bound(value: &Value, path: &str, errors: &mut Errors) -> Option<NumberBound> {
    let mut fields = Fields::of(value, path, errors)?;
    let abs = fields.optional("abs", errors, bound);
    let percent = fields.optional("percent", errors, bound);
    let base = fields.optional("base", errors, leaf);
    fields.finish(errors);
    if (&abs, &percent) == (&Some(None), &Some(None)) {
        errors.add(path, "set abs, percent or both, such as abs: \"0.05\"");
    }
    Some(NumberBound {
        abs: abs?,
        percent: percent?,
        base: base?,
    })
}

fn date_window(value: &Value, path: &str, errors: &mut Errors) -> Option<DateWindow> {
    let mut fields = Fields::of(value, path, errors)?;
    let days = |value: &Value, path: &str, errors: &mut Errors| match value.as_i64() {
        Some(days) if (-36_500..=36_500).contains(&days) => i32::try_from(days).ok(),
        _ => {
            errors.add(path, "must be a whole number of days from -36500 to 36500");
            None
        }
    };
    let min_days = fields.required("minDays", errors, days);
    let max_days = fields.required("maxDays", errors, days);
    fields.finish(errors);
    let window = DateWindow {
        min_days: min_days?,
        max_days: max_days?,
    };
    if window.min_days > window.max_days {
        errors.add(path, "minDays must not be above maxDays");
    }
    Some(window)
}

fn text_similarity(value: &Value, path: &str, errors: &mut Errors) -> Option<TextSimilarity> {
    let mut fields = Fields::of(value, path, errors)?;
    let method = fields.required("method", errors, leaf);
    let at_least = fields.required("atLeast", errors, number(0.0, 1.0));
    fields.finish(errors);
    Some(TextSimilarity {
        method: method?,
        at_least: at_least?,
    })
}
