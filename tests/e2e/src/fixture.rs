//! Manifests that several journeys start from, and a platform that they share.

use std::fmt::Write as _;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use crds::condition;
use crds::job::ReconciliationJob;
use crds::platform::ReconciliationPlatform;
use kube::Api;

use crate::Cluster;

/// A platform and the namespace that may run jobs on it.
#[derive(Clone, Debug)]
pub struct Platform {
    /// The platform's namespace; its name is `main`.
    pub namespace: String,
    /// A member namespace of its project `treasury`.
    pub jobs: String,
}

/// The platform that journeys share which do it no harm, made by the first that asks.
///
/// # Panics
/// When it does not get ready, which fails every journey that needs it.
pub fn shared_platform() -> Platform {
    static SHARED: OnceLock<Platform> = OnceLock::new();
    // A thread of its own with a runtime of its own: the asking test's runtime must not block.
    SHARED
        .get_or_init(|| {
            std::thread::spawn(|| {
                tokio::runtime::Runtime::new()
                    .context("runtime")?
                    .block_on(async { development_platform(&Cluster::connect().await?, 1).await })
            })
            .join()
            .expect("the thread ends")
            .expect("the shared platform gets ready")
        })
        .clone()
}

/// Makes a Development platform in new namespaces and waits until it is ready.
///
/// # Errors
/// When it does not get ready.
pub async fn development_platform(cluster: &Cluster, replicas: i32) -> Result<Platform> {
    let namespace = cluster.namespace("platform").await?;
    let jobs = cluster.namespace("jobs").await?;
    cluster
        .apply(&format!(
            r"
apiVersion: reconciliation-platform.dev/v1alpha1
kind: ReconciliationPlatform
metadata: {{name: main, namespace: {namespace}}}
spec:
  environment: Development
  replicas: {replicas}
  secrets: {{generated: {{}}}}
  database: {{embedded: {{}}}}
  storage: {{volume: {{size: 1Gi}}}}
  projects: [{{slug: treasury, namespaces: [{jobs}]}}]
"
        ))
        .await?;
    ready(cluster, &namespace).await?;
    Ok(Platform { namespace, jobs })
}

/// Waits until the platform `main` of a namespace is ready for its newest generation.
///
/// # Errors
/// When it does not get ready in time.
pub async fn ready(cluster: &Cluster, namespace: &str) -> Result<ReconciliationPlatform> {
    let api: Api<ReconciliationPlatform> = Api::namespaced(cluster.client.clone(), namespace);
    cluster
        .until(api, "main", "Ready", |platform| {
            platform.status.as_ref().is_some_and(|status| {
                condition::is_true(&status.conditions, "Ready", platform.metadata.generation)
            })
        })
        .await
}

/// Waits until a job is complete, or fails as soon as it failed.
///
/// # Errors
/// When it failed or is not complete in time.
pub async fn complete(cluster: &Cluster, namespace: &str, name: &str) -> Result<ReconciliationJob> {
    let api: Api<ReconciliationJob> = Api::namespaced(cluster.client.clone(), namespace);
    let ended = |job: &ReconciliationJob, type_: &str| {
        let generation = job.metadata.generation;
        job.status
            .as_ref()
            .is_some_and(|status| condition::is_true(&status.conditions, type_, generation))
    };
    let job = cluster
        .until(api, name, "Complete", |job| {
            ended(job, "Complete") || ended(job, "Failed")
        })
        .await?;
    anyhow::ensure!(ended(&job, "Complete"), "{name} failed: {:#?}", job.status);
    Ok(job)
}

/// A ConfigMap with a small bank statement and ledger: 4 rows a side, 3 of them the same payment.
#[must_use]
pub fn small_data(namespace: &str) -> String {
    format!(
        r"
apiVersion: v1
kind: ConfigMap
metadata: {{name: data, namespace: {namespace}}}
data:
  ledger.csv: |
    id,amount,memo
    L1,10.00,rent january
    L2,20.50,coffee
    L3,99.99,invoice 4711
    L4,5.00,only in the ledger
  statement.csv: |
    id,amount,memo
    S1,10.00,RENT JANUARY
    S2,20.50,coffee
    S3,99.99,invoice 4711
    S4,7.00,only in the statement
"
    )
}

/// A job over [`small_data`] that matches three pairs.
#[must_use]
pub fn small_job(platform: &Platform, namespace: &str, name: &str) -> String {
    let side = |file: &str| {
        format!(
            "source: {{configMap: {{name: data, key: {file}}}}}, key: [id], \
             columns: [{{name: amount, type: \"decimal(18,2)\"}}]"
        )
    };
    format!(
        r"
apiVersion: reconciliation-platform.dev/v1alpha1
kind: ReconciliationJob
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  platformRef: {{name: main, namespace: {}}}
  project: treasury
  left: {{{}}}
  right: {{{}}}
  normalize: [{{column: memo, steps: [lowercase]}}]
  passes:
    - name: exact
      assign: greedy
      compare:
        - {{column: amount, exact: {{}}}}
        - {{column: memo, exact: {{}}}}
",
        platform.namespace,
        side("ledger.csv"),
        side("statement.csv"),
    )
}

/// Two lists of `rows` payments with long, slightly different memos: the right side's memo lacks
/// its last letter. Under one block every pair is compared, so that a run takes a while.
#[must_use]
pub fn slow_data(namespace: &str, rows: u32) -> String {
    let mut yaml = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: data, namespace: {namespace}}}\ndata:\n"
    );
    for (file, cut) in [("ledger.csv", 0), ("statement.csv", 1)] {
        let _ = writeln!(yaml, "  {file}: |\n    id,ccy,memo,party");
        for row in 0..rows {
            // Letters that follow from the number alone and differ at every place.
            let mut state = u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut letters = || {
                (0..24)
                    .map(|_| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        char::from(b'a' + u8::try_from(state % 26).unwrap_or_default())
                    })
                    .collect::<String>()
            };
            let (memo, party) = (letters(), letters());
            let _ = writeln!(yaml, "    R{row},EUR,{},{party}", &memo[..24 - cut]);
        }
    }
    yaml
}

/// A job over [`slow_data`].
#[must_use]
pub fn slow_job(platform: &Platform, name: &str) -> String {
    format!(
        r"
apiVersion: reconciliation-platform.dev/v1alpha1
kind: ReconciliationJob
metadata: {{name: {name}, namespace: {jobs}}}
spec:
  platformRef: {{name: main, namespace: {namespace}}}
  project: treasury
  left: {{source: {{configMap: {{name: data, key: ledger.csv}}}}, key: [id]}}
  right: {{source: {{configMap: {{name: data, key: statement.csv}}}}, key: [id]}}
  passes:
    - name: {name}
      block: [[ccy]]
      score: weighted
      assign: greedy
      accept: 0.9
      compare:
        - {{column: memo, text: {{method: levenshtein, atLeast: 0.5}}}}
        - {{column: memo, text: {{method: jaroWinkler, atLeast: 0.5}}}}
        - {{column: party, text: {{method: levenshtein, atLeast: 0.5}}}}
        - {{column: party, text: {{method: jaroWinkler, atLeast: 0.5}}}}
",
        jobs = platform.jobs,
        namespace = platform.namespace,
    )
}
