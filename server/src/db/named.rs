//! What is asked of the database, by name.

use sqlx::{SqlSafeStr, SqlStr};

/// A query with a name: what runs, what metrics call it, and with which values `audit-indexes`
/// explains it. It goes to sqlx as it is, like a literal.
///
/// Every query that the program asks of its own tables is one and stands in the `QUERIES` of its
/// module; `server/tests/query_names.rs` looks for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedQuery {
    /// The name, `module.query`. It is one of a fixed set, so it may be a label.
    pub name: &'static str,
    /// The statement.
    pub sql: &'static str,
    /// Where values for its parameters come from.
    pub sample: Sample,
}

/// Where values for the parameters of a query come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The table whose rows give the values; none where they are the same each time.
    pub table: Option<&'static str>,
    /// A select list over a row: a value for each parameter, in order. Values are never reported,
    /// and what is secret is not read for them: a hash is a constant here.
    pub values: &'static str,
}

impl NamedQuery {
    /// A query without parameters.
    #[must_use]
    pub const fn new(name: &'static str, sql: &'static str) -> Self {
        let sample = Sample {
            table: None,
            values: "",
        };
        Self { name, sql, sample }
    }

    /// With parameters from the rows of a table.
    #[must_use]
    pub const fn sampled(self, table: &'static str, values: &'static str) -> Self {
        let sample = Sample {
            table: Some(table),
            values,
        };
        Self { sample, ..self }
    }

    /// With parameters that are the same each time.
    #[must_use]
    pub const fn with(self, values: &'static str) -> Self {
        let sample = Sample {
            table: None,
            values,
        };
        Self { sample, ..self }
    }
}

impl SqlSafeStr for NamedQuery {
    fn into_sql_str(self) -> SqlStr {
        self.sql.into_sql_str()
    }
}
