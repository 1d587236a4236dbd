//! Which options a format has. One that it would ignore is a mistake.

use super::encoding;
use crds::decode::SpecError;
use crds::matching::{Dataset, Format};

/// The format's name as a specification writes it.
#[must_use]
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Csv => "csv",
        Format::Tsv => "tsv",
        Format::Ndjson => "ndjson",
        Format::Json => "json",
        Format::Parquet => "parquet",
        Format::Arrow => "arrow",
        Format::Xlsx => "xlsx",
    }
}

/// Whether a column without a declared type is text in this format.
#[must_use]
pub fn is_untyped(format: Format) -> bool {
    !matches!(format, Format::Parquet | Format::Arrow)
}

/// Every option that the format does not have and every one that is wrong. `format` is none where it
/// is not known yet.
#[must_use]
pub fn check(dataset: &Dataset, format: Option<Format>, path: &str) -> Vec<SpecError> {
    use Format::{Csv, Tsv, Xlsx};
    let mut errors = Vec::new();
    let mut add = |path: String, message: String| errors.push(SpecError { path, message });
    let options = dataset.options.clone().unwrap_or_default();
    if let Some(label) = &options.encoding
        && let Err(message) = encoding::of_label(label.label())
    {
        add(format!("{path}.options.encoding"), message);
    }
    if let Some(delimiter) = &options.delimiter
        && matches!(delimiter.as_str(), "\"" | "\n" | "\r")
    {
        add(
            format!("{path}.options.delimiter"),
            "cannot be the quote or the end of a line; write another character, such as ;".into(),
        );
    }
    let Some(format) = format else { return errors };
    let given = [
        (
            "delimiter",
            options.delimiter.is_some(),
            matches!(format, Csv),
            "is for csv",
        ),
        (
            "header",
            options.header.is_some(),
            matches!(format, Csv | Tsv | Xlsx),
            "is for csv, tsv and xlsx",
        ),
        (
            "encoding",
            options.encoding.is_some(),
            matches!(format, Csv | Tsv),
            "is for csv and tsv",
        ),
        (
            "sheet",
            options.sheet.is_some(),
            format == Xlsx,
            "is for xlsx",
        ),
        (
            "nullValues",
            options.null_values.is_some(),
            is_untyped(format),
            "is for formats of texts (csv, tsv, json, ndjson, xlsx)",
        ),
    ];
    for (name, given, known, formats) in given {
        if given && !known {
            add(
                format!("{path}.options.{name}"),
                format!(
                    "{formats} and this is {}; leave it out or correct the format",
                    format_name(format)
                ),
            );
        }
    }
    if is_untyped(format) {
        for (index, column) in dataset.columns.iter().enumerate() {
            if column.negate && column.data_type.is_none() {
                add(
                    format!("{path}.columns[{index}].negate"),
                    format!(
                        "needs a number and a column of a {} file is text; add a type such as \
                         type: \"decimal(18,2)\"",
                        format_name(format)
                    ),
                );
            }
        }
    }
    errors
}
