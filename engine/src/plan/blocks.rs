//! Checks the blocks of a pass against what is known of both sides' columns.

use super::check::{Columns, Kind, kind, words};
use crate::expression::{self, Entry, Lookup, Near};
use crate::source::quoted;
use crds::matching::Pass;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ExprSchemable;
use datafusion::prelude::SessionContext;

/// Adds every mistake in the blocks of the pass that stands at `index`.
pub fn check(
    pass: &Pass,
    index: usize,
    (left, right): (&Columns<'_>, &Columns<'_>),
    session: &SessionContext,
    add: &mut dyn FnMut(String, String),
) {
    // Without comparisons records are grouped by equal values, and pairs do not count.
    let grouped = pass.sum.is_some() && pass.compare.is_empty();
    for (outer, block) in pass.block.iter().flatten().enumerate() {
        let mut has_words = false;
        for (inner, sql) in block.iter().enumerate() {
            let path = format!("passes[{index}].block[{outer}][{inner}]");
            match expression::entry(session, sql) {
                Ok(Entry::Equal(_)) => check_expression(sql, &path, left, right, session, add),
                Ok(Entry::Near(near)) if grouped => add(
                    path,
                    format!(
                        "{near} has no meaning beside sum without compare, whose records are \
                         grouped by equal values; for dates set sum.windowDays and sum.dateColumn"
                    ),
                ),
                Ok(Entry::Words(words)) if grouped => add(
                    path,
                    format!(
                        "{words} has no meaning beside sum without compare, whose records are \
                         grouped by equal values; say in compare what parts have in common"
                    ),
                ),
                Ok(Entry::Near(near)) => check_near(&near, &path, left, right, add),
                Ok(Entry::Words(_)) if has_words => add(
                    path,
                    "is the second words of this block; make one of both, as in \
                     words(concat(a, ' ', b), 50), or two blocks"
                        .into(),
                ),
                Ok(Entry::Words(words)) => {
                    has_words = true;
                    check_expression(&words.sql, &path, left, right, session, add);
                    check_text(&words.sql, &path, left, right, session, add);
                }
                Err(message) => add(path, message),
            }
        }
    }
}

fn check_expression(
    sql: &str,
    path: &str,
    left: &Columns<'_>,
    right: &Columns<'_>,
    session: &SessionContext,
    add: &mut dyn FnMut(String, String),
) {
    let mistakes = [("left", left), ("right", right)].map(|(side, columns)| {
        expression::plan(session, sql, columns)
            .err()
            .map(|m| (side, m))
    });
    match mistakes {
        [Some((_, one)), Some((_, other))] if one == other => add(path.to_owned(), one),
        mistakes => {
            for (side, message) in mistakes.into_iter().flatten() {
                add(path.to_owned(), format!("on the {side}: {message}"));
            }
        }
    }
}

/// Words are those of texts.
fn check_text(
    sql: &str,
    path: &str,
    left: &Columns<'_>,
    right: &Columns<'_>,
    session: &SessionContext,
    add: &mut dyn FnMut(String, String),
) {
    for (side, columns) in [("left", left), ("right", right)] {
        let Ok((expr, schema)) = expression::plan(session, sql, columns) else {
            continue;
        };
        let Ok(found) = expr.get_type(&schema) else {
            continue;
        };
        let is_text = matches!(
            found,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        if !is_text {
            add(
                path.to_owned(),
                format!(
                    "words needs a text and `{sql}` is {} on the {side}; write cast({sql} as \
                     varchar), or declare the column as text",
                    words(&found)
                ),
            );
        }
    }
}

fn check_near(
    near: &Near,
    path: &str,
    left: &Columns<'_>,
    right: &Columns<'_>,
    add: &mut dyn FnMut(String, String),
) {
    let name = &near.column;
    let mut found = Vec::new();
    for (side, lookup) in [("left", left(name)), ("right", right(name))] {
        match lookup {
            Lookup::Unknown => {}
            Lookup::Absent(present) => add(
                path.to_owned(),
                format!(
                    "there is no column `{name}` on the {side}; there are {}",
                    quoted(&present)
                ),
            ),
            Lookup::Type(data_type) if matches!(kind(&data_type), Kind::Number | Kind::Date) => {
                found.push(data_type);
            }
            Lookup::Type(data_type) => add(
                path.to_owned(),
                format!(
                    "near needs numbers or dates and `{name}` is {} on the {side}; declare it, as \
                     in {side}.columns: [{{name: {name}, type: \"decimal(18,2)\"}}]",
                    words(&data_type)
                ),
            ),
        }
    }
    if let [one, other] = found.as_slice()
        && kind(one) != kind(other)
    {
        add(
            path.to_owned(),
            format!(
                "compares {} on the left with {} on the right; give both the same type",
                words(one),
                words(other)
            ),
        );
    }
}
