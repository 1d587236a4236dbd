//! The indexes as they are: what is wrong with them whatever is asked of them.

use std::collections::HashSet;

use super::report::{Finding, Kind};
use crate::db::index_audit::catalog::{Catalog, ForeignKey, Index};

pub(super) fn invalid(catalog: &Catalog) -> Vec<Finding> {
    let left = |index: &&Index| !index.is_valid && !index.is_building;
    catalog
        .indexes
        .iter()
        .filter(left)
        .map(|index| {
            let name = &index.name;
            let message = format!(
                "{name} is invalid: a build of it was cut off. Every write pays for it and no \
                 query can use it."
            );
            let finding = Finding::new(Kind::InvalidIndex, message)
                .table(&index.table_name)
                .index(name)
                .figure("bytes", index.bytes);
            // What a REINDEX that was cut off leaves is a copy; the index itself is still there.
            if name.contains("_ccnew") || name.contains("_ccold") {
                finding.propose(format!("DROP INDEX CONCURRENTLY {}", quoted(name)))
            } else {
                finding.propose(format!("REINDEX INDEX CONCURRENTLY {}", quoted(name)))
            }
        })
        .collect()
}

pub(super) fn duplicate(catalog: &Catalog) -> Vec<Finding> {
    pairs(catalog)
        .filter(|(spare, kept)| {
            same(spare, kept)
                && spare.key() == kept.key()
                && spare.columns().eq(kept.columns())
                // Of two that are alike, one: the one that means more is kept, else the first.
                && (rank(spare), &spare.name) > (rank(kept), &kept.name)
        })
        .map(|(spare, kept)| {
            let message = format!("{} is the same as {}.", spare.name, kept.name);
            drop_of(Kind::DuplicateIndex, spare, message)
        })
        .collect()
}

pub(super) fn redundant(catalog: &Catalog) -> Vec<Finding> {
    let mut seen = HashSet::new();
    pairs(catalog)
        .filter(|(spare, kept)| {
            let (short, long) = (spare.key(), kept.key());
            same(spare, kept)
                && spare.method == "btree"
                && !spare.is_unique
                && short.len() < long.len()
                && long.starts_with(&short)
                // What it includes must be in the other as well.
                && spare.columns().all(|column| kept.columns().any(|it| it == column))
        })
        .filter(|(spare, _)| seen.insert(spare.name.clone()))
        .map(|(spare, kept)| {
            let message = format!(
                "The columns of {} are the first ones of {}, which serves the same queries.",
                spare.name, kept.name
            );
            drop_of(Kind::RedundantIndex, spare, message)
        })
        .collect()
}

/// Ordered pairs of valid indexes of one table, the first of which nothing stands on.
fn pairs(catalog: &Catalog) -> impl Iterator<Item = (&Index, &Index)> {
    let valid = || catalog.indexes.iter().filter(|index| index.is_valid);
    valid()
        .filter(|index| !index.is_constraint && !index.is_marked)
        .flat_map(move |spare| valid().map(move |kept| (spare, kept)))
        .filter(|(spare, kept)| spare.table_name == kept.table_name && spare.name != kept.name)
}

/// Whether two indexes hold the same rows in the same way.
fn same(one: &Index, other: &Index) -> bool {
    one.method == other.method
        && one.predicate == other.predicate
        && one.expressions == other.expressions
}

fn rank(index: &Index) -> u8 {
    match (index.is_constraint || index.is_marked, index.is_unique) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

pub(super) fn unindexed_foreign_keys(catalog: &Catalog) -> Vec<Finding> {
    let unserved = |key: &&ForeignKey| !catalog.indexes.iter().any(|index| serves(index, key));
    catalog
        .foreign_keys
        .iter()
        .filter(unserved)
        .map(|key| {
            let table = &key.table_name;
            let columns: Vec<String> = key.columns.iter().map(|column| quoted(column)).collect();
            let message = format!(
                "{} of {table} ({}) has no index: a row of {} that is deleted, or whose key \
                 changes, costs a scan of {table}.",
                key.name,
                key.columns.join(", "),
                key.target
            );
            Finding::new(Kind::UnindexedForeignKey, message)
                .table(table)
                .figure("rows", rows_of(catalog, table))
                .propose(create(table, &key.columns, &columns.join(", ")))
        })
        .collect()
}

/// Whether an index finds the rows of a foreign key: all of them, so that a predicate may only
/// leave out rows without a key.
pub(super) fn serves(index: &Index, key: &ForeignKey) -> bool {
    let wanted: HashSet<&str> = key.keys.split_whitespace().collect();
    let found: HashSet<&str> = index
        .key()
        .iter()
        .take(wanted.len())
        .map(|[column, ..]| *column)
        .collect();
    let whole = index.predicate.as_ref().is_none_or(|predicate| {
        let rest = key.columns.iter().fold(predicate.clone(), |rest, column| {
            rest.replace(&format!("({} IS NOT NULL)", quoted(column)), "")
        });
        rest.replace(" AND ", "")
            .trim_matches(['(', ')'])
            .is_empty()
    });
    index.table_name == key.table_name
        && index.is_valid
        && whole
        && wanted == found
        && matches!(index.method.as_str(), "btree" | "hash")
}

pub(super) fn drop_of(kind: Kind, index: &Index, message: String) -> Finding {
    Finding::new(kind, message)
        .table(&index.table_name)
        .index(&index.name)
        .figure("bytes", index.bytes)
        .propose(format!("DROP INDEX CONCURRENTLY {}", quoted(&index.name)))
}

pub(super) fn rows_of(catalog: &Catalog, table: &str) -> i64 {
    catalog
        .tables
        .iter()
        .find(|it| it.name == table)
        .map_or(0, |it| it.rows)
}

/// A statement that builds an index beside the writes, with a name of its columns.
pub(super) fn create(table: &str, named: &[String], columns: &str) -> String {
    let name: String = format!("{table}_{}", named.join("_"))
        .chars()
        .take(59)
        .collect();
    format!(
        "CREATE INDEX CONCURRENTLY {} ON {} ({columns})",
        quoted(&format!("{name}_idx")),
        quoted(table)
    )
}

/// A name as SQL takes it.
pub(super) fn quoted(name: &str) -> String {
    let plain = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

pub(super) fn mebibytes(bytes: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mebibytes = bytes as f64 / 1_048_576.0;
    format!("{mebibytes:.1} MiB")
}
