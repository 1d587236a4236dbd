//! The rights of the API's role, where it is not the role that owns the tables.

use sqlx::{AssertSqlSafe, PgPool};

const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
const SCHEMA: &str = "SELECT current_schema()::text";
const QUOTE: &str = "SELECT quote_ident($1)";
// Every table of the schema but these two, whatever a later version adds.
const TABLES: &str = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
     WHERE schemaname = current_schema() AND tablename NOT IN ('_sqlx_migrations', 'audit_log')";
const APPEND: &str = "SELECT 'audit_append'::regproc::oid::regprocedure::text";
// Membership in the owner, also of the schema, lets a role take the protection away.
const CAN_CHANGE_THE_LOG: &str = "SELECT has_table_privilege($1, c.oid, 'INSERT') \
       OR has_table_privilege($1, c.oid, 'UPDATE') OR has_table_privilege($1, c.oid, 'DELETE') \
       OR has_table_privilege($1, c.oid, 'TRUNCATE') OR has_table_privilege($1, c.oid, 'TRIGGER') \
       OR pg_has_role($1, c.relowner, 'MEMBER') OR pg_has_role($1, n.nspowner, 'MEMBER') \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.oid = 'audit_log'::regclass";

/// Gives the role what the API needs and takes the rest: it reads and writes every table, but only
/// reads the audit log and adds to it through the function that keeps the chain.
pub(super) async fn give(pool: &PgPool, role: &str) -> Result<(), String> {
    let failed = |error: sqlx::Error| format!("the rights of {role} cannot be set: {error}");
    let exists: bool = sqlx::query_scalar(EXISTS)
        .bind(role)
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    if !exists {
        return Err(format!(
            "the role {role} of DATABASE_URL does not exist; create it with LOGIN and no other right"
        ));
    }
    grant(pool, role).await.map_err(failed)?;
    let can_change: bool = sqlx::query_scalar(CAN_CHANGE_THE_LOG)
        .bind(role)
        .fetch_one(pool)
        .await
        .map_err(failed)?;
    if can_change {
        return Err(format!(
            "the role {role} of DATABASE_URL can change the audit log: it is a superuser, or it \
             owns the table, the schema or the database, or is a member of their owner; use a role \
             of its own, or leave MIGRATION_DATABASE_URL out"
        ));
    }
    Ok(())
}

async fn grant(pool: &PgPool, role: &str) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    let quoted: String = sqlx::query_scalar(QUOTE)
        .bind(role)
        .fetch_one(&mut *tx)
        .await?;
    let schema: String = sqlx::query_scalar(SCHEMA).fetch_one(&mut *tx).await?;
    let schema: String = sqlx::query_scalar(QUOTE)
        .bind(schema)
        .fetch_one(&mut *tx)
        .await?;
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *tx).await?;
    let append: String = sqlx::query_scalar(APPEND).fetch_one(&mut *tx).await?;
    let mut statements = vec![
        format!("GRANT USAGE ON SCHEMA {schema} TO {quoted}"),
        format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {quoted}"),
        format!("REVOKE ALL ON audit_log, _sqlx_migrations FROM {quoted}"),
        format!("GRANT SELECT ON audit_log, _sqlx_migrations TO {quoted}"),
        format!("GRANT EXECUTE ON FUNCTION {append} TO {quoted}"),
    ];
    statements.extend(tables.into_iter().map(|table| {
        // No TRUNCATE, REFERENCES and TRIGGER: the API never needs them.
        format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {quoted}")
    }));
    for statement in statements {
        // Made of names that the database quoted itself.
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}
