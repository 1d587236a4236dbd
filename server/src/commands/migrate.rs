//! `migrate`: the schema, brought up to this version.

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use std::time::Duration;

use super::grants;
use crate::config::MigrationConfig;
use crate::db::MIGRATOR;

pub(super) async fn run(config: MigrationConfig) -> Result<(), String> {
    let result = migrate(&config).await;
    if let Err(message) = &result {
        super::write_termination_message(message);
    }
    result
}

async fn migrate(config: &MigrationConfig) -> Result<(), String> {
    let options = config
        .owner
        .connect_options()
        .map_err(|_| "DATABASE_URL cannot be read".to_string())?
        .options([(
            "lock_timeout",
            format!("{}ms", config.owner.lock_timeout.as_millis()),
        )]);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(options)
        .await
        .map_err(|error| format!("the database cannot be reached: {error}"))?;
    if let Err(error) = MIGRATOR.run(&pool).await {
        return Err(explain(&pool, &error).await);
    }
    if let Some(role) = &config.api_role {
        grants::give(&pool, role).await?;
    } else {
        tracing::warn!(
            "the API's role owns the tables; give MIGRATION_DATABASE_URL a role of its own, so \
             that the API cannot take the audit log's protection away"
        );
    }
    println!("the schema is at version {}", crate::db::needed_schema());
    Ok(())
}

/// Names the migration that failed and the statement within it.
async fn explain(pool: &PgPool, error: &MigrateError) -> String {
    let MigrateError::ExecuteMigration(source, version) = error else {
        return format!("migration failed: {error}");
    };
    let Some(migration) = MIGRATOR
        .iter()
        .find(|migration| migration.version == *version)
    else {
        return format!("migration {version} failed: {source}");
    };
    let mut message = format!(
        "migration {version} ({}) failed: {source}",
        migration.description
    );
    if let Some(statement) = failing_statement(pool, migration.sql.as_str()).await {
        message.push_str("\nstatement: ");
        message.push_str(&statement);
    }
    message
}

/// A migration is sent as a whole, and for most errors PostgreSQL does not say where in it. So its
/// statements are tried one by one in a transaction that is always rolled back.
async fn failing_statement(pool: &PgPool, sql: &'static str) -> Option<String> {
    let mut transaction = pool.begin().await.ok()?;
    for statement in statements(sql) {
        if sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(&mut *transaction)
            .await
            .is_err()
        {
            return Some(statement.to_owned());
        }
    }
    None
}

/// The statements of a migration without its comments' lines before them. Migrations end each
/// statement with its line, and quote the bodies of functions with `$$`.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    let next = move || {
        let mut quoted = false;
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            end += line.len();
            quoted ^= line.matches("$$").count() % 2 == 1;
            if line.ends_with(";\n") && !quoted {
                break;
            }
        }
        let (statement, after) = rest.split_at(end);
        rest = after;
        (!statement.is_empty()).then_some(statement)
    };
    std::iter::from_fn(next)
        .map(|statement| {
            let mut rest = statement.trim();
            while rest.starts_with("--") {
                rest = rest
                    .split_once('\n')
                    .map_or("", |(_, rest)| rest.trim_start());
            }
            rest
        })
        .filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn statements_are_told_apart() {
        let sql = "-- About a.\n\nCREATE TABLE a ();\n\n-- About b.\nCREATE TABLE b (\n  x int);\n";
        let found: Vec<&str> = statements(sql).collect();
        assert_eq!(found, ["CREATE TABLE a ();", "CREATE TABLE b (\n  x int);"]);
    }

    #[test]
    fn a_function_is_one_statement() {
        let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\n  SELECT 1;\n$$;";
        let sql = format!("{function}\nSELECT f();\n");
        let found: Vec<&str> = statements(&sql).collect();
        assert_eq!(found, [function, "SELECT f();"]);
    }
}
