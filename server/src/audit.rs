//! The head of the audit log, exported. The chain of hashes shows what was changed within the log;
//! that its end is missing, or that all of it was written anew, shows only against a head that
//! whoever has the database cannot reach. So it goes to two places outside of it: to the process's
//! log, which a cluster collects elsewhere, and to the object store, where `verify-audit` finds it.

use object_store::path::Path;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::db;
use crate::db::audit::Head;
use crate::storage::Storage;

const PREFIX: &str = "audit/heads";

/// Where a head is kept. A key names the hash, so that another head never takes its place.
fn key(head: &Head) -> Path {
    let hash = hex::encode(&head.hash);
    Path::from(format!("{PREFIX}/{:020}-{hash}", head.sequence))
}

/// The heads that were exported to the object store.
///
/// # Errors
/// Errors of the store.
pub async fn stored_heads(storage: &Storage) -> object_store::Result<Vec<Head>> {
    let objects = storage.list(&Path::from(PREFIX)).await?;
    Ok(objects
        .iter()
        .filter_map(|object| object.location.filename())
        .filter_map(|name| name.replacen('-', ":", 1).parse().ok())
        .collect())
}

/// Exports the head now and then and once more when the process stops, where it has changed.
pub async fn export_heads(app: App, stop: CancellationToken) {
    let mut last = None;
    loop {
        let stopping = stop.is_cancelled();
        match export_head(&app, last.as_ref()).await {
            Ok(head) => last = head,
            Err(error) => tracing::warn!(error, "the audit log's head cannot be exported"),
        }
        if stopping {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(app.config.audit_head_every) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Exports the head unless it is the last one still, and returns it.
///
/// # Errors
/// When the database or the object store is away.
pub async fn export_head(app: &App, last: Option<&Head>) -> Result<Option<Head>, String> {
    let head = db::audit::head(&app.db)
        .await
        .map_err(|error| error.to_string())?;
    if let Some(head) = head.as_ref().filter(|head| Some(*head) != last) {
        tracing::info!(%head, "audit head");
        app.storage
            .note(&key(head))
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(head)
}
