//! Everything wired together, and the life of the process.

use sqlx::PgPool;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::audit;
use crate::auth::operator::OperatorIdentity;
use crate::auth::password::Verifier;
use crate::auth::token::PersonTokens;
use crate::cache::MultiLevelCache;
use crate::config::Config;
use crate::connections;
use crate::limits::RateLimits;
use crate::redis::{Link, Message};
use crate::router;
use crate::runs::{self, watch::Watchers};
use crate::storage::Storage;
use crate::telemetry::Metrics;
use crate::uploads::resumable;

/// How long open requests may take to end once the process was told to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// How often what ran out is looked for.
const FORGET: Duration = Duration::from_hours(1);

/// What every handler and worker shares.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The database.
    pub db: PgPool,
    /// The object store.
    pub storage: Storage,
    /// Access tokens of people.
    pub tokens: PersonTokens,
    /// The operator's identity, where it has access.
    pub operator: Option<OperatorIdentity>,
    /// Verifies passwords.
    pub passwords: Verifier,
    /// Who watches runs.
    pub watchers: Watchers,
    /// Answers that need not be looked up again.
    pub cache: MultiLevelCache,
    /// How much callers may ask.
    pub limits: RateLimits,
    /// Redis, where there is one.
    pub redis: Arc<Link>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// What other processes say through Redis, until somebody listens.
    messages: Mutex<Option<mpsc::Receiver<Message>>>,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Wires an app to a database pool.
    ///
    /// # Errors
    /// When the object store cannot be opened.
    pub fn new(config: Config, db: PgPool) -> Result<Self, String> {
        let id = Uuid::new_v4();
        let (redis, messages) = match &config.redis {
            None => (Link::none(), None),
            Some(redis) => {
                let (link, messages) = Link::open(redis, MultiLevelCache::channels(id))
                    .map_err(|error| format!("REDIS_URL cannot be used: {error}"))?;
                (link, Some(messages))
            }
        };
        let (redis, metrics) = (Arc::new(redis), Arc::<Metrics>::default());
        let storage = Storage::open(&config.storage)
            .map_err(|error| format!("the object store cannot be opened: {error}"))?;
        Ok(Self(Arc::new(Parts {
            storage,
            cache: MultiLevelCache::new(
                id,
                &config,
                db.clone(),
                Arc::clone(&redis),
                Arc::clone(&metrics),
            ),
            limits: RateLimits::new(&config.rate_limits, Arc::clone(&redis)),
            redis,
            messages: Mutex::new(messages),
            tokens: PersonTokens::new(
                &config.jwt_secret,
                config.jwt_secret_previous.as_ref(),
                config.access_token_life,
            ),
            operator: config
                .operator_identity_file
                .clone()
                .map(OperatorIdentity::new),
            passwords: Verifier::default(),
            watchers: Watchers::new(db.clone(), config.max_event_streams),
            metrics,
            db,
            config,
        })))
    }

    /// Keeps the caches in step with other processes until told to stop. Without it nothing is
    /// cached.
    pub async fn keep_cache(self, stop: CancellationToken) {
        let messages = {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.take()
        };
        self.cache.clone().keep(messages, stop).await;
    }
}

/// Serves until SIGTERM or SIGINT, then hands running work back and lets requests end.
pub(crate) async fn serve(config: Config) -> Result<(), String> {
    let db = crate::db::pool(&config.database).map_err(|error| error.to_string())?;
    let (api_address, metrics_address) = (config.bind, config.metrics_bind);
    let app = App::new(config, db)?;
    app.passwords.warm_up();
    let listen = async |address| {
        TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))
    };
    let (api, metrics) = (listen(api_address).await?, listen(metrics_address).await?);
    tracing::info!(api = %api_address, metrics = %metrics_address, "listening");

    let stop = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(stop.clone()));
    let cache = tokio::spawn(app.clone().keep_cache(stop.clone()));
    let workers = tokio::spawn(runs::work(app.clone(), stop.clone()));
    let forgetter = tokio::spawn(forget(app.db.clone()));
    let exporter = tokio::spawn(audit::export_heads(app.clone(), stop.clone()));
    let sweepers = [
        tokio::spawn(app.storage.clone().sweep()),
        tokio::spawn(resumable::sweep(app.clone())),
    ];
    let limits = app.config.connections;
    // Metrics are told until the end.
    let metrics = tokio::spawn(connections::serve(
        metrics,
        router::metrics(app.clone()),
        limits,
        CancellationToken::new(),
    ));
    let server = connections::serve(api, router::api(app.clone()), limits, stop.clone());
    let drained = async {
        stop.cancelled().await;
        // Streams of events would go on until their runs end.
        app.watchers.close();
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        () = server => {}
        () = drained => tracing::warn!("requests were still open and are dropped"),
    }
    stop.cancel();
    if tokio::time::timeout(Duration::from_secs(5), workers)
        .await
        .is_err()
    {
        tracing::warn!("workers did not stop in time; their leases will run out");
    }
    if tokio::time::timeout(Duration::from_secs(5), exporter)
        .await
        .is_err()
    {
        tracing::warn!("the last head of the audit log was not exported in time");
    }
    if tokio::time::timeout(Duration::from_secs(5), cache)
        .await
        .is_err()
    {
        tracing::warn!("the right to cache was not given back; it lapses");
    }
    metrics.abort();
    forgetter.abort();
    for sweeper in sweepers {
        sweeper.abort();
    }
    signals.abort();
    Ok(())
}

/// Forgets what nobody can use any more, now and then, for ever.
async fn forget(db: PgPool) {
    loop {
        let sessions = crate::db::sessions::delete_expired(&db).await;
        let answers = crate::db::idempotency::delete_expired(&db).await;
        if let Err(error) = sessions.and(answers) {
            tracing::warn!(%error, "old sessions and answers cannot be forgotten");
        }
        tokio::time::sleep(FORGET).await;
    }
}

async fn stop_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
        tracing::error!("signals cannot be handled; the process will not stop gracefully");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
}
