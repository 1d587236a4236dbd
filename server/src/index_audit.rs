//! `audit-indexes`: what is wrong with the indexes of a database, and what would mend it. It reads
//! and proposes; nothing here changes anything.
//!
//! [`crate::db::index_audit`] asks the database, [`structure`] and [`upkeep`] judge the indexes as
//! they are, [`scans`] how queries use them, and [`report`] is what comes out.

use sqlx::PgConnection;
use std::collections::HashMap;

use crate::db;
use crate::db::index_audit::catalog::{self, Catalog, StatIndex};
use crate::db::index_audit::plans::{self, Explained, Outcome};
use report::{Limit, QueryReport, Report};

pub mod markdown;
pub mod report;
pub mod scans;
pub mod structure;
pub mod upkeep;

/// What counts as a finding.
#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thresholds {
    /// Rows from which a table is large: to read all of a smaller one is no fault.
    pub large_table_rows: i64,
    /// Wasted space of an index from which it is bloated, in percent of it.
    pub bloat_percent: u32,
    /// Wasted space of an index from which it is bloated, in bytes.
    pub bloat_bytes: i64,
    /// Days that uses must have been counted for before an index is called unused.
    pub unused_days: u32,
    /// Uses up to which an index counts as unused. The audit's own plans count as uses as well.
    pub unused_scans: i64,
    /// Rows whose values each query is explained with.
    pub samples: usize,
}

/// Looks at everything.
///
/// # Errors
/// Errors of the database; what the role lacks is in the report.
pub async fn audit(
    connection: &mut PgConnection,
    thresholds: Thresholds,
) -> Result<Report, sqlx::Error> {
    // First, since plans that are run count as uses of their indexes.
    let catalog = catalog::read(connection).await?;
    let mut limits = limits(&catalog);
    let mut findings = structure::invalid(&catalog);
    findings.extend(structure::duplicate(&catalog));
    findings.extend(structure::redundant(&catalog));
    findings.extend(structure::unindexed_foreign_keys(&catalog));
    let densities = densities(connection, &catalog, thresholds, &mut limits).await?;
    findings.extend(upkeep::bloated(&catalog, &densities, thresholds));

    let rows: HashMap<&str, i64> = catalog
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.rows))
        .collect();
    let mut explained = Vec::new();
    for query in db::queries() {
        let of = query
            .sample
            .table
            .and_then(|table| rows.get(table).copied());
        let one = plans::explain(connection, query, of.unwrap_or(0), thresholds.samples).await?;
        limits.extend(limit(&one, &catalog));
        explained.push(one);
    }
    findings.extend(scans::findings(&catalog, &explained, thresholds));
    let used = scans::used_indexes(&explained);
    findings.extend(upkeep::unused(&catalog, &used, thresholds));
    findings.sort_by_key(report::Finding::order);
    let queries = explained.iter().map(QueryReport::new).collect();
    Ok(Report::new(&catalog, thresholds, findings, queries, limits))
}

/// How full the indexes are that seem bloated, where the extension can say so.
async fn densities(
    connection: &mut PgConnection,
    catalog: &Catalog,
    thresholds: Thresholds,
    limits: &mut Vec<Limit>,
) -> Result<HashMap<String, f64>, sqlx::Error> {
    let mut densities = HashMap::new();
    let StatIndex::In(schema) = &catalog.stat_index else {
        return Ok(densities);
    };
    for index in upkeep::seem_bloated(catalog, thresholds) {
        match catalog::leaf_density(connection, schema, &index.name).await {
            Ok(density) => {
                densities.insert(index.name.clone(), density);
            }
            Err(sqlx::Error::Database(error)) => limits.push(Limit {
                what: format!("bloat of {} is estimated, not measured", index.name),
                why: error.message().to_owned(),
                remedy: "run it with a longer --statement-timeout".to_owned(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(densities)
}

/// What cannot be seen from the catalogue.
fn limits(catalog: &Catalog) -> Vec<Limit> {
    let role = &catalog.database.role;
    let mut limits: Vec<Limit> = catalog
        .tables
        .iter()
        .filter(|table| !table.readable)
        .map(|table| Limit {
            what: format!("queries on {0}, and bloat of its indexes", table.name),
            why: format!("{role} may not read {}", table.name),
            remedy: format!("GRANT SELECT ON {} TO {role}", table.name),
        })
        .collect();
    if catalog.stat_index == StatIndex::Forbidden {
        limits.push(Limit {
            what: "bloat is estimated, not measured".to_owned(),
            why: format!("{role} may not call pgstatindex"),
            remedy: format!("GRANT pg_stat_scan_tables TO {role}"),
        });
    }
    if catalog.stat_index == StatIndex::Missing {
        limits.push(Limit {
            what: "bloat is estimated, not measured".to_owned(),
            why: "the extension pgstattuple is not installed".to_owned(),
            remedy: "as a superuser: CREATE EXTENSION pgstattuple".to_owned(),
        });
    }
    let never: Vec<&str> = catalog
        .tables
        .iter()
        .filter(|table| table.rows > 0 && table.analyzed_at.is_none())
        .map(|table| table.name.as_str())
        .collect();
    if !never.is_empty() {
        limits.push(Limit {
            what: format!("plans of queries on {} may be wrong", never.join(", ")),
            why: "the tables have no statistics yet".to_owned(),
            remedy: "as their owner: ANALYZE".to_owned(),
        });
    }
    limits
}

/// What of a query cannot be seen.
fn limit(explained: &Explained, catalog: &Catalog) -> Option<Limit> {
    let name = explained.query.name;
    match &explained.outcome {
        Outcome::Forbidden(why) => Some(Limit {
            what: format!("the plan of {name}"),
            why: why.clone(),
            remedy: format!(
                "give {} the rights of the API's role, which migrate sets, or use its DATABASE_URL",
                catalog.database.role
            ),
        }),
        Outcome::Failed(why) => Some(Limit {
            what: format!("the plan of {name}"),
            why: why.clone(),
            remedy: "run migrate of this version first".to_owned(),
        }),
        Outcome::Analyzed(_) | Outcome::Planned(_) | Outcome::TimedOut(_) => None,
    }
}
