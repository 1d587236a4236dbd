//! `audit-indexes`: looks at the indexes and how queries use them, and writes what it found.

use clap::{Args, ValueEnum};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::DatabaseConfig;
use crate::db::index_audit::connect;
use crate::index_audit::report::Report;
use crate::index_audit::{Thresholds, audit, markdown};

/// Options of `audit-indexes`.
#[derive(Args, Debug)]
pub(super) struct Options {
    /// The form of the report; both with a comma between, or given twice, need --output
    #[arg(long, value_enum, value_delimiter = ',', default_value = "markdown")]
    format: Vec<Format>,
    /// Where the report goes, standard output when absent; a name without extension gets .md or .json
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Rows from which a table is large, so that to read all of it is a finding
    #[arg(long, value_name = "ROWS", default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
    large_table_rows: i64,
    /// Wasted percent of an index from which it is bloated
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    bloat_percent: u32,
    /// Wasted MiB of an index from which it is bloated
    #[arg(long, value_name = "MIB", default_value_t = 10, value_parser = clap::value_parser!(i64).range(0..1 << 40))]
    bloat_mib: i64,
    /// Days that uses must have been counted for before an index is called unused
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    unused_days: u32,
    /// Uses up to which an index counts as unused; each audit adds a few
    #[arg(long, value_name = "USES", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    unused_scans: i64,
    /// Rows whose values each query is explained with
    #[arg(long, value_name = "ROWS", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    samples: u8,
    /// Longest time of a statement, in seconds; a query that takes longer is a finding
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    statement_timeout: u64,
    /// Exit with 1 where there is a finding
    #[arg(long)]
    fail_on_findings: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Markdown,
    Json,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "json",
        }
    }
}

pub(super) async fn run(database: DatabaseConfig, options: Options) -> Result<(), String> {
    let formats = formats(&options)?;
    let thresholds = Thresholds {
        large_table_rows: options.large_table_rows,
        bloat_percent: options.bloat_percent,
        bloat_bytes: options.bloat_mib << 20,
        unused_days: options.unused_days,
        unused_scans: options.unused_scans,
        samples: options.samples.into(),
    };
    let connect_options = database
        .connect_options()
        .map_err(|_| "DATABASE_URL cannot be read".to_string())?;
    let timeout = Duration::from_secs(options.statement_timeout);
    let mut connection = connect(connect_options, timeout)
        .await
        .map_err(|error| format!("the database cannot be reached: {error}"))?;
    let report = audit(&mut connection, thresholds).await.map_err(|error| {
        format!("the database cannot be looked at: {error}; has migrate been run on it?")
    })?;
    for format in formats {
        write(&options, format, &report)?;
    }
    if options.fail_on_findings && !report.findings.is_empty() {
        return Err(format!("{} finding(s)", report.findings.len()));
    }
    Ok(())
}

fn formats(options: &Options) -> Result<Vec<Format>, String> {
    let mut formats = options.format.clone();
    formats.dedup();
    if formats.len() > 1
        && options
            .output
            .as_ref()
            .is_none_or(|it| it.extension().is_some())
    {
        return Err(
            "two formats need --output with a name without extension, such as --output report"
                .into(),
        );
    }
    Ok(formats)
}

fn write(options: &Options, format: Format, report: &Report) -> Result<(), String> {
    let text = match format {
        Format::Markdown => markdown::render(report),
        Format::Json => {
            let text = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
            text + "\n"
        }
    };
    let Some(path) = &options.output else {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| format!("standard output: {error}"));
    };
    let path = if path.extension().is_some() {
        path.clone()
    } else {
        path.with_extension(format.extension())
    };
    write_file(&path, &text).map_err(|error| format!("--output {}: {error}", path.display()))
}

/// A report appears whole or not at all.
fn write_file(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
