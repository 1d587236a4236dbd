//! Tables, indexes and foreign keys of the current schema, and what the statistics say of them.

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

const DATABASE: &str = "SELECT current_database()::text AS name, current_user::text AS role, \
       current_schema()::text AS schema, current_setting('server_version') AS version, now() AS at, \
       (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()) AS stats_reset, \
       (SELECT min(installed_on) FROM _sqlx_migrations) AS made_at";
const MIGRATED: &str = "SELECT version, installed_on FROM _sqlx_migrations WHERE success";
const TABLES: &str = "SELECT c.relname::text AS name, \
       greatest(c.reltuples, s.n_live_tup, 0)::bigint AS rows, \
       pg_table_size(c.oid) AS bytes, \
       (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a \
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns, \
       has_table_privilege(c.oid, 'SELECT') AS readable, \
       greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at \
     FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
     WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind IN ('r', 'p') \
     ORDER BY c.relname";
// The key columns are compared with everything that makes two indexes interchangeable.
const INDEXES: &str = "SELECT i.relname::text AS name, c.relname::text AS table_name, \
       am.amname::text AS method, x.indisunique AS is_unique, \
       x.indisvalid AND x.indisready AND x.indislive AS is_valid, \
       EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x')) \
         AS is_constraint, \
       x.indisreplident OR x.indisclustered AS is_marked, \
       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.oid) AS is_building, \
       x.indkey::text AS keys, x.indnkeyatts::int AS key_count, x.indclass::text AS classes, \
       x.indcollation::text AS collations, x.indoption::text AS options, \
       pg_get_expr(x.indexprs, x.indrelid) AS expressions, \
       pg_get_expr(x.indpred, x.indrelid) AS predicate, \
       pg_get_indexdef(i.oid, 1, true) AS first, pg_get_indexdef(i.oid) AS definition, pg_relation_size(i.oid) AS bytes, \
       coalesce(s.idx_scan, 0) AS scans, i.reltuples::float8 AS entries, \
       coalesce(substring(array_to_string(i.reloptions, ',') FROM 'fillfactor=(\\d+)')::int, 90) \
         AS fill_factor, \
       (SELECT CASE WHEN bool_and(w.width IS NOT NULL) THEN sum(w.width)::float8 END \
        FROM generate_series(1, x.indnatts) AS k (n) \
        LEFT JOIN LATERAL (SELECT t.avg_width * (1 - t.null_frac) AS width FROM pg_stats t \
          WHERE t.schemaname = current_schema() AND t.tablename IN (c.relname, i.relname) \
            AND t.attname = (SELECT CASE WHEN x.indkey[k.n - 1] = 0 THEN ia.attname ELSE ca.attname END \
              FROM pg_attribute ia LEFT JOIN pg_attribute ca \
                ON ca.attrelid = c.oid AND ca.attnum = x.indkey[k.n - 1] \
              WHERE ia.attrelid = i.oid AND ia.attnum = k.n) LIMIT 1) w ON true) AS key_width \
     FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid \
     JOIN pg_am am ON am.oid = i.relam \
     LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid \
     WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema())) AND c.relkind = 'r' \
     ORDER BY c.relname, i.relname";
const FOREIGN_KEYS: &str = "SELECT k.conname::text AS name, c.relname::text AS table_name, \
       r.relname::text AS target, array_to_string(k.conkey, ' ') AS keys, \
       (SELECT array_agg(a.attname::text ORDER BY u.n) FROM unnest(k.conkey) WITH ORDINALITY u (at, n) \
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.at) AS columns \
     FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid \
     WHERE k.contype = 'f' AND c.relnamespace = to_regnamespace(quote_ident(current_schema())) \
     ORDER BY c.relname, k.conname";
const STAT_INDEX: &str = "SELECT quote_ident(n.nspname), has_function_privilege(p.oid, 'EXECUTE') \
       AND has_schema_privilege(n.oid, 'USAGE') \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
     WHERE p.proname = 'pgstatindex' AND p.proargtypes[0] = 'regclass'::regtype";
const QUOTE: &str = "SELECT quote_ident($1)";

/// The database that is looked at.
#[derive(Clone, Debug, FromRow)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The role that looks.
    pub role: String,
    /// The schema that is looked at.
    pub schema: String,
    /// The version of PostgreSQL.
    pub version: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Since when uses of indexes are counted; none where the counters were never set to zero.
    pub stats_reset: Option<DateTime<Utc>>,
    /// When the schema was made.
    pub made_at: Option<DateTime<Utc>>,
}

/// A table.
#[derive(Clone, Debug, FromRow)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Rows, as the statistics have it.
    pub rows: i64,
    /// Bytes without indexes.
    pub bytes: i64,
    /// Its columns.
    pub columns: Vec<String>,
    /// Whether the role may read it.
    pub readable: bool,
    /// When its statistics were last made.
    pub analyzed_at: Option<DateTime<Utc>>,
}

