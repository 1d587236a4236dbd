//! Tells the platform's API which projects the spec declares.

use std::time::Instant;

use serde_json::json;

use super::apply::Applied;
use super::{RESYNC, status};
use crate::context::Context;
use crate::error::Error;
use crate::platform::validate::ValidatedPlatform;

/// Declares the projects, once an API pod serves: after a change of the spec or of the pods, and now
/// and then, because somebody may have restored an older database.
pub async fn projects(
    context: &Context,
    platform: &ValidatedPlatform,
    applied: &Applied,
) -> Result<(), Error> {
    let Some(deployment) = &applied.deployment else {
        return Ok(());
    };
    if !status::is_available(deployment) {
        return Ok(());
    }
    let state = json!([
        platform.projects,
        deployment.metadata.uid,
        deployment.metadata.generation
    ])
    .to_string();
    let key = &platform.owner.uid;
    if let Some((declared, at)) = context.declared.lock().await.get(key)
        && *declared == state
        && at.elapsed() < RESYNC
    {
        return Ok(());
    }
    context
        .platform_api(&platform.namespace, &platform.name)
        .await?
        .declare_projects(&platform.projects)
        .await?;
    let mut declared = context.declared.lock().await;
    // Platforms that were deleted meanwhile are forgotten.
    declared.retain(|_, (_, at)| at.elapsed() < RESYNC * 2);
    declared.insert(key.clone(), (state, Instant::now()));
    Ok(())
}
