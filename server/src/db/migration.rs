//! Brings a schema up to this version, also after an attempt that failed halfway.
//!
//! Indexes on tables with rows are built by migrations of their own, `CREATE INDEX CONCURRENTLY`
//! outside of a transaction and by one process, so that writes go on meanwhile. Where such a build is cut off an
//! invalid index stays, which costs writes and serves nobody: it is dropped and built again here.

use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, Migrator};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::MIGRATOR;

// Of one transaction each, so that nobody who waits holds a snapshot: a concurrent build waits for
// every older snapshot, and with a waiting `pg_advisory_lock` both would wait for ever.
const LOCK: &str = "SELECT pg_try_advisory_lock($1)";
const UNLOCK: &str = "SELECT pg_advisory_unlock($1)";
const LOCK_ID: i64 = 0x7265_636f_6e63_696c;
const LOCK_PAUSE: Duration = Duration::from_millis(100);
const IS_INVALID: &str = "SELECT EXISTS (SELECT FROM pg_index \
     WHERE indexrelid = to_regclass($1) AND NOT indisvalid)";
// A build with several workers takes every processor, and writes wait for theirs.
const ONE_WORKER: &str = "SET max_parallel_maintenance_workers = 0";
const ANY_WORKERS: &str = "RESET max_parallel_maintenance_workers";
const SET_LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', $1, false)";

/// Why the schema could not be brought up to this version.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A migration failed, or the database has others than this version.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database failed between two migrations.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// Somebody else migrates.
    #[error("another migration of this database is under way, for longer than LOCK_TIMEOUT")]
    Busy,
    /// An invalid index could not be dropped.
    #[error("the invalid index {0}, left by a build that was cut off, cannot be dropped: {1}")]
    Drop(String, sqlx::Error),
}

/// Applies the migrations that are missing. A lock is waited for no longer than `lock_timeout`,
/// those aside that a concurrent build takes: nobody waits behind these.
///
/// # Errors
/// See [`Error`]. What was done before stays, and the next call goes on from there.
pub async fn run(connection: &mut PgConnection, lock_timeout: Duration) -> Result<(), Error> {
    lock(connection, lock_timeout).await?;
    let result = apply(connection, lock_timeout).await;
    // When the connection is gone, so is the lock.
    let unlocked = sqlx::query(UNLOCK).bind(LOCK_ID).execute(connection).await;
    result.and_then(|()| unlocked.map(drop).map_err(Error::from))
}

async fn lock(connection: &mut PgConnection, timeout: Duration) -> Result<(), Error> {
    let start = Instant::now();
    loop {
        let query = sqlx::query_scalar(LOCK).bind(LOCK_ID);
        if query.fetch_one(&mut *connection).await? {
            return Ok(());
        }
        if start.elapsed() >= timeout {
            return Err(Error::Busy);
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
}

async fn apply(connection: &mut PgConnection, lock_timeout: Duration) -> Result<(), Error> {
    let mut migrator = Migrator::with_migrations(MIGRATOR.iter().cloned().collect());
    migrator.set_locking(false);
    connection
        .ensure_migrations_table("_sqlx_migrations")
        .await?;
    let applied = connection
        .list_applied_migrations("_sqlx_migrations")
        .await?;
    let applied: HashSet<i64> = applied
        .into_iter()
        .map(|AppliedMigration { version, .. }| version)
        .collect();
    let builds = MIGRATOR
        .iter()
        .filter(|migration| !applied.contains(&migration.version))
        .filter_map(|migration| Some((migration.version, index_of(migration)?)));
    for (version, index) in builds {
        migrator.run_to(version - 1, &mut *connection).await?;
        drop_invalid(connection, index).await?;
        set_lock_timeout(connection, Duration::ZERO).await?;
        sqlx::raw_sql(ONE_WORKER).execute(&mut *connection).await?;
        migrator.run_to(version, &mut *connection).await?;
        sqlx::raw_sql(ANY_WORKERS).execute(&mut *connection).await?;
        set_lock_timeout(connection, lock_timeout).await?;
    }
    migrator.run(connection).await?;
    Ok(())
}

async fn drop_invalid(connection: &mut PgConnection, index: &str) -> Result<(), Error> {
    let query = sqlx::query_scalar(IS_INVALID).bind(index);
    let invalid: bool = query.fetch_one(&mut *connection).await?;
    if !invalid {
        return Ok(());
    }
    tracing::warn!(index, "dropping an invalid index, to build it again");
    // The name is one of a migration's, so of this program's own text.
    sqlx::raw_sql(AssertSqlSafe(format!(
        "DROP INDEX CONCURRENTLY IF EXISTS {index}"
    )))
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| Error::Drop(index.to_owned(), error))
}

async fn set_lock_timeout(
    connection: &mut PgConnection,
    timeout: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(SET_LOCK_TIMEOUT)
        .bind(format!("{}ms", timeout.as_millis()))
        .execute(connection)
        .await
        .map(drop)
}

/// The index that a migration builds, where it builds one concurrently.
#[must_use]
pub fn index_of(migration: &Migration) -> Option<&str> {
    if !migration.no_tx {
        return None;
    }
    let (_, rest) = migration
        .sql
        .as_str()
        .split_once("INDEX CONCURRENTLY IF NOT EXISTS")?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::{MIGRATOR, index_of};

    #[test]
    fn what_runs_outside_of_a_transaction_is_one_concurrent_build() {
        let mut builds = 0;
        for migration in MIGRATOR.iter().filter(|migration| migration.no_tx) {
            let sql = migration.sql.as_str();
            assert!(
                index_of(migration)
                    .is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase())),
                "{sql}"
            );
            assert_eq!(sql.matches(';').count(), 1, "one statement only: {sql}");
            builds += 1;
        }
        assert!(builds > 0);
        for migration in MIGRATOR.iter().filter(|migration| !migration.no_tx) {
            assert!(!migration.sql.as_str().contains("CONCURRENTLY"));
        }
    }
}
