//! How runs are worked on: claimed with a lease, executed by the engine, published under a fence.

use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::app::App;
use crate::db::queue;

mod attempt;
pub mod differences;
mod exceptions;
mod execute;
mod lease;
pub mod pairs;
mod rows;
pub mod spec;
pub mod watch;

/// What kinds of errors runs end with.
pub const ERROR_TYPES: &[&str] = &[
    "invalidSpecification",
    "input",
    "budget",
    "rejected",
    "conservation",
    "storage",
    "io",
    "internal",
    "attemptsExhausted",
];

/// How long a worker rests when there is nothing to do and nobody wakes it.
const MAX_REST: Duration = Duration::from_secs(5);

/// Works on runs until told to stop; then running work is handed back.
pub async fn work(app: App, stop: CancellationToken) {
    if app.config.workers.count == 0 {
        return;
    }
    let engine = match Engine::start() {
        Ok(engine) => engine,
        Err(error) => {
            tracing::error!(%error, "the engine's threads cannot start; this process works on no runs");
            return;
        }
    };
    let wake = Arc::new(Notify::new());
    let mut tasks = JoinSet::new();
    for number in 0..app.config.workers.count {
        let span = tracing::info_span!("worker", number);
        let worker = Worker {
            app: app.clone(),
            engine: engine.handle(),
            wake: Arc::clone(&wake),
            stop: stop.clone(),
        };
        tasks.spawn(worker.work().instrument(span));
    }
    let listener = tokio::spawn(listen(app, wake));
    while let Some(result) = tasks.join_next().await {
        if let Err(error) = result {
            tracing::error!(%error, "a worker ended");
        }
    }
    listener.abort();
}

/// The engine's own threads: its work never delays a heartbeat or a request.
struct Engine(Option<Runtime>);

impl Engine {
    fn start() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("engine")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    fn handle(&self) -> Handle {
        // The runtime is there until the value is dropped.
        self.0
            .as_ref()
            .map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Worker {
    app: App,
    engine: Handle,
    wake: Arc<Notify>,
    stop: CancellationToken,
}

impl Worker {
    async fn work(self) {
        let rest = MAX_REST.min(self.app.config.workers.lease / 3);
        while !self.stop.is_cancelled() {
            // Registered before looking, so that a run queued in between is not slept through.
            let woken = self.wake.notified();
            match self.next().await {
                Ok(Some(claim)) => {
                    execute::execute(&self.app, &self.engine, claim, &self.stop).await;
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the queue cannot be read"),
            }
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(rest) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn next(&self) -> Result<Option<queue::Claim>, sqlx::Error> {
        let workers = &self.app.config.workers;
        let failed = queue::exhaust(&self.app.db, workers.max_attempts).await?;
        for _ in 0..failed {
            self.app
                .metrics
                .run_ended(crate::telemetry::Outcome::Failed);
        }
        queue::claim(
            &self.app.db,
            &workers.name,
            workers.lease,
            workers.max_attempts,
        )
        .await
    }
}

/// Wakes the workers when a run is queued anywhere. Without it they still look every few seconds.
async fn listen(app: App, wake: Arc<Notify>) {
    loop {
        if let Err(error) = listen_once(&app, &wake).await {
            tracing::warn!(%error, "not told of queued runs for the moment");
        }
        tokio::time::sleep(MAX_REST).await;
    }
}

async fn listen_once(app: &App, wake: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = sqlx::postgres::PgListener::connect_with(&app.db).await?;
    listener.listen(queue::CHANNEL).await?;
    loop {
        listener.recv().await?;
        wake.notify_waiters();
    }
}
