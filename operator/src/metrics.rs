//! What the operator measures, and the server of `/livez`, `/readyz` and `/metrics`.
//!
//! Label values are enums, so the number of series is known at compile time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::error::ErrorReason;
use crate::platform::manifest::Kind;

/// The controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Controller {
    /// Of `ReconciliationPlatform`.
    Platform,
    /// Of `ReconciliationJob`.
    Job,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: Controller,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    controller: Controller,
    reason: ErrorReason,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: Kind,
}

/// The operator's metrics.
pub struct Metrics {
    registry: Registry,
    durations: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    errors: Family<ErrorLabels, Counter>,
    drift: Family<KindLabels, Counter>,
}

impl Metrics {
    /// Registers all of them.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let durations: Family<ControllerLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.5, 12)));
        let errors = Family::default();
        let drift = Family::default();
        registry.register_with_unit(
            "reconcile_duration",
            "How long a reconciliation of one object took",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Reconciliations that failed and are tried again",
            errors.clone(),
        );
        registry.register(
            "drift_repairs",
            "Objects that were changed or deleted by somebody else and were put right",
            drift.clone(),
        );
        Self {
            registry,
            durations,
            errors,
            drift,
        }
    }

    /// Notes the end of one reconciliation.
    pub fn reconciled(&self, controller: Controller, took: Duration) {
        self.durations
            .get_or_create(&ControllerLabels { controller })
            .observe(took.as_secs_f64());
    }

    /// Notes a reconciliation that failed.
    pub fn failed(&self, controller: Controller, reason: ErrorReason) {
        self.errors
            .get_or_create(&ErrorLabels { controller, reason })
            .inc();
    }

    /// Notes an object that was put right.
    pub fn drift_repaired(&self, kind: Kind) {
        self.drift.get_or_create(&KindLabels { kind }).inc();
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Serves health and metrics until `shutdown` resolves.
///
/// A replica without the lease is ready too: it is there to take over.
pub async fn serve(
    listener: tokio::net::TcpListener,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(exposition))
        .with_state(metrics);
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown)
        .await
}

async fn exposition(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    match metrics.text() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_dashboards_rely_on() {
        let metrics = Metrics::new();
        metrics.reconciled(Controller::Platform, Duration::from_millis(3));
        metrics.failed(Controller::Job, ErrorReason::Kubernetes);
        metrics.drift_repaired(Kind::Deployment);
        let text = metrics.text().unwrap();
        for line in [
            r#"reconcile_duration_seconds_count{controller="Platform"} 1"#,
            r#"reconcile_errors_total{controller="Job",reason="Kubernetes"} 1"#,
            r#"drift_repairs_total{kind="Deployment"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
