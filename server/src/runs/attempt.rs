//! One attempt at a run: inputs to scratch, the engine, outputs to the object store.

use crds::matching::{Dataset, MatchingSpec};
use engine::{InputFile, RunRequest};
use object_store::path::Path;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::exceptions;
use super::lease::Watch;
use crate::app::App;
use crate::db;
use crate::db::exceptions::Exceptions;
use crate::db::queue::Claim;
use crate::storage::upload_key;

/// What an attempt made: complete outputs, and what is published with them.
#[derive(Debug)]
pub(super) struct Finished {
    /// The content of `summary.json`.
    pub(super) summary: Value,
    /// What somebody should look at.
    pub(super) exceptions: Exceptions,
}

/// Why an attempt ended without a result.
#[derive(Debug)]
pub(super) struct Failure {
    /// The kind, as in `error.type` of a run.
    pub(super) kind: &'static str,
    /// The message, as in `error.message` of a run: no value of a record stands in it.
    pub(super) message: String,
    /// The message with values of records, where it has any, as in `error.detail` of a run.
    pub(super) detail: Option<String>,
    /// Whether another attempt may do better.
    pub(super) retryable: bool,
}

impl Failure {
    fn storage(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::warn!(%error, "{what}");
        Self {
            kind: "storage",
            message: what.into(),
            detail: None,
            retryable: true,
        }
    }

    fn internal(message: impl Into<String>) -> Self {
        Self {
            kind: "internal",
            message: message.into(),
            detail: None,
            retryable: false,
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        let kind = match &error {
            engine::Error::Spec(_) | engine::Error::Expression { .. } => "invalidSpecification",
            engine::Error::Input { .. }
            | engine::Error::Rate { .. }
            | engine::Error::UnknownKey { .. } => "input",
            engine::Error::Budget { .. } | engine::Error::Memory { .. } => "budget",
            engine::Error::Rejected { .. } => "rejected",
            engine::Error::Conservation { .. } => "conservation",
            engine::Error::Cancelled => "cancelled",
            engine::Error::Io { .. } => "io",
            engine::Error::Internal(_) => "internal",
        };
        let (message, detail) = (error.without_values(), error.to_string());
        Self {
            kind,
            detail: (detail != message).then_some(detail),
            message,
            retryable: error.is_retryable(),
        }
    }
}

/// Does the work of a claim up to its outputs, which are complete under `prefix` then.
pub(super) async fn run(
    app: &App,
    engine: &Handle,
    claim: &Claim,
    prefix: &Path,
    watch: &Arc<Watch>,
) -> Result<Finished, Failure> {
    let spec: MatchingSpec = serde_json::from_value(claim.spec.clone()).map_err(|error| {
        Failure::internal(format!("the stored specification cannot be read: {error}"))
    })?;
    let scratch = Arc::new(make_scratch(app).await?);

    watch.begin("downloading");
    let left = fetch(
        app,
        claim.project_id,
        &spec.left,
        scratch.path().join("left"),
    )
    .await?;
    let right = fetch(
        app,
        claim.project_id,
        &spec.right,
        scratch.path().join("right"),
    )
    .await?;

    let rates = match &spec.fx {
        None => None,
        Some(fx) => {
            let directory = scratch.path().join("rates");
            Some(fetch(app, claim.project_id, &fx.rates, directory).await?)
        }
    };

    let out_dir = scratch.path().join("out");
    tokio::fs::create_dir(&out_dir)
        .await
        .map_err(|error| Failure::storage("the scratch directory cannot be written", error))?;
    let request = RunRequest {
        spec,
        left,
        right,
        rates,
        out_dir: out_dir.clone(),
        model: None,
    };
    let summary = compute(engine, request, Arc::clone(watch), Arc::clone(&scratch)).await?;
    let summary = serde_json::to_value(&summary)
        .map_err(|error| Failure::internal(format!("the summary cannot be written: {error}")))?;
    check_conservation(&summary)?;
    let exceptions = collect(app, out_dir.clone()).await?;

    watch.begin("uploading");
    store_outputs(app, out_dir, prefix)
        .await
        .map_err(|error| Failure::storage("the outputs cannot be stored", error))?;
    Ok(Finished {
        summary,
        exceptions,
    })
}

/// Reads the exceptions from the outputs, on a thread that may wait for the disk.
async fn collect(app: &App, out_dir: PathBuf) -> Result<Exceptions, Failure> {
    let bound = app.config.exceptions_per_outcome;
    let read = tokio::task::spawn_blocking(move || exceptions::collect(&out_dir, bound)).await;
    match read {
        Ok(Ok(exceptions)) => Ok(exceptions),
        Ok(Err(error)) => Err(Failure::storage("the outputs cannot be read again", error)),
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

async fn make_scratch(app: &App) -> Result<TempDir, Failure> {
    let parent = app.config.workers.scratch.clone();
    let made = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&parent)?;
        tempfile::Builder::new().prefix("run-").tempdir_in(parent)
    })
    .await;
    match made {
        Ok(Ok(scratch)) => Ok(scratch),
        Ok(Err(error)) => Err(Failure::storage(
            "the scratch directory cannot be made",
            error,
        )),
        Err(error) => Err(Failure::internal(error.to_string())),
    }
}

