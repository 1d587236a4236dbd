//! Profile of a file: what its columns hold, and how a job would declare them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use crds::matching::Dataset;
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use serde::Serialize;

use crate::InputFile;
use crate::error::Error;
use crate::memory::Holding;
use crate::progress::Progress;
use crate::source;
use crate::source::value::{DateFormat, decimal, integer};
use crate::written::Texts;

/// How many of a column's commonest values and patterns are kept.
const COMMONEST: usize = 5;
/// A value's longest part that is kept, in characters.
const LONGEST: usize = 60;
/// How dates are commonly written, the unmistakable ones first.
const DATE_FORMATS: [&str; 6] = [
    "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d",
];

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Rows, with those that could not be read.
    pub rows: u64,
    /// Rows that could not be read.
    pub rejected: u64,
    /// Rows that are the same as an earlier row in every column.
    pub duplicates: u64,
    /// The columns, in the order of the file.
    pub columns: Vec<ColumnProfile>,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ColumnProfile {
    /// Its name in the file.
    pub name: String,
    /// The narrowest type that every value fits, as a job would declare it.
    #[serde(rename = "type")]
    pub data_type: String,
    /// How dates are written, in strftime notation, where the type is `date` and it is not the
    /// default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Nulls.
    pub nulls: u64,
    /// Distinct values, nulls left out.
    pub distinct: u64,
    /// Whether each row has a value of its own, so that the column can be a key.
    pub unique: bool,
    /// The smallest value: as a number or a date where the type is one, else by its characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The commonest values and how often they occur.
    pub commonest: Vec<(String, u64)>,
    /// The commonest shapes: `A` for a capital letter, `a` for another letter, `9` for a digit,
    /// runs of one kind with their length, as in `A2 9{8}`.
    pub patterns: Vec<(String, u64)>,
}

/// Reads a file and profiles it. `dataset` says how it is read; its `key` and `where` are ignored.
///
/// # Errors
/// When the file cannot be read.
pub fn profile(
    dataset: &Dataset,
    file: &InputFile,
    progress: &dyn Progress,
) -> Result<Profile, Error> {
    let holding = Arc::new(Holding::new(u64::MAX));
    let table = source::read(dataset, file, "file", &holding, progress)?;
    let rows = (table.places.len() + table.rejected.len()) as u64;
    let batch = table.rows.whole()?;
    let columns = batch.columns();
    let schema = batch.schema();
    let profiles = schema
        .fields()
        .iter()
        .zip(columns)
        .map(|(field, column)| of_column(field.name(), column))
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Profile {
        rows,
        rejected: table.rejected.len() as u64,
        duplicates: duplicates(columns)?,
        columns: profiles,
    })
}

/// Rows whose values an earlier row has too.
fn duplicates(columns: &[ArrayRef]) -> Result<u64, Error> {
    if columns.is_empty() {
        return Ok(0);
    }
    let rows = crate::records::sortable(columns)?;
    // 128 bits of hash for each row: that two different rows share them will not be seen.
    let hashers = [RandomState::new(), RandomState::new()];
    let mut seen = std::collections::HashSet::with_capacity(rows.num_rows());
    let again = (0..rows.num_rows()).filter(|&row| {
        let bytes = rows.row(row);
        let both = hashers
            .each_ref()
            .map(|hasher| hasher.hash_one(bytes.data()));
        !seen.insert(both)
    });
    Ok(again.count() as u64)
}

fn of_column(name: &str, column: &ArrayRef) -> Result<ColumnProfile, Error> {
    let written = Texts::of(column)?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    for row in 0..column.len() {
        if column.is_null(row) {
            continue;
        }
        let text = match column.as_string_opt::<i32>() {
            Some(texts) => texts.value(row).to_owned(),
            None => written.text(row)?,
        };
        *counts.entry(text).or_default() += 1;
    }
    let values: Vec<&str> = counts.keys().map(String::as_str).collect();
    let kind = Kind::of(column.data_type(), &values);
    let (min, max) = kind.range(&values);
    let mut patterns: HashMap<String, u64> = HashMap::new();
    for (value, count) in &counts {
        *patterns.entry(pattern(value)).or_default() += count;
    }
    let distinct = counts.len() as u64;
    Ok(ColumnProfile {
        name: name.to_owned(),
        data_type: kind.name(),
        format: kind.format(),
        nulls: column.null_count() as u64,
        distinct,
        unique: distinct > 0 && distinct == column.len() as u64,
        min: min.map(shortened),
        max: max.map(shortened),
        commonest: commonest(counts),
        patterns: commonest(patterns),
    })
}

/// The commonest, equally common ones by their text.
fn commonest(counts: HashMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts.truncate(COMMONEST);
    counts
        .into_iter()
        .map(|(text, count)| (shortened(&text), count))
        .collect()
}

fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The narrowest type of a column.
enum Kind {
    Integer,
    Decimal {
        precision: usize,
        scale: usize,
    },
    Date(&'static str),
    /// A date, a number or another type that the file itself declares.
    Declared(String),
    Text,
}

impl Kind {
    fn of(data_type: &DataType, values: &[&str]) -> Self {
        match data_type {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::of_texts(values),
            DataType::Decimal128(precision, scale) => Self::Decimal {
                precision: usize::from(*precision),
                scale: usize::try_from(*scale).unwrap_or(0),
            },
            DataType::Date32 => Self::Date(DATE_FORMATS[0]),
            other if other.is_integer() => Self::Integer,
            other => Self::Declared(other.to_string()),
        }
    }

