//! Leader election: only the replica that holds the lease runs controllers.
//!
//! kube-lease-manager takes and renews the lease. When it cannot reach the Kubernetes API it keeps
//! trying and goes on reporting the lease as held, so a watchdog of our own gives up leadership
//! once the lease could not be confirmed for as long as it lasts.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::config::Config;

/// A standby takes over at the latest this long after the leader's last renewal.
const DURATION_SECONDS: u64 = 12;
/// The leader renews this long before its lease ends.
const GRACE_SECONDS: u64 = 5;
/// How often the watchdog looks.
const CONFIRM_EVERY: Duration = Duration::from_secs(3);

/// The lease, held or competed for.
pub struct Leadership {
    held: Receiver<bool>,
    manager: JoinHandle<Result<LeaseManager, LeaseManagerError>>,
    leases: Api<Lease>,
    lease_name: String,
    identity: String,
}

impl Leadership {
    /// Starts to compete for the lease.
    pub async fn compete(client: Client, config: &Config) -> anyhow::Result<Self> {
        let manager = LeaseManagerBuilder::new(client.clone(), &config.lease_name)
            .with_namespace(&config.namespace)
            .with_identity(&config.pod_name)
            .with_duration(DURATION_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await
            .context("the lease cannot be read or made")?;
        let (held, manager) = manager.watch().await;
        Ok(Self {
            held,
            manager,
            leases: Api::namespaced(client, &config.namespace),
            lease_name: config.lease_name.clone(),
            identity: config.pod_name.clone(),
        })
    }

    /// Resolves when the lease is ours.
    pub async fn won(&mut self) -> anyhow::Result<()> {
        self.held
            .wait_for(|held| *held)
            .await
            .context("leader election ended")?;
        Ok(())
    }

    /// Resolves with the reason when the lease is not ours any more, or may not be.
    pub async fn lost(&mut self) -> anyhow::Error {
        let mut held = self.held.clone();
        tokio::select! {
            _ = held.wait_for(|held| !*held) => anyhow!("the lease was lost"),
            error = self.unconfirmed() => error,
        }
    }

    async fn unconfirmed(&self) -> anyhow::Error {
        let longest = Duration::from_secs(DURATION_SECONDS);
        let mut confirmed = Instant::now();
        loop {
            sleep(CONFIRM_EVERY).await;
            match timeout(CONFIRM_EVERY, self.holder()).await {
                Ok(Ok(Some(holder))) if holder == self.identity => confirmed = Instant::now(),
                Ok(Ok(holder)) => return anyhow!("the lease is held by {holder:?}"),
                Ok(Err(_)) | Err(_) if confirmed.elapsed() < longest => {}
                Ok(Err(error)) => {
                    return anyhow!(error).context("the lease could not be confirmed");
                }
                Err(_) => return anyhow!("the lease could not be confirmed in time"),
            }
        }
    }

    async fn holder(&self) -> kube::Result<Option<String>> {
        let lease = self.leases.get(&self.lease_name).await?;
        Ok(lease.spec.and_then(|spec| spec.holder_identity))
    }

    /// Gives the lease up, so that a standby takes over at once.
    pub async fn release(self) -> anyhow::Result<()> {
        drop(self.held);
        match timeout(Duration::from_secs(5), self.manager).await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(error).context("the lease could not be released"),
            Ok(Err(error)) => Err(error).context("leader election ended"),
            Err(_) => bail!("the lease was not released in time"),
        }
    }
}
