//! Reads a [`MatchingSpec`] and finds every mistake at once, each with its path and its remedy.
//!
//! serde stops at the first mistake, and a JSON schema cannot say what spans several fields. So the
//! decoder walks the document by hand: each part is decoded on its own, a mistake is noted with its
//! path (`passes[0].compare[2].text.atLeast`) and the walk goes on.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

use crate::matching::{
    Bound, Column, ColumnType, Comparison, ConfigMapSource, Dataset, DateWindow, Duplicates, Exact,
    Limits, MatchingSpec, Normalize, NormalizeStep, Nulls, NumberBound, Output, Pass, ReadOptions,
    Score, Source, TextSimilarity, UploadSource,
};

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

#[derive(Default)]
struct Errors(Vec<SpecError>);

impl Errors {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(SpecError {
            path: path.into(),
            message: message.into(),
        });
    }

    fn into_result<T>(self, decoded: Option<T>) -> Result<T, Vec<SpecError>> {
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
struct Fields<'v> {
    map: BTreeMap<&'v str, &'v Value>,
    known: Vec<&'static str>,
    path: String,
}

impl<'v> Fields<'v> {
    fn of(value: &'v Value, path: &str, errors: &mut Errors) -> Option<Self> {
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

    fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.into()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Takes the raw value; an explicit null counts as absent, as in Kubernetes.
    fn take(&mut self, name: &'static str) -> Option<&'v Value> {
        self.known.push(name);
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn required<T>(
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
    fn optional<T>(
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

    fn finish(self, errors: &mut Errors) {
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
fn leaf<T: DeserializeOwned>(value: &Value, path: &str, errors: &mut Errors) -> Option<T> {
    match serde_json::from_value(value.clone()) {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            errors.add(path, error.to_string());
            None
        }
    }
}

fn text(max: usize) -> impl Fn(&Value, &str, &mut Errors) -> Option<String> {
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

fn bound(value: &Value, path: &str, errors: &mut Errors) -> Option<Bound> {
    if let Value::Number(number) = value {
        errors.add(
            path,
            format!("must be a text, so that it stays exact: write \"{number}\""),
        );
        return None;
    }
    leaf(value, path, errors)
}

fn number(minimum: f64, maximum: f64) -> impl Fn(&Value, &str, &mut Errors) -> Option<f64> {
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

fn count(minimum: u64, maximum: u64) -> impl Fn(&Value, &str, &mut Errors) -> Option<u64> {
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

fn list<T>(
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
    let passes_value = fields.map.get("passes").copied();
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

fn dataset(value: &Value, path: &str, errors: &mut Errors) -> Option<Dataset> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.optional("name", errors, text(253));
    let source = fields.required("source", errors, source);
    let format = fields.optional("format", errors, leaf);
    let options = fields.optional("options", errors, options);
    let key = fields.optional("key", errors, list(0, 16, text(253)));
    let columns_path = fields.at("columns");
    let columns = fields.optional("columns", errors, list(0, 512, column));
    if let Some(Some(columns)) = &columns {
        let mut first = BTreeMap::new();
        for (index, column) in columns.iter().enumerate() {
            if let Some(earlier) = first.insert(column.name.as_str(), index) {
                errors.add(
                    &format!("{columns_path}[{index}].name"),
                    format!(
                        "`{}` is already the name of {columns_path}[{earlier}]; names are unique",
                        column.name
                    ),
                );
            }
        }
    }
    fields.finish(errors);
    Some(Dataset {
        name: name?,
        source: source?,
        format: format?,
        options: options?,
        key: key?.unwrap_or_default(),
        columns: columns?.unwrap_or_default(),
    })
}

fn source(value: &Value, path: &str, errors: &mut Errors) -> Option<Source> {
    let mut fields = Fields::of(value, path, errors)?;
    let given = ["uri", "upload", "configMap"]
        .into_iter()
        .filter(|name| fields.map.get(name).is_some_and(|value| !value.is_null()))
        .count();
    let uri = fields.optional("uri", errors, text(4096));
    let upload = fields.optional("upload", errors, upload_source);
    let config_map = fields.optional("configMap", errors, config_map_source);
    fields.finish(errors);
    if given != 1 {
        errors.add(
            path,
            format!("exactly one of uri, upload and configMap must be set, not {given}"),
        );
    }
    Some(Source {
        uri: uri?,
        upload: upload?,
        config_map: config_map?,
    })
}

fn upload_source(value: &Value, path: &str, errors: &mut Errors) -> Option<UploadSource> {
    let mut fields = Fields::of(value, path, errors)?;
    let id = fields.required("id", errors, text(36));
    fields.finish(errors);
    Some(UploadSource { id: id? })
}

fn config_map_source(value: &Value, path: &str, errors: &mut Errors) -> Option<ConfigMapSource> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(253));
    let key = fields.required("key", errors, text(253));
    fields.finish(errors);
    Some(ConfigMapSource {
        name: name?,
        key: key?,
    })
}

fn options(value: &Value, path: &str, errors: &mut Errors) -> Option<ReadOptions> {
    let mut fields = Fields::of(value, path, errors)?;
    let delimiter_path = fields.at("delimiter");
    let delimiter = fields.optional("delimiter", errors, text(1));
    if let Some(Some(delimiter)) = &delimiter
        && !delimiter.is_ascii()
    {
        errors.add(&delimiter_path, "must be one ASCII character");
    }
    let header = fields.optional("header", errors, leaf);
    let null_values = fields.optional("nullValues", errors, list(0, 64, leaf));
    fields.finish(errors);
    Some(ReadOptions {
        delimiter: delimiter?,
        header: header?,
        null_values: null_values?,
    })
}

fn column(value: &Value, path: &str, errors: &mut Errors) -> Option<Column> {
    let mut fields = Fields::of(value, path, errors)?;
    let name = fields.required("name", errors, text(253));
    let from = fields.optional("from", errors, text(253));
    let data_type = fields.optional("type", errors, leaf::<ColumnType>);
    let format_path = fields.at("format");
    let format = fields.optional("format", errors, text(64));
    if let (Some(Some(_)), Some(data_type)) = (&format, &data_type)
        && *data_type != Some(ColumnType::Date)
    {
        errors.add(&format_path, "needs type: date");
    }
    fields.finish(errors);
    Some(Column {
        name: name?,
        from: from?,
        data_type: data_type?,
        format: format?,
    })
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

fn comparison(value: &Value, path: &str, errors: &mut Errors) -> Option<Comparison> {
    let mut fields = Fields::of(value, path, errors)?;
    let present = |fields: &Fields<'_>, names: &[&str]| {
        names
            .iter()
            .filter(|name| fields.map.get(**name).is_some_and(|value| !value.is_null()))
            .count()
    };
    let methods = present(&fields, &["exact", "number", "date", "text"]);
    let sides = (
        present(&fields, &["column"]),
        present(&fields, &["left", "right"]),
    );
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
    fields.finish(errors);
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
    })
}

fn exact(value: &Value, path: &str, errors: &mut Errors) -> Option<Exact> {
    let fields = Fields::of(value, path, errors)?;
    for name in fields.map.keys() {
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