    fn of_texts(values: &[&str]) -> Self {
        if values.is_empty() {
            return Self::Text;
        }
        // A leading zero is part of a code, as in a postcode; as a number it would be lost.
        let coded = values.iter().any(|value| {
            let digits = value.trim().trim_start_matches(['-', '+']);
            digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.")
        });
        let dates = DATE_FORMATS.into_iter().find(|notation| {
            DateFormat::new(notation)
                .is_ok_and(|format| values.iter().all(|value| format.days(value).is_ok()))
        });
        if let Some(notation) = dates {
            return Self::Date(notation);
        }
        if coded {
            return Self::Text;
        }
        if values.iter().all(|value| integer(value).is_ok()) {
            return Self::Integer;
        }
        let (mut whole, mut scale) = (1, 0);
        for value in values {
            let digits = value.trim().trim_start_matches(['-', '+']);
            let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
            let after = after.len();
            let fits = after <= 38 && decimal(value, 38, u8::try_from(after).unwrap_or(38)).is_ok();
            if !fits {
                return Self::Text;
            }
            whole = whole.max(before.len());
            scale = scale.max(after);
        }
        if whole + scale > 38 {
            return Self::Text;
        }
        // Room to grow: 18 digits is what accounts are commonly kept in.
        Self::Decimal {
            precision: (whole + scale).max(18),
            scale,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Integer => "integer".into(),
            Self::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
            Self::Date(_) => "date".into(),
            Self::Declared(name) => name.clone(),
            Self::Text => "text".into(),
        }
    }

    fn format(&self) -> Option<String> {
        match self {
            Self::Date(notation) if *notation != DATE_FORMATS[0] => Some((*notation).into()),
            _ => None,
        }
    }

    fn range<'v>(&self, values: &[&'v str]) -> (Option<&'v str>, Option<&'v str>) {
        let by = |key: &dyn Fn(&str) -> i128| {
            let least = values.iter().min_by_key(|value| (key(value), **value));
            let most = values.iter().max_by_key(|value| (key(value), **value));
            (least.copied(), most.copied())
        };
        match self {
            Self::Integer => by(&|value| integer(value).map_or(0, i128::from)),
            Self::Decimal { scale, .. } => {
                let scale = u8::try_from(*scale).unwrap_or(38);
                by(&|value| decimal(value, 38, scale).unwrap_or(0))
            }
            Self::Date(notation) => match DateFormat::new(notation) {
                Ok(format) => by(&|value| format.days(value).map_or(0, i128::from)),
                Err(_) => (None, None),
            },
            Self::Declared(_) | Self::Text => {
                (values.iter().min().copied(), values.iter().max().copied())
            }
        }
    }
}

/// The shape of a text.
fn pattern(text: &str) -> String {
    let kind = |c: char| match c {
        c if c.is_uppercase() => 'A',
        c if c.is_alphabetic() => 'a',
        c if c.is_numeric() => '9',
        c => c,
    };
    let mut runs: Vec<(char, usize)> = Vec::new();
    for c in text.chars().map(kind) {
        match runs.last_mut() {
            Some((last, count)) if *last == c => *count += 1,
            _ => runs.push((c, 1)),
        }
    }
    let mut shape = String::new();
    for (c, count) in runs {
        shape.push(c);
        if count > 1 {
            let _ = write!(shape, "{{{count}}}");
        }
    }
    shape
}

/// How a job would declare the columns: the lines of `columns:` in YAML, those that need none left
/// out.
#[must_use]
pub fn declarations(profile: &Profile) -> Vec<BTreeMap<&'static str, String>> {
    profile
        .columns
        .iter()
        .filter(|column| column.data_type != "text")
        .map(|column| {
            let mut fields = BTreeMap::from([
                ("name", column.name.clone()),
                ("type", column.data_type.clone()),
            ]);
            if let Some(format) = &column.format {
                fields.insert("format", format.clone());
            }
            fields
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_narrowest_type_that_all_its_values_fit() {
        let name = |values: &[&str]| Kind::of_texts(values).name();
        assert_eq!(name(&["1", "-20"]), "integer");
        assert_eq!(name(&["1", "2.50", "-0.125"]), "decimal(18,3)");
        assert_eq!(name(&["2024-01-31"]), "date");
        assert_eq!(name(&["31/01/2024", "01/02/2024"]), "date");
        assert_eq!(name(&["007", "123"]), "text");
        assert_eq!(name(&["1", "x"]), "text");
        assert_eq!(name(&[]), "text");
        assert_eq!(name(&["0", "0.5"]), "decimal(18,1)");
        let day_first = Kind::of_texts(&["31/01/2024"]);
        assert_eq!(day_first.format().as_deref(), Some("%d/%m/%Y"));
    }

    #[test]
    fn ranges_are_those_of_the_type_and_not_of_the_text() {
        let values = ["9", "10", "-2"];
        assert_eq!(
            Kind::of_texts(&values).range(&values),
            (Some("-2"), Some("10"))
        );
        let dates = ["01/02/2024", "31/01/2024"];
        let range = Kind::of_texts(&dates).range(&dates);
        assert_eq!(range, (Some("31/01/2024"), Some("01/02/2024")));
    }

    #[test]
    fn patterns_tell_the_shape() {
        assert_eq!(pattern("DE12 3456"), "A{2}9{2} 9{4}");
        assert_eq!(pattern("Éa-1"), "Aa-9");
        assert_eq!(pattern(""), "");
    }
}