/// Runs the engine on its own threads. They keep the scratch directory alive until they stop, also
/// where nobody waits for them any more.
async fn compute(
    engine: &Handle,
    request: RunRequest,
    watch: Arc<Watch>,
    scratch: Arc<TempDir>,
) -> Result<engine::Summary, Failure> {
    let inner = engine.clone();
    let task = engine.spawn_blocking(move || {
        let result = inner.block_on(engine::run(request, watch));
        drop(scratch);
        result
    });
    match task.await {
        Ok(result) => result.map_err(Failure::from),
        Err(error) => {
            tracing::error!(%error, "the engine stopped without a result");
            Err(Failure {
                retryable: true,
                ..Failure::internal("the engine stopped without a result")
            })
        }
    }
}

async fn fetch(
    app: &App,
    project: Uuid,
    dataset: &Dataset,
    directory: PathBuf,
) -> Result<InputFile, Failure> {
    let id = dataset
        .source
        .upload
        .as_ref()
        .and_then(|upload| upload.id.parse().ok());
    let Some(id) = id else {
        return Err(Failure::internal(
            "the stored specification names no upload",
        ));
    };
    let upload = db::uploads::find(&app.db, project, id)
        .await
        .map_err(|error| Failure::storage("the database cannot be read", error))?
        .ok_or_else(|| Failure::internal(format!("the upload {id} is gone")))?;
    let path = directory.join(&upload.name);
    let key = upload_key(project, &upload.sha256);
    let copied = async {
        tokio::fs::create_dir(&directory).await?;
        app.storage.download(&key, &path).await
    };
    let sha256 = copied
        .await
        .map_err(|error| Failure::storage("an upload cannot be read", error))?;
    // Whoever can write to the store must not decide what is reconciled.
    if sha256 != upload.sha256 {
        return Err(Failure::storage(
            "an upload was changed in the object store after it was sent; send the file again",
            id,
        ));
    }
    Ok(InputFile {
        path,
        name: upload.name,
    })
}

async fn store_outputs(app: &App, directory: PathBuf, prefix: &Path) -> std::io::Result<()> {
    let mut entries = tokio::fs::read_dir(directory).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if entry.file_type().await?.is_file() {
            app.storage
                .upload(&entry.path(), &prefix.clone().join(name))
                .await?;
        }
    }
    Ok(())
}

/// Every row of a side has exactly one outcome; a summary that does not add up is never published.
fn check_conservation(summary: &Value) -> Result<(), Failure> {
    const OUTCOMES: [&str; 6] = [
        "matched",
        "differing",
        "review",
        "unmatched",
        "duplicate",
        "rejected",
    ];
    for side in ["left", "right"] {
        let count = |name: &str| summary[side][name].as_u64();
        let sum = OUTCOMES.iter().map(|name| count(name)).sum::<Option<u64>>();
        if sum.is_none() || sum != count("rows") {
            return Err(Failure {
                kind: "conservation",
                message: format!("the outcomes of the {side} side do not add up to its rows"),
                detail: None,
                retryable: false,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_conservation;
    use serde_json::json;

    #[test]
    fn a_summary_that_does_not_add_up_is_refused() {
        let side = |rows: u64| {
            json!({"rows": rows, "matched": 1, "differing": 1, "review": 0, "unmatched": 2,
                   "duplicate": 0, "rejected": 1})
        };
        assert!(check_conservation(&json!({"left": side(5), "right": side(5)})).is_ok());
        let error = check_conservation(&json!({"left": side(5), "right": side(6)})).unwrap_err();
        assert!(error.message.contains("right"));
        assert!(check_conservation(&json!({"left": side(5)})).is_err());
    }
}
