//! How the named queries read their tables.

use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

use super::Thresholds;
use super::report::{Finding, Kind};
use super::structure::{create, quoted, rows_of};
use crate::db::index_audit::catalog::Catalog;
use crate::db::index_audit::plans::{Explained, Outcome, walk};

/// How a query reads a table, the worst of its samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scan {
    /// The table; none where an index alone is named, as in a bitmap.
    pub table: Option<String>,
    /// The index.
    pub index: Option<String>,
    /// As PostgreSQL calls it, such as `Index Scan`.
    pub node: String,
    /// Rows that it read: measured, or the planner's where the query did not run.
    pub rows_read: f64,
    /// Of these, rows that a filter threw away. Only a query that ran knows.
    pub rows_discarded: f64,
}

impl Scan {
    fn is_sequential(&self) -> bool {
        self.node == "Seq Scan"
    }
}

/// The scans of a query, each once.
pub(super) fn of(explained: &Explained) -> Vec<Scan> {
    let mut scans: BTreeMap<(String, Option<String>, Option<String>), Scan> = BTreeMap::new();
    for plan in plans(explained) {
        walk(&plan["Plan"], &mut |node| {
            let Some(scan) = scan(node) else { return };
            let key = (scan.node.clone(), scan.table.clone(), scan.index.clone());
            let kept = scans.entry(key).or_insert_with(|| scan.clone());
            kept.rows_read = kept.rows_read.max(scan.rows_read);
            kept.rows_discarded = kept.rows_discarded.max(scan.rows_discarded);
        });
    }
    scans.into_values().collect()
}

fn plans(explained: &Explained) -> &[Value] {
    match &explained.outcome {
        Outcome::Analyzed(plans) => plans,
        Outcome::Planned(plan) | Outcome::TimedOut(plan) => std::slice::from_ref(plan),
        Outcome::Forbidden(_) | Outcome::Failed(_) => &[],
    }
}

fn scan(node: &Value) -> Option<Scan> {
    let kind = node["Node Type"].as_str()?;
    if !kind.ends_with("Scan") {
        return None;
    }
    let text = |name: &str| node[name].as_str().map(str::to_owned);
    let (table, index) = (text("Relation Name"), text("Index Name"));
    if table.is_none() && index.is_none() {
        return None;
    }
    let number = |name: &str| node[name].as_f64();
    let loops = number("Actual Loops");
    let discarded = ["Rows Removed by Filter", "Rows Removed by Index Recheck"]
        .iter()
        .filter_map(|name| number(name))
        .fold(0.0, |sum, rows| sum + rows)
        * loops.unwrap_or(1.0);
    let kept = match (number("Actual Rows"), loops) {
        (Some(rows), Some(loops)) => rows * loops,
        _ => number("Plan Rows").unwrap_or_default(),
    };
    Some(Scan {
        table,
        index,
        node: kind.to_owned(),
        rows_read: kept + discarded,
        rows_discarded: discarded,
    })
}

/// Every index that a named query uses.
pub(super) fn used_indexes(explained: &[Explained]) -> HashSet<String> {
    explained
        .iter()
        .flat_map(of)
        .filter_map(|scan| scan.index)
        .collect()
}

/// Queries that read much for little.
pub(super) fn findings(
    catalog: &Catalog,
    explained: &[Explained],
    thresholds: Thresholds,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in explained {
        let name = one.query.name;
        if matches!(one.outcome, Outcome::TimedOut(_)) {
            let message = format!("{name} did not end within the statement timeout.");
            findings.push(Finding::new(Kind::TimedOut, message).query(name));
        }
        for scan in of(one) {
            findings.extend(judge(catalog, one, &scan, thresholds));
        }
    }
    findings
}

fn judge(
    catalog: &Catalog,
    explained: &Explained,
    scan: &Scan,
    thresholds: Thresholds,
) -> Option<Finding> {
    #[expect(clippy::cast_precision_loss, reason = "a bound needs no precision")]
    let large = thresholds.large_table_rows as f64;
    let table = scan.table.as_deref()?;
    let name = explained.query.name;
    let rows = rows_of(catalog, table);
    let ran = matches!(explained.outcome, Outcome::Analyzed(_));
    if scan.is_sequential() {
        // One that a LIMIT ended early reads little, however large the table is.
        if rows < thresholds.large_table_rows
            || (ran && scan.rows_read < large)
            || has_an_index(catalog, explained, table)
        {
            return None;
        }
        let message = format!(
            "{name} reads all of {table}, which has about {rows} rows: no index serves it."
        );
        let columns = wanted_columns(catalog, explained, table);
        let finding = Finding::new(Kind::SequentialScan, message)
            .table(table)
            .query(name)
            .figure("tableRows", rows)
            .figure("rowsRead", scan.rows_read);
        return Some(propose(finding, table, &columns));
    }
    if ran && scan.rows_discarded >= large && scan.rows_discarded * 2.0 > scan.rows_read {
        let message = format!(
            "{name} reads {:.0} rows of {table} by {} and throws {:.0} of them away.",
            scan.rows_read,
            scan.index.as_deref().unwrap_or("an index"),
            scan.rows_discarded
        );
        let mut finding = Finding::new(Kind::FilteredScan, message)
            .table(table)
            .query(name)
            .figure("rowsRead", scan.rows_read)
            .figure("rowsDiscarded", scan.rows_discarded);
        finding.index.clone_from(&scan.index);
        return Some(propose(
            finding,
            table,
            &wanted_columns(catalog, explained, table),
        ));
    }
    None
}

