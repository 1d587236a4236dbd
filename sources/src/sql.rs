//! Queries on PostgreSQL.
//!
//! A query is prepared first: that shows its columns and their types, and that it is one statement.
//! Its rows then come as texts, which PostgreSQL writes without loss for every type, and are written
//! into an Arrow file as they come.

mod columns;
mod database;
mod decimals;
mod failure;

use std::io::{BufWriter, Write};
use std::time::Duration;

use crds::matching::Dataset;
use futures::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Either, Executor, SqlSafeStr, Statement, raw_sql};
use tokio::time::timeout;

use super::spool::Spool;
use super::{Error, Fetching};
use columns::Columns;
pub use database::Database;
use failure::Failure;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);
/// How long a query may run where neither the role nor the URL says it.
const STATEMENT_TIMEOUT: Duration = Duration::from_hours(1);
/// How much longer to wait for a server that should have ended the query by itself.
const GRACE: Duration = Duration::from_secs(30);
/// Rows between two signs of progress.
const ROWS_PER_STEP: u64 = 8192;

/// A transaction that changes nothing and sees one moment, and texts that mean the same everywhere.
const BEGIN: &str = "\
START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL bytea_output = 'hex';
SET LOCAL extra_float_digits = 3;";

/// Writes the rows of a query, which stands at `place` in the job, into a temporary Arrow file.
///
/// # Errors
/// When the server cannot be reached, the query fails, or it gives no rows.
pub async fn fetch(
    database: &Database,
    place: &str,
    query: &str,
    dataset: &Dataset,
    progress: &dyn Fetching,
) -> Result<Spool, Error> {
    let rows = fetched(database, query, dataset, progress).await;
    rows.map_err(|failure| failure.told(place, query, database))
}

async fn fetched(
    database: &Database,
    query: &str,
    dataset: &Dataset,
    progress: &dyn Fetching,
) -> Result<Spool, Failure> {
    let connecting = PgConnection::connect_with(&database.options);
    let mut connection = match timeout(CONNECT, connecting).await {
        Ok(connected) => connected.map_err(Failure::Connect)?,
        Err(_) => return Err(Failure::Silent(CONNECT)),
    };
    connection.execute(BEGIN).await.map_err(Failure::Server)?;
    let limit = statement_timeout(&mut connection).await?;
    let sql = AssertSqlSafe(query.to_owned()).into_sql_str();
    let statement = connection.prepare(sql).await.map_err(Failure::Query)?;
    let parameters = match statement.parameters() {
        Some(Either::Left(types)) => types.len(),
        Some(Either::Right(count)) => count,
        None => 0,
    };
    if parameters > 0 {
        return Err(Failure::Wrong(
            "has parameters such as $1; write their values into the query".into(),
        ));
    }
    let mut columns = Columns::of(statement.columns(), dataset).map_err(Failure::Wrong)?;
    let mut spool = Spool::new().map_err(Failure::Disk)?;
    let writer = BufWriter::with_capacity(1 << 20, spool.file());
    let mut writer = columns.writer(writer).map_err(Failure::Arrow)?;
    // That the query is one statement was shown by preparing it.
    let mut rows = raw_sql(AssertSqlSafe(query.to_owned())).fetch(&mut connection);
    let mut count = 0;
    loop {
        let next = match timeout(limit + GRACE, rows.try_next()).await {
            Ok(next) => next.map_err(Failure::Query)?,
            Err(_) => return Err(Failure::Silent(limit + GRACE)),
        };
        let Some(row) = next else { break };
        columns.push(&row).map_err(Failure::Value)?;
        if columns.is_full() {
            let batch = columns.batch().map_err(Failure::Arrow)?;
            writer.write(&batch).map_err(Failure::Arrow)?;
        }
        count += 1;
        if count % ROWS_PER_STEP == 0 {
            progress.rows(count);
        }
    }
    if count == 0 {
        return Err(Failure::Wrong(
            "gives no rows; correct it, or run the job when there are some".into(),
        ));
    }
    let batch = columns.batch().map_err(Failure::Arrow)?;
    writer.write(&batch).map_err(Failure::Arrow)?;
    writer.finish().map_err(Failure::Arrow)?;
    let mut buffer = writer.into_inner().map_err(Failure::Arrow)?;
    buffer.flush().map_err(Failure::Disk)?;
    drop((buffer, rows));
    // The rows are here; what becomes of the connection changes nothing.
    let _ = connection.close().await;
    let decimals = columns.decimals().map_err(Failure::Value)?;
    if decimals.is_empty() {
        Ok(spool)
    } else {
        decimals::typed(&spool, &decimals).map_err(Failure::Arrow)
    }
}

/// The limit that holds for the query.
async fn statement_timeout(connection: &mut PgConnection) -> Result<Duration, Failure> {
    let setting = "SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout'";
    let set: i64 = sqlx::query_scalar(setting)
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::Server)?;
    match u64::try_from(set) {
        Ok(set) if set > 0 => Ok(Duration::from_millis(set)),
        _ => {
            let limit = STATEMENT_TIMEOUT.as_millis();
            let sql = format!("SET LOCAL statement_timeout = {limit}");
            let sql = raw_sql(AssertSqlSafe(sql));
            sql.execute(connection).await.map_err(Failure::Server)?;
            Ok(STATEMENT_TIMEOUT)
        }
    }
}