/// An index.
#[derive(Clone, Debug, Default, FromRow)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are columns of the catalogue, independent of each other"
)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its table.
    pub table_name: String,
    /// The access method, such as `btree`.
    pub method: String,
    /// Whether it keeps values apart.
    pub is_unique: bool,
    /// Whether queries may use it.
    pub is_valid: bool,
    /// Whether a primary key or another constraint stands on it.
    pub is_constraint: bool,
    /// Whether replication or CLUSTER goes by it.
    pub is_marked: bool,
    /// Whether it is just being built.
    pub is_building: bool,
    /// Numbers of the columns, with a blank between; 0 for an expression.
    pub keys: String,
    /// Columns that are keys; further ones are included.
    pub key_count: i32,
    /// Operator classes of the keys.
    pub classes: String,
    /// Collations of the keys.
    pub collations: String,
    /// Directions of the keys.
    pub options: String,
    /// The expressions among the keys.
    pub expressions: Option<String>,
    /// Which rows are in it.
    pub predicate: Option<String>,
    /// The first column or expression.
    pub first: String,
    /// The statement that makes it.
    pub definition: String,
    /// Bytes.
    pub bytes: i64,
    /// How often it was used since the counters were set to zero.
    pub scans: i64,
    /// Its entries, as the statistics have it.
    pub entries: f64,
    /// How full a page is made, in percent.
    pub fill_factor: i32,
    /// The mean width of its columns in bytes; none where the statistics do not say.
    pub key_width: Option<f64>,
}

impl Index {
    /// The columns that are keys, each with everything that its order depends on.
    #[must_use]
    pub fn key(&self) -> Vec<[&str; 4]> {
        let count = usize::try_from(self.key_count).unwrap_or_default();
        let [mut classes, mut collations, mut options] =
            [&self.classes, &self.collations, &self.options].map(|text| text.split_whitespace());
        self.columns()
            .take(count)
            .map(|column| {
                [
                    column,
                    classes.next().unwrap_or_default(),
                    collations.next().unwrap_or_default(),
                    options.next().unwrap_or_default(),
                ]
            })
            .collect()
    }

    /// The numbers of its columns, those included too.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.keys.split_whitespace()
    }
}

/// A foreign key.
#[derive(Clone, Debug, FromRow)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The table that has it.
    pub table_name: String,
    /// The table that it points to.
    pub target: String,
    /// Numbers of its columns, with a blank between.
    pub keys: String,
    /// Names of its columns.
    pub columns: Vec<String>,
}

/// Whether the extension `pgstattuple` can say how full an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatIndex {
    /// It can, by the function of this schema.
    In(String),
    /// It is not installed.
    Missing,
    /// The role may not ask it.
    Forbidden,
}

/// Everything that is known without running a query.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// The database.
    pub database: Database,
    /// The migrations that it has, and since when.
    pub migrated: Vec<(i64, DateTime<Utc>)>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Their indexes.
    pub indexes: Vec<Index>,
    /// Their foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// How bloat can be measured.
    pub stat_index: StatIndex,
}

/// Reads the catalogue and the statistics.
///
/// # Errors
/// Errors of the database, also where it has no schema of this program.
pub async fn read(connection: &mut PgConnection) -> Result<Catalog, sqlx::Error> {
    let stat_index: Option<(String, bool)> = sqlx::query_as(STAT_INDEX)
        .fetch_optional(&mut *connection)
        .await?;
    Ok(Catalog {
        database: sqlx::query_as(DATABASE).fetch_one(&mut *connection).await?,
        migrated: sqlx::query_as(MIGRATED).fetch_all(&mut *connection).await?,
        tables: sqlx::query_as(TABLES).fetch_all(&mut *connection).await?,
        indexes: sqlx::query_as(INDEXES).fetch_all(&mut *connection).await?,
        foreign_keys: sqlx::query_as(FOREIGN_KEYS)
            .fetch_all(&mut *connection)
            .await?,
        stat_index: match stat_index {
            None => StatIndex::Missing,
            Some((_, false)) => StatIndex::Forbidden,
            Some((schema, true)) => StatIndex::In(schema),
        },
    })
}

/// How full the leaves of a B-tree are, in percent. It reads the whole index.
///
/// # Errors
/// Errors of the database.
pub async fn leaf_density(
    connection: &mut PgConnection,
    schema: &str,
    index: &str,
) -> Result<f64, sqlx::Error> {
    // Made of a name that the database quoted itself.
    let sql = format!("SELECT avg_leaf_density FROM {schema}.pgstatindex($1::regclass)");
    let name: String = sqlx::query_scalar(QUOTE)
        .bind(index)
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(name)
        .fetch_one(connection)
        .await
}