/// Whether the query finds its rows of a table by an index once it has to: by a condition on the
/// index's first column, or by an index that has no other rows. The scan was cheaper then. A
/// condition on later columns alone reads the whole index.
fn has_an_index(catalog: &Catalog, explained: &Explained, table: &str) -> bool {
    let Some(plan) = &explained.by_index else {
        return false;
    };
    let (mut scans, mut by_index) = (false, false);
    walk(&plan["Plan"], &mut |node| {
        scans |= node["Node Type"] == "Seq Scan" && node["Relation Name"] == table;
        let mut indexes = catalog.indexes.iter();
        let Some(index) = indexes.find(|it| node["Index Name"] == *it.name) else {
            return;
        };
        let condition = node["Index Cond"].as_str().unwrap_or_default();
        let narrowed = comparisons(condition, table)
            .iter()
            .any(|(column, _)| *column == index.first);
        by_index |= index.table_name == table && (narrowed || index.predicate.is_some());
    });
    by_index && !scans
}

/// A column of a proposed index: its name, and its direction where it is not the usual one.
type Wanted = (String, &'static str);

fn propose(finding: Finding, table: &str, columns: &[Wanted]) -> Finding {
    if columns.is_empty() {
        return finding;
    }
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let list: Vec<String> = columns
        .iter()
        .map(|(name, direction)| quoted(name) + direction)
        .collect();
    finding.propose(create(table, &names, &list.join(", ")))
}

/// The columns that an index for a query would have: those compared for equality, then those that
/// it is sorted by, or else one that is compared otherwise. Of the conditions nothing but names of
/// columns is looked at: they hold values.
fn wanted_columns(catalog: &Catalog, explained: &Explained, table: &str) -> Vec<Wanted> {
    let Some(known) = catalog.tables.iter().find(|it| it.name == table) else {
        return Vec::new();
    };
    let is_known = |column: &str| known.columns.iter().any(|it| it == column);
    let (mut equal, mut other) = (Vec::<String>::new(), Vec::<String>::new());
    let mut sorted: Vec<Wanted> = Vec::new();
    for plan in plans(explained) {
        let mut keys: Vec<&str> = Vec::new();
        walk(&plan["Plan"], &mut |node| {
            let all = node["Sort Key"].as_array().into_iter().flatten();
            keys.extend(all.filter_map(Value::as_str));
            if node["Relation Name"] != table {
                return;
            }
            let alias = node["Alias"].as_str().unwrap_or(table);
            if sorted.is_empty() {
                let own = keys.iter().map_while(|key| sort_key(key, alias));
                sorted = own.filter(|(name, _)| is_known(name)).collect();
            }
            for name in ["Filter", "Index Cond", "Recheck Cond"] {
                let condition = node[name].as_str().unwrap_or_default();
                for (column, operator) in comparisons(condition, alias) {
                    if !is_known(&column) {
                        continue;
                    }
                    let list = if operator == "=" {
                        &mut equal
                    } else {
                        &mut other
                    };
                    if !list.contains(&column) {
                        list.push(column);
                    }
                }
            }
        });
    }
    other.retain(|column| !equal.contains(column));
    other.truncate(1);
    sorted.retain(|(column, _)| !equal.contains(column));
    if sorted.is_empty() {
        sorted = other.into_iter().map(|column| (column, "")).collect();
    }
    let equal = equal.into_iter().map(|column| (column, ""));
    equal.chain(sorted).collect()
}

/// A column of a table and its direction, where a sort key is one.
fn sort_key(key: &str, alias: &str) -> Option<Wanted> {
    let (name, direction) = match key.strip_suffix(" DESC") {
        Some(name) => (name, " DESC"),
        None => (key, ""),
    };
    let own = name.strip_prefix(alias).and_then(|it| it.strip_prefix('.'));
    let name = own.or((!name.contains(['.', '('])).then_some(name))?;
    Some((name.to_owned(), direction))
}

/// `column operator` at the beginnings of a condition's comparisons, each of which PostgreSQL puts
/// into parentheses.
fn comparisons(condition: &str, alias: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut in_text = false;
    for (at, c) in condition.char_indices() {
        in_text ^= c == '\'';
        if c != '(' || in_text {
            continue;
        }
        let rest = &condition[at + 1..];
        let rest = rest
            .strip_prefix(alias)
            .and_then(|it| it.strip_prefix('.'))
            .unwrap_or(rest);
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let (column, after) = rest.split_at(end);
        // A text is compared as one, whatever its column's type.
        let after = after
            .trim_start_matches(')')
            .trim_start_matches("::text")
            .trim_start();
        let operator = after.split([' ', '(']).next().unwrap_or_default();
        // Of rows that are compared, the first column is the one that narrows.
        let operator = if condition[..at].ends_with("ROW") && operator == "," {
            "<"
        } else {
            operator
        };
        if !column.is_empty() && matches!(operator, "=" | "<" | ">" | "<=" | ">=") {
            found.push((column.to_owned(), operator.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::comparisons;

    #[test]
    fn comparisons_are_found_in_conditions() {
        let condition = "((r.state = 'a (b = c)'::text) AND (r.attempt >= 3) AND (now() > r.x) \
                         AND ((name)::text = 'x') AND (id = ANY ('{1,2}'::int[])) \
                         AND (ROW(at, no) > ROW('1', 2)))";
        let found = comparisons(condition, "r");
        let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            found,
            [
                ("state", "="),
                ("attempt", ">="),
                ("name", "="),
                ("id", "="),
                // A row is narrowed by its first column.
                ("at", "<"),
            ]
        );
    }
}
