//! The operator of Reconciliation Platform: controllers of `ReconciliationPlatform` and
//! `ReconciliationJob`.

mod api;
mod backoff;
mod config;
mod context;
mod error;
mod identity;
mod job;
mod lease;
mod metrics;
mod platform;
mod status;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::context::Context;
use crate::lease::Leadership;

/// How long running reconciliations may go on after SIGTERM, within the pod's grace period.
const LAST_RECONCILIATIONS: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(&config.log_filter)
        .init();
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        tracing::debug!("a TLS provider was installed already");
    }
    let shutdown = shutdown_on_signal()?;
    let client = Client::try_default()
        .await
        .context("no access to a cluster")?;
    let context = Arc::new(Context::new(client.clone(), config.clone())?);

    let listener = tokio::net::TcpListener::bind(config.metrics_bind_address)
        .await
        .with_context(|| format!("cannot listen on {}", config.metrics_bind_address))?;
    let metrics = Arc::clone(&context.metrics);
    let health = tokio::spawn(metrics::serve(
        listener,
        metrics,
        shutdown.clone().cancelled_owned(),
    ));

    let mut leadership = Leadership::compete(client, &config).await?;
    tokio::select! {
        () = shutdown.cancelled() => return leadership.release().await,
        won = leadership.won() => won?,
    }
    tracing::info!(holder = config.pod_name, "leading");
    let controllers = async {
        tokio::join!(
            platform::run(Arc::clone(&context), shutdown.clone()),
            job::run(Arc::clone(&context), shutdown.clone())
        );
    };
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_RECONCILIATIONS).await;
    };
    tokio::select! {
        () = controllers => {}
        () = overdue => tracing::warn!("reconciliations were cut off"),
        // Another replica may lead already: this one must not go on, so it waits for nothing.
        reason = leadership.lost() => return Err(reason),
    }
    leadership.release().await?;
    shutdown.cancel();
    health.await??;
    Ok(())
}

/// A token that is cancelled by SIGTERM or SIGINT.
fn shutdown_on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}
