//! How the database runs the named queries, with values of its own rows.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::db::named::NamedQuery;

const TYPES: &str = "SELECT array(SELECT t::text FROM unnest(parameter_types) t) \
     FROM pg_prepared_statements WHERE name = 'audited'";
const FORGET: &str = "DEALLOCATE ALL";
const LAST_RESORT: &str = "SET LOCAL enable_seqscan = off";
const TIMED_OUT: &str = "57014";
const FORBIDDEN: &str = "42501";
/// Rows among which samples are looked for.
const AMONG: f64 = 2000.0;

/// What came of explaining a query.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It ran and was rolled back: a plan with figures for each sample.
    Analyzed(Vec<Value>),
    /// It writes, locks or reads no table, so it was planned and did not run.
    Planned(Value),
    /// It ran for longer than the statement timeout; the plan is the one it had.
    TimedOut(Value),
    /// The role may not do what the query does.
    Forbidden(String),
    /// It does not fit the schema.
    Failed(String),
}

/// A query, explained.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The query.
    pub query: NamedQuery,
    /// Rows that gave values; without any, those of the parameters' types stand in.
    pub samples: usize,
    /// What came of it.
    pub outcome: Outcome,
    /// Where it reads a table sequentially: the plan that it has when that is the last resort. So a
    /// scan that is cheaper than an index is told from one that no index can replace.
    pub by_index: Option<Value>,
}

/// Explains a query with the values of up to `samples` rows of a table with about `rows` rows.
/// A plan that changes or locks nothing is run, in a transaction that can write nothing and is
/// rolled back.
///
/// # Errors
/// When the connection is lost; what is wrong with the query alone is its outcome.
pub async fn explain(
    connection: &mut PgConnection,
    query: NamedQuery,
    rows: i64,
    samples: usize,
) -> Result<Explained, sqlx::Error> {
    let mut tx = connection.begin().await?;
    let mut explained = Explained {
        query,
        samples: 0,
        outcome: Outcome::Failed(String::new()),
        by_index: None,
    };
    let result = attempt(&mut tx, rows, samples, &mut explained).await;
    tx.rollback().await?;
    // A prepared statement outlives the transaction, and sqlx keeps none that it needs.
    connection.clear_cached_statements().await?;
    sqlx::raw_sql(FORGET).execute(&mut *connection).await?;
    explained.outcome = match result {
        Ok(outcome) => outcome,
        Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
            Some(FORBIDDEN) => Outcome::Forbidden(error.message().to_owned()),
            _ => Outcome::Failed(error.message().to_owned()),
        },
        Err(error) => return Err(error),
    };
    Ok(explained)
}

async fn attempt(
    tx: &mut PgConnection,
    rows: i64,
    samples: usize,
    explained: &mut Explained,
) -> Result<Outcome, sqlx::Error> {
    let query = explained.query;
    // A statement as the API sends it: planned for its values, not with them written into it.
    let prepare = format!("PREPARE audited AS {}", query.sql);
    sqlx::raw_sql(AssertSqlSafe(prepare))
        .execute(&mut *tx)
        .await?;
    let types: Vec<String> = sqlx::query_scalar(TYPES).fetch_one(&mut *tx).await?;
    let mut chosen = sample(tx, query, &types, rows, samples).await?;
    explained.samples = chosen.len();
    if chosen.is_empty() {
        chosen.push(types.iter().map(|name| stand_in(name)).collect());
    }
    let plan = run(tx, "FORMAT JSON", &chosen[0]).await?;
    let mut scanned = reads_sequentially(&plan).then_some(&chosen[0]);
    if !only_reads(&plan) {
        explained.by_index = by_index(tx, scanned).await?;
        return Ok(Outcome::Planned(plan));
    }
    let mut analyzed = Vec::with_capacity(chosen.len());
    for values in &chosen {
        match run(tx, "ANALYZE, BUFFERS, FORMAT JSON", values).await {
            Ok(plan) => {
                if reads_sequentially(&plan) {
                    scanned = Some(values);
                }
                analyzed.push(plan);
            }
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(TIMED_OUT) => {
                return Ok(Outcome::TimedOut(plan));
            }
            Err(error) => return Err(error),
        }
    }
    explained.by_index = by_index(tx, scanned).await?;
    Ok(Outcome::Analyzed(analyzed))
}

