//! `ReconciliationJob`: what to compare, by which rules, on which platform.
#![expect(
    clippy::duplicated_attributes,
    reason = "the lint takes the columns of one derive attribute for repeats"
)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matching::MatchingSpec;

/// A reconciliation of two datasets. It runs once, and again when its matching part changes.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "reconciliation-platform.dev",
    version = "v1alpha1",
    kind = "ReconciliationJob",
    namespaced,
    shortname = "rjob",
    category = "reconciliation",
    status = "ReconciliationJobStatus",
    derive = "PartialEq",
    doc = "A reconciliation of two datasets: every record of both sides ends in exactly one explained outcome.",
    printcolumn(
        name = "Platform",
        type_ = "string",
        json_path = ".spec.platformRef.name",
        priority = 1
    ),
    printcolumn(name = "Project", type_ = "string", json_path = ".spec.project"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(
        name = "Matched",
        type_ = "integer",
        json_path = ".status.lastRun.left.matched",
        description = "Matched records of the left side"
    ),
    printcolumn(
        name = "Review",
        type_ = "integer",
        json_path = ".status.lastRun.left.review",
        description = "Records of the left side that a person decides"
    ),
    printcolumn(
        name = "Unmatched",
        type_ = "integer",
        json_path = ".status.lastRun.left.unmatched",
        description = "Records of the left side without a counterpart"
    ),
    printcolumn(
        name = "Match rate",
        type_ = "string",
        json_path = ".status.lastRun.matchRate"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.platformRef == oldSelf.platformRef",
        "message": "platformRef is immutable; create another job instead"
    },
    {
        "rule": "!has(self.left.source.uri) && !has(self.right.source.uri) && (!has(self.fx) || !has(self.fx.rates.source.uri))",
        "message": "a platform reads no local files and no s3:// objects: use upload or configMap as the source"
    },
    {
        "rule": "!has(self.left.source.sql) && !has(self.right.source.sql) && (!has(self.fx) || !has(self.fx.rates.source.sql))",
        "message": "queries run in the CLI only: use upload or configMap as the source"
    },
    {
        "rule": "!has(self.model)",
        "message": "models are files of the CLI only: leave model out, and the run trains its own"
    }
]))]
pub struct ReconciliationJobSpec {
    /// The platform that runs the job. It cannot be changed.
    pub platform_ref: PlatformRef,
    /// The slug of the platform's project; the job's namespace must be a member of it.
    #[schemars(length(min = 1, max = 63))]
    pub project: String,
    /// What to compare, by which rules.
    #[serde(flatten)]
    pub matching: MatchingSpec,
}

/// A platform, in the job's namespace or in another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlatformRef {
    /// The platform's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The platform's namespace; the job's own when absent. Across namespaces it works only where
    /// the platform's `spec.projects` lists the job's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// What the operator last saw of a job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReconciliationJobStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Pending`, `Queued`, `Running`, `Succeeded`, `Failed` or `Cancelled`, for people to read;
    /// programs read the conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `Accepted`, `Running`, `Ready`, and `Complete` or `Failed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunStatus>,
}

/// One run of a job: counts and a place, never records.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunStatus {
    /// The run's id: a UUIDv5 of the job and its matching part, so that a run starts only once.
    pub id: String,
    /// What the worker is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// When a worker took the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// Outcomes of the left side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<SideCounts>,
    /// Outcomes of the right side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<SideCounts>,
    /// (matched + differing) / rows, over both sides, 0 to 1 with four digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_rate: Option<String>,
    /// Where the platform's API serves the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_uri: Option<String>,
}

/// The outcomes of one side. rows = matched + differing + review + unmatched + duplicate + rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SideCounts {
    /// Rows read.
    pub rows: i64,
    /// Records matched, with no difference in the compared columns.
    pub matched: i64,
    /// Records matched whose compared columns differ.
    pub differing: i64,
    /// Records that a person decides.
    pub review: i64,
    /// Records without a counterpart.
    pub unmatched: i64,
    /// Rows whose key occurs more than once.
    pub duplicate: i64,
    /// Rows that could not be read.
    pub rejected: i64,
}
