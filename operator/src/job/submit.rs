//! Hands a job to its platform's API, once.

use crds::matching::{Dataset, MatchingSpec, UploadSource};

use super::dereference;
use super::status::Outcome;
use super::validate::{ValidatedJob, in_spec};
use crate::api::{ApiError, PlatformApi};
use crate::context::Context;
use crate::error::Error;

/// The run of the job, started if there is none yet. Nothing is uploaded once it exists.
pub async fn find_or_start(context: &Context, job: &ValidatedJob) -> Result<Outcome, Error> {
    let api = context
        .platform_api(&job.platform_namespace, &job.platform_name)
        .await?;
    match api.run(&job.namespace, job.run_id).await {
        Ok(Some(run)) => return Ok(Outcome::Run(Box::new(run))),
        Ok(None) => {}
        Err(error) => return refusal(job, error),
    }
    // Asked first: whoever is no member learns that, and not which ConfigMaps are missing.
    if let Err(error) = api.check_project(&job.namespace, &job.project).await {
        return refusal(job, error);
    }
    let matching = match with_uploads(context, &api, job).await? {
        Ok(matching) => matching,
        Err(outcome) => return Ok(outcome),
    };
    let spec = serde_json::to_value(&matching)?;
    match api
        .start_run(&job.namespace, job.run_id, &job.project, &spec)
        .await
    {
        Ok(run) => Ok(Outcome::Run(Box::new(run))),
        Err(error) => refusal(job, error),
    }
}

/// What the API refuses is told to the user; everything else is tried again.
fn refusal(job: &ValidatedJob, error: ApiError) -> Result<Outcome, Error> {
    match error {
        ApiError::Forbidden(_) | ApiError::NotFound(_) => Ok(Outcome::forbidden(job)),
        ApiError::Invalid(errors) => {
            Ok(Outcome::Invalid(errors.into_iter().map(in_spec).collect()))
        }
        error => Err(error.into()),
    }
}

/// The matching part with each ConfigMap replaced by an upload of its content.
async fn with_uploads(
    context: &Context,
    api: &PlatformApi,
    job: &ValidatedJob,
) -> Result<Result<MatchingSpec, Outcome>, Error> {
    let mut matching = job.matching.clone();
    let rates = matching.fx.as_mut().map(|fx| ("fx.rates", &mut fx.rates));
    let datasets = [("left", &mut matching.left), ("right", &mut matching.right)];
    for (side, dataset) in datasets.into_iter().chain(rates) {
        if let Err(outcome) = upload(context, api, job, side, dataset).await? {
            return Ok(Err(outcome));
        }
    }
    Ok(Ok(matching))
}

async fn upload(
    context: &Context,
    api: &PlatformApi,
    job: &ValidatedJob,
    side: &str,
    dataset: &mut Dataset,
) -> Result<Result<(), Outcome>, Error> {
    let Some(source) = dataset.source.config_map.clone() else {
        return Ok(Ok(()));
    };
    let Some(file) = dereference::config_map(context, &job.namespace, &source).await? else {
        return Ok(Err(Outcome::SourceNotFound(format!(
            "spec.{side}.source.configMap: there is no ConfigMap {} with the key {} in the namespace {}",
            source.name, source.key, job.namespace
        ))));
    };
    let answer = api
        .upload(&job.namespace, &job.project, &source.key, file)
        .await;
    match answer {
        Ok(id) => {
            dataset.source.config_map = None;
            dataset.source.upload = Some(UploadSource { id });
            Ok(Ok(()))
        }
        Err(error) => refusal(job, error).map(Err),
    }
}
