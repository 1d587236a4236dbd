//! What comes out: the same as JSON and as Markdown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

use super::{Thresholds, scans};
use crate::db::index_audit::catalog::Catalog;
use crate::db::index_audit::plans::{Explained, Outcome};

/// The version of the JSON's form. A change that readers notice makes the next one.
pub const SCHEMA_VERSION: u32 = 1;

/// What is wrong, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// An index that costs writes and serves nobody, left by a build that was cut off.
    InvalidIndex,
    /// A query did not end within the statement timeout.
    TimedOut,
    /// A query reads all of a large table.
    SequentialScan,
    /// A query reads many rows by an index, and throws most of them away.
    FilteredScan,
    /// A foreign key whose table has to be read as a whole when what it points to is deleted.
    UnindexedForeignKey,
    /// Two indexes that are the same.
    DuplicateIndex,
    /// An index whose columns are the first ones of another.
    RedundantIndex,
    /// An index that is mostly empty.
    BloatedIndex,
    /// An index that no query used.
    UnusedIndex,
}

impl Kind {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::InvalidIndex,
        Self::TimedOut,
        Self::SequentialScan,
        Self::FilteredScan,
        Self::UnindexedForeignKey,
        Self::DuplicateIndex,
        Self::RedundantIndex,
        Self::BloatedIndex,
        Self::UnusedIndex,
    ];

    /// Its heading.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::InvalidIndex => "Invalid indexes",
            Self::TimedOut => "Queries that did not end in time",
            Self::SequentialScan => "Sequential scans on large tables",
            Self::FilteredScan => "Index scans that throw away what they read",
            Self::UnindexedForeignKey => "Foreign keys without an index",
            Self::DuplicateIndex => "Duplicate indexes",
            Self::RedundantIndex => "Redundant indexes",
            Self::BloatedIndex => "Bloated indexes",
            Self::UnusedIndex => "Unused indexes",
        }
    }
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The table.
    pub table: Option<String>,
    /// The index.
    pub index: Option<String>,
    /// The query, by its name.
    pub query: Option<String>,
    /// What was seen, in a sentence.
    pub message: String,
    /// The figures of the sentence.
    pub figures: BTreeMap<&'static str, Value>,
    /// What would mend it. Nobody runs these but a person.
    pub statements: Vec<String>,
}

impl Finding {
    pub(super) fn new(kind: Kind, message: String) -> Self {
        Self {
            kind,
            table: None,
            index: None,
            query: None,
            message,
            figures: BTreeMap::new(),
            statements: Vec::new(),
        }
    }

    pub(super) fn table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    pub(super) fn index(mut self, index: &str) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    pub(super) fn query(mut self, query: &str) -> Self {
        self.query = Some(query.to_owned());
        self
    }

    pub(super) fn figure(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.figures.insert(name, value.into());
        self
    }

    pub(super) fn propose(mut self, statement: String) -> Self {
        self.statements.push(statement);
        self
    }

    /// Where it stands in the report, whatever the order in which it was found.
    pub(super) fn order(&self) -> impl Ord + use<> {
        (
            self.kind,
            self.table.clone(),
            self.index.clone(),
            self.query.clone(),
            self.message.clone(),
        )
    }
}

/// What could not be seen, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// What is missing from the report.
    pub what: String,
    /// The reason.
    pub why: String,
    /// How to see it.
    pub remedy: String,
}

/// How a query was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It ran, and the figures are measured.
    Analyzed,
    /// It was planned, and the figures are the planner's.
    Planned,
    /// It was ended by the statement timeout; the figures are the planner's.
    TimedOut,
    /// It could not be planned; `limits` says why.
    NotPlanned,
}

/// A query in the report. It has no values of the samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryReport {
    /// Its name.
    pub name: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// How it was looked at.
    pub mode: Mode,
    /// Rows whose values it was looked at with; without any, values of the parameters' types.
    pub samples: usize,
    /// The longest run, with planning.
    pub milliseconds: Option<f64>,
    /// The most pages that a run touched.
    pub pages: Option<i64>,
    /// How it reads its tables, over all samples.
    pub scans: Vec<scans::Scan>,
}

impl QueryReport {
    pub(super) fn new(explained: &Explained) -> Self {
        let (mode, analyzed): (_, &[Value]) = match &explained.outcome {
            Outcome::Analyzed(plans) => (Mode::Analyzed, plans),
            Outcome::Planned(_) => (Mode::Planned, &[]),
            Outcome::TimedOut(_) => (Mode::TimedOut, &[]),
            Outcome::Forbidden(_) | Outcome::Failed(_) => (Mode::NotPlanned, &[]),
        };
        let time = |plan: &Value, name: &str| plan[name].as_f64().unwrap_or_default();
        let milliseconds = analyzed
            .iter()
            .map(|plan| time(plan, "Planning Time") + time(plan, "Execution Time"))
            .reduce(f64::max);
        let pages = |plan: &Value| {
            let of = |name: &str| plan["Plan"][name].as_i64().unwrap_or_default();
            of("Shared Hit Blocks") + of("Shared Read Blocks")
        };
        Self {
            name: explained.query.name,
            sql: explained.query.sql,
            mode,
            samples: explained.samples,
            milliseconds,
            pages: analyzed.iter().map(pages).max(),
            scans: scans::of(explained),
        }
    }
}

/// The database that was looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// Its name.
    pub name: String,
    /// The schema.
    pub schema: String,
    /// The role that looked.
    pub role: String,
    /// The version of PostgreSQL.
    pub postgres: String,
}

/// How old the counts of uses are.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// Since when uses are counted: the last reset, or else when the schema was made.
    pub since: Option<DateTime<Utc>>,
    /// The same in whole days.
    pub days: Option<i64>,
    /// Whether the counters were ever set to zero.
    pub reset: bool,
}

/// Everything that came out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form.
    pub schema_version: u32,
    /// The version of this program.
    pub program: &'static str,
    /// When it was made.
    pub generated_at: DateTime<Utc>,
    /// The database.
    pub database: DatabaseReport,
    /// How old the counts of uses are.
    pub statistics: Statistics,
    /// What counts as a finding.
    pub thresholds: Thresholds,
    /// What is to be looked at, the worst first.
    pub findings: Vec<Finding>,
    /// What could not be seen.
    pub limits: Vec<Limit>,
    /// Every named query.
    pub queries: Vec<QueryReport>,
}

impl Report {
    pub(super) fn new(
        catalog: &Catalog,
        thresholds: Thresholds,
        findings: Vec<Finding>,
        queries: Vec<QueryReport>,
        limits: Vec<Limit>,
    ) -> Self {
        let database = &catalog.database;
        let since = database.stats_reset.max(database.made_at);
        Self {
            schema_version: SCHEMA_VERSION,
            program: env!("CARGO_PKG_VERSION"),
            generated_at: database.at,
            database: DatabaseReport {
                name: database.name.clone(),
                schema: database.schema.clone(),
                role: database.role.clone(),
                postgres: database.version.clone(),
            },
            statistics: Statistics {
                since,
                days: since.map(|since| (database.at - since).num_days()),
                reset: database.stats_reset.is_some(),
            },
            thresholds,
            findings,
            limits,
            queries,
        }
    }
}
