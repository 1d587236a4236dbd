//! What becomes of indexes with time: pages that are mostly empty, and indexes that nobody uses.

use std::collections::{HashMap, HashSet};

use super::Thresholds;
use super::report::{Finding, Kind};
use super::structure::{drop_of, mebibytes, quoted, serves};
use crate::db::MIGRATOR;
use crate::db::index_audit::catalog::{Catalog, Index};
use crate::db::migration::index_of;

/// Bytes of a page, of its header with the B-tree's part, and of an entry without its key.
const PAGE: f64 = 8192.0;
const PAGE_HEADER: f64 = 40.0;
const ENTRY: f64 = 12.0;

/// Valid B-trees whose estimate is over the thresholds, with bytes wasted.
pub(super) fn seem_bloated(catalog: &Catalog, thresholds: Thresholds) -> Vec<&Index> {
    catalog
        .indexes
        .iter()
        .filter(|index| index.is_valid && index.method == "btree")
        .filter(|index| estimate(index).is_some_and(|wasted| over(index, wasted, thresholds)))
        .collect()
}

/// The share of an index that would be gone after a rebuild, from its entries and their mean width;
/// none where the statistics say nothing. Keys that are stored once for many rows make an index
/// smaller than this expects, so the estimate is a lower bound.
#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate has no nine digits anyway"
)]
fn estimate(index: &Index) -> Option<f64> {
    if index.entries < 0.0 || index.bytes == 0 {
        return None;
    }
    let width = 8.0 * (index.key_width? / 8.0).ceil() + ENTRY;
    let room = (PAGE - PAGE_HEADER) * f64::from(index.fill_factor) / 100.0;
    let pages = (index.entries * width / room).ceil() + 1.0;
    Some((1.0 - pages * PAGE / index.bytes as f64).max(0.0))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "an estimate has no nine digits anyway"
)]
fn over(index: &Index, wasted: f64, thresholds: Thresholds) -> bool {
    wasted * 100.0 >= f64::from(thresholds.bloat_percent)
        && wasted * index.bytes as f64 >= thresholds.bloat_bytes as f64
}

pub(super) fn bloated(
    catalog: &Catalog,
    densities: &HashMap<String, f64>,
    thresholds: Thresholds,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for index in seem_bloated(catalog, thresholds) {
        let density = densities.get(&index.name);
        let wasted = match density {
            Some(density) => 1.0 - density / f64::from(index.fill_factor),
            None => estimate(index).unwrap_or_default(),
        };
        if !over(index, wasted, thresholds) {
            continue;
        }
        let percent = (wasted * 100.0).round();
        let how = if density.is_some() {
            "measured"
        } else {
            "estimated"
        };
        let message = format!(
            "{} has {}, of which {percent:.0} % would be gone after a rebuild ({how}).",
            index.name,
            mebibytes(index.bytes)
        );
        findings.push(
            Finding::new(Kind::BloatedIndex, message)
                .table(&index.table_name)
                .index(&index.name)
                .figure("bytes", index.bytes)
                .figure("wastedPercent", percent)
                .figure("measured", density.is_some())
                .propose(format!(
                    "REINDEX INDEX CONCURRENTLY {}",
                    quoted(&index.name)
                )),
        );
    }
    findings
}

/// Indexes that were not used since they were made, or since the counters were set to zero. What
/// keeps values apart works without being used, and a foreign key's index is for rare deletions.
pub(super) fn unused(
    catalog: &Catalog,
    used: &HashSet<String>,
    thresholds: Thresholds,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for index in &catalog.indexes {
        let spare = index.is_valid && !index.is_unique && !index.is_constraint && !index.is_marked;
        let for_a_key = catalog.foreign_keys.iter().any(|key| serves(index, key));
        if !spare || for_a_key || index.scans > thresholds.unused_scans {
            continue;
        }
        // A named query would use it: that nobody asked is no reason to drop it.
        if used.contains(&index.name) {
            continue;
        }
        let Some(days) = counted_days(catalog, &index.name) else {
            continue;
        };
        if days < i64::from(thresholds.unused_days) {
            continue;
        }
        let message = format!(
            "{} ({}) was used {} times in {days} days, and no named query would use it.",
            index.name,
            mebibytes(index.bytes),
            index.scans
        );
        let finding = drop_of(Kind::UnusedIndex, index, message);
        findings.push(finding.figure("scans", index.scans).figure("days", days));
    }
    findings
}

/// Whole days for which uses of an index have been counted: since the last reset, and no longer
/// than it exists, which the migration that made it says.
fn counted_days(catalog: &Catalog, index: &str) -> Option<i64> {
    let database = &catalog.database;
    let made_by = MIGRATOR
        .iter()
        .find(|migration| index_of(migration) == Some(index))
        .map(|migration| migration.version);
    let made_at = catalog
        .migrated
        .iter()
        .find(|(version, _)| Some(*version) == made_by)
        .map(|(_, at)| *at)
        .or(database.made_at);
    let since = database.stats_reset.max(made_at)?;
    Some((database.at - since).num_days())
}
