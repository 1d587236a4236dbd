//! What is wrong with a specification, found before any data is opened and again once the files are
//! read.

use crate::block::is_bounded;
use crate::expression::{self, Lookup};
use crate::outcome::Side;
use crate::score;
use crate::source::value::DateFormat;
use crate::source::{decimal_type, format_of, no_format, options, quoted};
use crate::sum;
use crate::{filter, fx};
use crds::decode::{Rest, SpecError};
use crds::matching::{
    ColumnType, Comparison, Dataset, Format, MatchingSpec, Method, Nulls, Pass, Score,
};
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::prelude::SessionContext;

/// Checks what shows without data: SQL expressions, date formats, declared types, file formats.
///
/// # Errors
/// Every mistake, with its path.
pub fn validate(spec: &MatchingSpec) -> Result<(), Vec<SpecError>> {
    let session = expression::session(1);
    let mut errors = score::mistakes(spec);
    for (side, dataset) in [("left", &spec.left), ("right", &spec.right)] {
        check_dataset(side, dataset, &session, &mut errors);
    }
    if let Some(fx) = &spec.fx {
        check_dataset("fx.rates", &fx.rates, &session, &mut errors);
    }
    let left = |name: &str| of_declarations(&spec.left, name);
    let right = |name: &str| of_declarations(&spec.right, name);
    if let Err(more) = check(spec, &left, &right, &session) {
        errors.extend(more);
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// What [`validate`] finds in the readable rest of a wrong document.
#[must_use]
pub fn mistakes_in_the_rest(rest: &Rest) -> Vec<SpecError> {
    let mut errors = validate(&rest.spec).err().unwrap_or_default();
    errors.retain(|error| rest.is_of_the_document(error));
    errors
}

fn source_name(dataset: &Dataset) -> Option<&str> {
    let source = &dataset.source;
    source
        .uri
        .as_deref()
        .or(source.config_map.as_ref().map(|map| map.key.as_str()))
}

/// The format of a dataset, where it shows without the file.
fn declared_format(dataset: &Dataset) -> Option<Format> {
    source_name(dataset).map_or(dataset.format, |file| format_of(dataset, file))
}

fn check_dataset(
    side: &str,
    dataset: &Dataset,
    session: &SessionContext,
    errors: &mut Vec<SpecError>,
) {
    let format = declared_format(dataset);
    if let (Some(name), None) = (source_name(dataset), format) {
        errors.push(SpecError {
            path: format!("{side}.format"),
            message: no_format(name),
        });
    }
    if dataset.source.sql.is_some() {
        let given = [
            ("format", dataset.format.is_some()),
            ("options", dataset.options.is_some()),
        ];
        for (field, _) in given.into_iter().filter(|(_, given)| *given) {
            errors.push(SpecError {
                path: format!("{side}.{field}"),
                message: "is for files and this is a query; leave it out".into(),
            });
        }
    } else {
        errors.extend(options::check(dataset, format, side));
    }
    if let Some(sql) = &dataset.filter
        && let Err(message) =
            filter::plan(session, sql, &|name: &str| of_declarations(dataset, name))
    {
        errors.push(SpecError {
            path: format!("{side}.where"),
            message,
        });
    }
    for (index, column) in dataset.columns.iter().enumerate() {
        if let Some(Err(message)) = column.format.as_deref().map(DateFormat::new) {
            errors.push(SpecError {
                path: format!("{side}.columns[{index}].format"),
                message,
            });
        }
    }
    for (index, name) in dataset.key.iter().enumerate() {
        if dataset.key[..index].contains(name) {
            errors.push(SpecError {
                path: format!("{side}.key[{index}]"),
                message: format!("`{name}` is in the key already"),
            });
        }
    }
}

/// What the declarations say of a column.
fn of_declarations(dataset: &Dataset, name: &str) -> Lookup {
    let untyped = declared_format(dataset).is_some_and(options::is_untyped);
    let declared = dataset.columns.iter().find(|column| column.name == name);
    if declared.is_none() {
        // The file's own name of a column is gone once it has another.
        let renamed = |from: &str| {
            dataset
                .columns
                .iter()
                .find(|c| c.from.as_deref() == Some(from))
        };
        if renamed(name).is_some() {
            return Lookup::Absent(dataset.columns.iter().map(|c| c.name.clone()).collect());
        }
    }
    match declared.and_then(|column| column.data_type) {
        Some(data_type) => Lookup::Type(arrow_type(data_type)),
        // A column of texts without a declared type is text, whether declared or not.
        None if untyped => Lookup::Type(DataType::Utf8),
        None => Lookup::Unknown,
    }
}

fn arrow_type(data_type: ColumnType) -> DataType {
    match data_type {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Date => DataType::Date32,
        ColumnType::Decimal { precision, scale } => decimal_type(precision, scale),
    }
}

/// What a schema says of a column.
pub fn of_schema(schema: &Schema) -> impl Fn(&str) -> Lookup {
    |name| match schema.field_with_name(name) {
        Ok(field) => Lookup::Type(field.data_type().clone()),
        Err(_) => Lookup::Absent(schema.fields().iter().map(|f| f.name().clone()).collect()),
    }
}

pub(super) type Columns<'a> = dyn Fn(&str) -> Lookup + 'a;

/// Checks that the columns to clean are there and are text.
fn check_normalize(
    spec: &MatchingSpec,
    left: &Columns<'_>,
    right: &Columns<'_>,
    add: &mut dyn FnMut(String, String),
) {
    for (index, rule) in spec.normalize.iter().enumerate() {
        let path = format!("normalize[{index}].column");
        let sides = [("left", left(&rule.column)), ("right", right(&rule.column))];
        if let [(_, Lookup::Absent(left)), (_, Lookup::Absent(right))] = &sides {
            add(
                path,
                format!(
                    "there is no column `{}` on either side; left has {}, right has {}",
                    rule.column,
                    quoted(left),
                    quoted(right)
                ),
            );
            continue;
        }
        for (side, found) in sides {
            if let Lookup::Type(found) = found
                && found != DataType::Utf8
            {
                add(
                    path.clone(),
                    format!(
                        "`{}` is {} on the {side}; only text is cleaned",
                        rule.column,
                        words(&found)
                    ),
                );
            }
        }
    }
}

/// Checks columns, types and expressions against what is known of both sides' columns.
pub(super) fn check(
    spec: &MatchingSpec,
    left: &Columns<'_>,
    right: &Columns<'_>,
    session: &SessionContext,
) -> Result<(), Vec<SpecError>> {
    let mut errors = Vec::new();
    let mut add = |path: String, message: String| errors.push(SpecError { path, message });
    check_normalize(spec, left, right, &mut add);
    if let Some(rules) = &spec.fx {
        fx::check(rules, "left", left, &mut add);
        fx::check(rules, "right", right, &mut add);
    }
    for (index, pass) in spec.passes.iter().enumerate() {
        if pass.block.is_none() && pass.sum.is_none() && !is_derivable(pass) {
            add(
                format!("passes[{index}].block"),
                "is required here: without it every pair would be compared, for no exact, number \
                 or date comparison must hold. Name expressions that must be equal or near, such \
                 as [[\"ccy\", \"substr(memo, 1, 3)\", \"near(date, 30)\"]]"
                    .into(),
            );
        }
        for (at, comparison) in pass.compare.iter().enumerate() {
            let path = format!("passes[{index}].compare[{at}]");
            check_comparison(comparison, &path, left, right, &mut add);
        }
        super::blocks::check(pass, index, (left, right), session, &mut add);
    }
    let known = |side, name: &str| match side {
        Side::Left => left(name),
        Side::Right => right(name),
    };
    sum::check(spec, &known, &mut add);
    for (index, difference) in spec.diff.iter().enumerate() {
        let path = format!("diff[{index}]");
        check_comparison(&difference.comparison(), &path, left, right, &mut add);
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Whether blocks can be derived from the comparisons. Under `all` a derived block loses no pair, so
/// a comparison must hold that equal or near values follow from; under a score they are chosen by
/// what the data is like, and any comparison says something.
fn is_derivable(pass: &Pass) -> bool {
    pass.effective_score() != Score::All
        || pass.compare.iter().any(|comparison| {
            pass.effective_nulls(comparison) == Nulls::Mismatch
                && match comparison.method() {
                    Method::Exact | Method::Date(_) => true,
                    Method::Number(bound) => is_bounded(bound),
                    Method::Text(_) => false,
                }
        })
}

/// Kinds of values that compare with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Date,
    Other,
}

pub(super) fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::Utf8 => Kind::Text,
        DataType::Int64 | DataType::Decimal128(..) => Kind::Number,
        DataType::Date32 => Kind::Date,
        _ => Kind::Other,
    }
}

/// The type's name as a specification writes it.
pub fn words(data_type: &DataType) -> String {
    match data_type {
        DataType::Utf8 => "text".into(),
        DataType::Int64 => "integer".into(),
        DataType::Date32 => "date".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        other => other.to_string(),
    }
}

fn check_comparison(
    comparison: &Comparison,
    path: &str,
    left: &Columns<'_>,
    right: &Columns<'_>,
    add: &mut dyn FnMut(String, String),
) {
    let (left_name, right_name) = comparison.columns();
    let field = |own: &str| match &comparison.column {
        Some(_) => format!("{path}.column"),
        None => format!("{path}.{own}"),
    };
    let mut types = Vec::new();
    for (side, name, found) in [
        ("left", left_name, left(left_name)),
        ("right", right_name, right(right_name)),
    ] {
        match found {
            Lookup::Type(found) => types.push((side, name, found)),
            Lookup::Unknown => {}
            Lookup::Absent(present) => add(
                field(side),
                format!(
                    "there is no column `{name}` on the {side}; there are {}",
                    quoted(&present)
                ),
            ),
        }
    }
    let (needed, example) = match comparison.method() {
        Method::Exact => {
            if let [(_, _, one), (_, _, other)] = types.as_slice()
                && (kind(one) != kind(other) || (kind(one) == Kind::Other && one != other))
            {
                add(
                    format!("{path}.exact"),
                    format!(
                        "compares {} on the left with {} on the right; give both the same type",
                        words(one),
                        words(other)
                    ),
                );
            }
            return;
        }
        Method::Number(_) => (Kind::Number, "decimal(18,2)"),
        Method::Date(_) => (Kind::Date, "date"),
        Method::Text(_) => (Kind::Text, "text"),
    };
    let (method, needs) = match needed {
        Kind::Number => ("number", "integer or decimal"),
        Kind::Date => ("date", "date"),
        _ => ("text", "text"),
    };
    for (side, name, found) in types {
        if kind(&found) != needed {
            add(
                format!("{path}.{method}"),
                format!(
                    "needs {needs} and `{name}` is {} on the {side}; declare it, as in \
                     {side}.columns: [{{name: {name}, type: \"{example}\"}}]",
                    words(&found)
                ),
            );
        }
    }
}
