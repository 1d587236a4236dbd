//! Why a query gave no rows, in words that hold no password.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use arrow::error::ArrowError;
use crds::decode::SpecError;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::Database;
use crate::Error;
use crate::spool;

/// Why a query gave no rows.
pub enum Failure {
    /// The server cannot be reached, or lets nobody in.
    Connect(sqlx::Error),
    /// The server refuses what every query needs.
    Server(sqlx::Error),
    /// The query fails.
    Query(sqlx::Error),
    /// The query is none whose rows can be read.
    Wrong(String),
    /// A value cannot be read.
    Value(String),
    /// Nothing came from the server for so long.
    Silent(Duration),
    /// The temporary file cannot be made.
    Disk(io::Error),
    /// The temporary file cannot be written.
    Arrow(ArrowError),
}

impl Failure {
    /// What to tell of it: a mistake of the job where its text is wrong, else why the run failed.
    pub fn told(self, place: &str, query: &str, database: &Database) -> Error {
        let message = match self {
            Self::Query(error) if is_about_the_text(&error) => {
                let (position, message) = explained(&error, query);
                return Error::Spec(vec![SpecError {
                    path: place.to_owned(),
                    message: format!("{position}{message}"),
                }]);
            }
            Self::Query(error) => {
                let (position, message) = explained(&error, query);
                format!("{position}{message}")
            }
            Self::Server(error) => explained(&error, query).1,
            Self::Connect(error) => connecting(&error, database),
            Self::Silent(time) => format!(
                "nothing has come from {} for {} seconds; check the network and the server, and \
                 run again",
                database.server(),
                time.as_secs()
            ),
            Self::Wrong(message) | Self::Value(message) => message,
            Self::Disk(error) | Self::Arrow(ArrowError::IoError(_, error)) => spool::failed(&error),
            Self::Arrow(error) => format!("the rows cannot be written ({error})"),
        };
        Error::Failed(format!("{place}: {message}"))
    }
}

/// Whether the query would fail like this on every day: its text is wrong, or names what is not
/// there.
fn is_about_the_text(error: &sqlx::Error) -> bool {
    const MAY_NOT: &str = "42501";
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.starts_with("42") && code != MAY_NOT)
}

/// Where in the query, as the beginning of a sentence, and what the server says.
fn explained(error: &sqlx::Error, query: &str) -> (String, String) {
    let Some(error) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        let cause = innermost(error);
        return (
            String::new(),
            format!("the connection is lost ({cause}); check the server and run again"),
        );
    };
    let position = match error.position() {
        Some(PgErrorPosition::Original(at)) => {
            let (line, column) = line_and_column(query, at);
            format!("line {line}, column {column}: ")
        }
        _ => String::new(),
    };
    let mut message = error.message().to_owned();
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        message.push_str("; ");
        message.push_str(more);
    }
    let remedy = match error.code() {
        "57014" => {
            "; make the query faster, or give it longer with ?options=-c%20statement_timeout=2h in \
             the URL"
        }
        "25006" => "; a source only reads: write a SELECT that changes nothing",
        "42501" => "; let the role read it, or use another role",
        _ => "",
    };
    (position, format!("{message}{remedy}"))
}

fn connecting(error: &sqlx::Error, database: &Database) -> String {
    let (server, variable) = (database.server(), &database.variable);
    if error.as_database_error().is_some() {
        let (_, message) = explained(error, "");
        return format!("{server} refuses the connection: {message}; correct {variable}");
    }
    let cause = innermost(error);
    let remedy = match error {
        _ if is_tls(error) && database.verified_by_default => {
            "the certificate of another machine is checked unless the URL says otherwise: name its \
             authority with ?sslmode=verify-full&sslrootcert=FILE, or write ?sslmode=require to \
             encrypt without knowing who answers, or ?sslmode=disable where the network is trusted"
        }
        _ if is_tls(error) => {
            "correct sslmode and sslrootcert in the URL, or the server's certificate"
        }
        _ => "correct the host and the port, or start the server",
    };
    format!("{server} cannot be reached ({cause}); {remedy} ({variable})")
}

fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>),
        _ => false,
    }
}

/// The message of the first cause.
fn innermost(error: &sqlx::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}

/// A place in a text, from 1, by characters.
fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before = text.chars().take(position.saturating_sub(1));
    before.fold((1, 1), |(line, column), c| match c {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::line_and_column;

    #[test]
    fn a_position_counts_characters_from_1() {
        assert_eq!(line_and_column("SELECT x", 8), (1, 8));
        assert_eq!(line_and_column("SELECT 'ü',\n  x", 15), (2, 3));
        assert_eq!(line_and_column("", 0), (1, 1));
    }
}
