//! What `audit-indexes` asks the database: its catalogue, its statistics, and how it would run the
//! named queries. Every transaction is read-only, so nothing of this can change anything.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use std::time::Duration;

pub mod catalog;
pub mod plans;

/// A connection on which nothing can be written, and on which no statement takes longer than the
/// timeout.
///
/// # Errors
/// Errors of the database.
pub async fn connect(
    options: PgConnectOptions,
    statement_timeout: Duration,
) -> Result<PgConnection, sqlx::Error> {
    options
        .application_name("reconciliation-server audit-indexes")
        .options([
            ("default_transaction_read_only", "on".to_owned()),
            (
                "statement_timeout",
                format!("{}ms", statement_timeout.as_millis()),
            ),
            ("lock_timeout", "1s".to_owned()),
        ])
        .connect()
        .await
}
