//! `migrate`: the schema, brought up to this version.

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

use crate::config::DatabaseConfig;
use crate::db::MIGRATOR;

pub(super) async fn run(config: DatabaseConfig) -> Result<(), String> {
    let result = migrate(&config).await;
    if let Err(message) = &result {
        super::write_termination_message(message);
    }
    result
}

async fn migrate(config: &DatabaseConfig) -> Result<(), String> {
    let options = config
        .connect_options()
        .map_err(|_| "DATABASE_URL cannot be read".to_string())?
        .options([(
            "lock_timeout",
            format!("{}ms", config.lock_timeout.as_millis()),
        )]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
        .map_err(|error| format!("the database cannot be reached: {error}"))?;
    MIGRATOR.run(&pool).await.map_err(|error| explain(&error))?;
    println!("the schema is at version {}", crate::db::needed_schema());
    Ok(())
}

/// Names the migration that failed and the statement within it.
fn explain(error: &MigrateError) -> String {
    let MigrateError::ExecuteMigration(source, version) = error else {
        return format!("migration failed: {error}");
    };
    let migration = MIGRATOR
        .iter()
        .find(|migration| migration.version == *version);
    let name = migration.map_or("unknown", |migration| &*migration.description);
    let mut message = format!("migration {version} ({name}) failed: {source}");
    let position = source
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        .and_then(sqlx::postgres::PgDatabaseError::position);
    if let (Some(migration), Some(sqlx::postgres::PgErrorPosition::Original(at))) =
        (migration, position)
    {
        message.push_str("\nstatement: ");
        message.push_str(statement_at(migration.sql.as_str(), at));
    }
    message
}

/// The statement around a position, counted in characters from 1.
fn statement_at(sql: &str, position: usize) -> &str {
    let at = sql
        .char_indices()
        .nth(position.saturating_sub(1))
        .map_or(sql.len(), |(at, _)| at);
    let start = sql[..at].rfind(";\n").map_or(0, |end| end + 2);
    let end = sql[at..].find(';').map_or(sql.len(), |end| at + end + 1);
    sql[start..end].trim()
}

#[cfg(test)]
mod tests {
    use super::statement_at;

    #[test]
    fn the_statement_of_a_position_is_found() {
        let sql = "CREATE TABLE a ();\nCREATE TABLE b (x nothing);\nCREATE TABLE c ();\n";
        assert_eq!(statement_at(sql, 38), "CREATE TABLE b (x nothing);");
        assert_eq!(statement_at(sql, 1), "CREATE TABLE a ();");
        assert_eq!(statement_at(sql, 500), "");
    }
}
