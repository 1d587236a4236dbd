//! `reconcile profile`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use crds::matching::{Dataset, Format, ReadOptions, Source};
use engine::profile::{ColumnProfile, Profile, declarations};
use engine::{Error, InputFile};

use crate::progress::Bar;
use crate::stdout;
use crate::table::grouped;
use crate::{FAILED, WRONG};

/// What to look at.
#[derive(Args)]
pub struct Arguments {
    /// The file: csv, tsv, ndjson, json, parquet, arrow or xlsx, also with .gz or .zst
    file: PathBuf,
    /// The format, where the extension does not say it
    #[arg(long)]
    format: Option<String>,
    /// The character between the fields of a CSV file
    #[arg(long)]
    delimiter: Option<String>,
    /// The sheet of a workbook
    #[arg(long)]
    sheet: Option<String>,
    /// The first line holds values and no names
    #[arg(long)]
    no_header: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Prints what each column holds and how a job would declare it.
pub fn run(arguments: &Arguments) -> ExitCode {
    let format = match arguments.format.as_deref().map(format).transpose() {
        Ok(format) => format,
        Err(message) => {
            eprintln!("error: --format: {message}");
            return ExitCode::from(WRONG);
        }
    };
    let name = arguments
        .file
        .file_name()
        .unwrap_or(arguments.file.as_os_str());
    let file = InputFile {
        path: arguments.file.clone(),
        name: name.to_string_lossy().into_owned(),
    };
    let dataset = Dataset {
        name: None,
        source: Source::default(),
        format,
        options: Some(ReadOptions {
            delimiter: arguments.delimiter.clone(),
            header: arguments.no_header.then_some(false),
            sheet: arguments.sheet.clone(),
            ..ReadOptions::default()
        }),
        key: Vec::new(),
        columns: Vec::new(),
        filter: None,
    };
    let bar = Arc::new(Bar::new());
    let profile = engine::profile::profile(&dataset, &file, bar.as_ref());
    bar.finish();
    match profile {
        Ok(profile) if arguments.json => match serde_json::to_string_pretty(&profile) {
            Ok(json) => stdout::print(&(json + "\n")),
            Err(error) => failed(&error.to_string()),
        },
        Ok(profile) => stdout::print(&page(&profile)),
        Err(Error::Spec(errors)) => {
            for error in errors {
                eprintln!("error: {}", error.message);
            }
            ExitCode::from(WRONG)
        }
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(FAILED)
}

fn format(name: &str) -> Result<Format, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

fn page(profile: &Profile) -> String {
    let mut text = format!(
        "{} rows, {} rejected, {} duplicate\n",
        grouped(profile.rows),
        grouped(profile.rejected),
        grouped(profile.duplicates)
    );
    for column in &profile.columns {
        of_column(&mut text, column);
    }
    let columns = declarations(profile);
    if !columns.is_empty() {
        text.push_str("\nIn a job:\n\ncolumns:\n");
        for column in columns {
            let fields: Vec<String> = ["name", "type", "format"]
                .into_iter()
                .filter_map(|field| Some(format!("{field}: {}", quoted(column.get(field)?))))
                .collect();
            let _ = writeln!(text, "  - {{{}}}", fields.join(", "));
        }
    }
    text
}

fn of_column(text: &mut String, column: &ColumnProfile) {
    let unique = if column.unique { ", unique" } else { "" };
    let _ = writeln!(
        text,
        "\n{}  {}{}\n  {} nulls, {} distinct{unique}",
        column.name,
        column.data_type,
        column
            .format
            .as_ref()
            .map_or(String::new(), |f| format!(" {f}")),
        grouped(column.nulls),
        grouped(column.distinct)
    );
    if let (Some(min), Some(max)) = (&column.min, &column.max) {
        let _ = writeln!(text, "  from     {min} to {max}");
    }
    for (title, counts) in [
        ("values", &column.commonest),
        ("patterns", &column.patterns),
    ] {
        let listed: Vec<String> = counts
            .iter()
            .map(|(value, count)| format!("{value} ×{}", grouped(*count)))
            .collect();
        // Where every value occurs once the first few say nothing.
        if title == "patterns" || !column.unique {
            let _ = writeln!(text, "  {title:<8} {}", listed.join(", "));
        }
    }
}

/// A YAML value that stays a text whatever it holds.
fn quoted(value: &str) -> String {
    let plain = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && value.starts_with(|c: char| c.is_ascii_alphabetic());
    if plain {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}
