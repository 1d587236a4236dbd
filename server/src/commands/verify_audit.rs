//! `verify-audit`: finds every entry of the audit log that was changed, removed or cut off.

use crate::audit::stored_heads;
use crate::config::{DatabaseConfig, StorageConfig};
use crate::db;
use crate::db::audit::Head;
use crate::storage::Storage;

pub(super) async fn run(
    database: DatabaseConfig,
    storage: Option<StorageConfig>,
    mut heads: Vec<Head>,
) -> Result<(), String> {
    if let Some(config) = storage {
        let stored = match Storage::open(&config) {
            Ok(storage) => stored_heads(&storage).await,
            Err(error) => Err(error),
        };
        heads.extend(stored.map_err(|error| {
            format!("the exported heads cannot be read from the object store: {error}")
        })?);
    }
    if heads.is_empty() {
        eprintln!(
            "note: there is no exported head to compare with, so a cut-off end would not show; set \
             STORAGE_URL, or give one with --head"
        );
    }
    let compared = heads.len();
    let pool = db::pool(&database).map_err(|error| error.to_string())?;
    let (head, entries, findings) = db::audit::verify(&pool, heads)
        .await
        .map_err(|error| format!("the audit log cannot be read: {error}"))?
        .finish();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!(
            "{entries} entries are whole and unchanged; {compared} exported heads are in them"
        );
        println!("head {head}");
        return Ok(());
    }
    Err(format!(
        "the audit log deviates in {} place(s)",
        findings.len()
    ))
}