async fn by_index(
    tx: &mut PgConnection,
    values: Option<&Vec<String>>,
) -> Result<Option<Value>, sqlx::Error> {
    let Some(values) = values else {
        return Ok(None);
    };
    sqlx::raw_sql(LAST_RESORT).execute(&mut *tx).await?;
    run(tx, "FORMAT JSON", values).await.map(Some)
}

fn reads_sequentially(explained: &Value) -> bool {
    let mut found = false;
    walk(&explained["Plan"], &mut |node| {
        found |= node["Node Type"] == "Seq Scan";
    });
    found
}

/// Values for the parameters, as the texts of literals.
async fn sample(
    tx: &mut PgConnection,
    query: NamedQuery,
    types: &[String],
    rows: i64,
    samples: usize,
) -> Result<Vec<Vec<String>>, sqlx::Error> {
    if types.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = (1..=types.len()).map(|n| format!("p{n}")).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
    let (from, limit) = match query.sample.table {
        None => (String::new(), 1),
        Some(table) => {
            // Pages, not rows, are picked: what it costs does not grow with the table.
            #[expect(clippy::cast_precision_loss, reason = "a share needs no precision")]
            let percent = (100.0 * AMONG / rows.max(1) as f64).clamp(0.000_1, 100.0);
            let from = format!(" FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)");
            (from, samples)
        }
    };
    // All of it is this program's own text.
    let sql = format!(
        "SELECT array[{texts}] FROM (SELECT {values}{from}) AS s ({names}) \
         WHERE num_nulls({names}) = 0 ORDER BY md5(array[{texts}]::text) LIMIT {limit}",
        texts = texts.join(", "),
        values = query.sample.values,
        names = names.join(", "),
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(tx).await
}

/// A value of a type, where no row has one.
fn stand_in(name: &str) -> String {
    match name {
        "uuid" => "00000000-0000-0000-0000-000000000000",
        "smallint" | "integer" | "bigint" | "double precision" | "numeric" => "1",
        "boolean" => "false",
        "timestamp with time zone" => "now",
        "bytea" => "\\x00",
        "jsonb" => "{}",
        name if name.ends_with("[]") => "{}",
        _ => "",
    }
    .to_owned()
}

async fn run(tx: &mut PgConnection, how: &str, values: &[String]) -> Result<Value, sqlx::Error> {
    let literals: Vec<String> = values.iter().map(|value| literal(value)).collect();
    let mut sql = format!("EXPLAIN ({how}) EXECUTE audited");
    if !literals.is_empty() {
        sql = format!("{sql}({})", literals.join(", "));
    }
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(tx).await?;
    let plan: Value = row.try_get(0)?;
    Ok(plan.get(0).cloned().unwrap_or_default())
}

/// A text as a literal, whatever is in it.
fn literal(text: &str) -> String {
    format!(
        "E'{}'",
        text.replace('\\', "\\\\")
            .replace('\'', "''")
            .replace('\0', "")
    )
}

/// Whether running a plan changes nothing and waits for nobody: it reads a table or an index, and
/// neither modifies nor locks rows. Functions that do more stand in plans without any table.
fn only_reads(explained: &Value) -> bool {
    let mut reads = false;
    let mut writes = false;
    walk(&explained["Plan"], &mut |node| {
        reads |= node.get("Relation Name").is_some() || node.get("Index Name").is_some();
        writes |= matches!(
            node["Node Type"].as_str(),
            Some("ModifyTable" | "LockRows") | None
        );
    });
    reads && !writes
}

/// Visits a plan's nodes, parents first.
pub fn walk<'a>(node: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::{literal, only_reads};
    use serde_json::json;

    #[test]
    fn a_literal_keeps_its_value_to_itself() {
        assert_eq!(literal(r"it's a \"), r"E'it''s a \\'");
    }

    #[test]
    fn only_plans_that_change_and_lock_nothing_are_run() {
        let scan = json!({"Node Type": "Seq Scan", "Relation Name": "runs"});
        let over = |node: &str| json!({"Plan": {"Node Type": node, "Plans": [scan.clone()]}});
        assert!(only_reads(&over("Limit")));
        assert!(!only_reads(&over("ModifyTable")));
        assert!(!only_reads(&over("LockRows")));
        assert!(!only_reads(&json!({"Plan": {"Node Type": "Result"}})));
    }
}
