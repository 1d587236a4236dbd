//! Whether a specification can be run in a project; every mistake is found at once.

use crds::decode::{SpecError, for_the_cli_only, rest_of, spec_from_value};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use crate::db;
use crate::error::ApiError;

/// A specification that can be run.
#[derive(Debug)]
pub struct Checked {
    /// The decoded specification, with its defaults left out.
    pub spec: Value,
    /// The hash of its canonical form.
    pub hash: String,
}

/// Checks the language, its expressions, and that the sources are uploads of the project.
///
/// # Errors
/// `InvalidSpecification` with every mistake.
pub async fn check(db: &PgPool, project: Uuid, raw: Value) -> Result<Checked, ApiError> {
    let mut errors = for_the_cli_only(&raw);
    for side in ["left", "right"] {
        check_dataset(db, project, side, &raw[side], &mut errors).await?;
    }
    let rates = &raw["fx"]["rates"];
    check_dataset(db, project, "fx.rates", rates, &mut errors).await?;
    if raw.to_string().contains("\\u0000") {
        errors.push(SpecError {
            path: String::new(),
            message: "must not contain the character U+0000".into(),
        });
    }
    let spec = match spec_from_value(&raw) {
        Ok(spec) => spec,
        Err(found) => {
            let rest = rest_of(&raw, &found);
            // Shape errors first, in the order of the document.
            errors.splice(0..0, found);
            if let Some(rest) = rest {
                errors.extend(planned(move || engine::mistakes_in_the_rest(&rest)).await?);
            }
            return Err(ApiError::InvalidSpecification(errors));
        }
    };
    let (spec, found) = planned(move || {
        let found = engine::validate(&spec).err().unwrap_or_default();
        (spec, found)
    })
    .await?;
    errors.extend(found);
    if !errors.is_empty() {
        return Err(ApiError::InvalidSpecification(errors));
    }
    let hash = format!(
        "sha256:{}",
        hex::encode(Sha256::digest(spec.canonical_json()))
    );
    let spec = serde_json::to_value(&spec)
        .map_err(|error| ApiError::Internal(format!("writing a specification: {error}")))?;
    Ok(Checked { spec, hash })
}

/// Expressions are parsed by the SQL planner: short, but no work for a thread that serves.
async fn planned<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::Internal(format!("validation: {error}")))
}

async fn check_dataset(
    db: &PgPool,
    project: Uuid,
    side: &str,
    dataset: &Value,
    errors: &mut Vec<SpecError>,
) -> Result<(), ApiError> {
    let source = &dataset["source"];
    let mut add = |path: &str, message: String| {
        errors.push(SpecError {
            path: format!("{side}.{path}"),
            message,
        });
    };
    if !source["configMap"].is_null() {
        add(
            "source.configMap",
            "is for a ReconciliationJob; upload the file to the project and use upload: {id}"
                .into(),
        );
    }
    let Some(id) = source["upload"]["id"].as_str() else {
        return Ok(());
    };
    let upload = match Uuid::try_parse(id) {
        Ok(id) => db::uploads::find(db, project, id).await?,
        Err(_) => None,
    };
    match upload {
        None => add("source.upload.id", "is no upload of this project".into()),
        // The engine would find it too, but only when the run has begun.
        Some(upload) if dataset["format"].is_null() && !engine::names_a_format(&upload.name) => {
            add("format", engine::no_format(&upload.name));
        }
        Some(_) => {}
    }
    Ok(())
}
