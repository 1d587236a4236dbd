//! The connection to Redis, where there is one: it comes back by itself, and nobody waits for it.
//!
//! A [`Session`] is one TCP connection, so it speaks to one Redis process for as long as it lives,
//! whose [`Session::incarnation`] it knows. Commands and what is published come over the same
//! connection and end together. Whoever finds no session, or sees a command fail, does without
//! Redis: a failed command ends the session, and until the next one is there nothing is tried.

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, ProtocolVersion, PushInfo, PushKind, RedisError,
    ScriptInvocation, Value,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::RedisConfig;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take: a request waits for it, and then does without.
const ANSWER: Duration = Duration::from_millis(250);
/// A connection on which nothing is asked is tried this often.
const PING: Duration = Duration::from_secs(1);
/// The pause before the first new connection, and the longest one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Messages that may wait to be looked at. What comes on top is lost, as Redis may lose it anyway.
const INBOX: usize = 4096;

/// Something that was published on a channel.
#[derive(Debug)]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// The content.
    pub payload: Vec<u8>,
}

/// Redis, or its absence.
#[derive(Debug)]
pub struct Link {
    current: watch::Receiver<Option<Session>>,
    keeper: Option<JoinHandle<()>>,
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// One connection to one process of Redis.
#[derive(Clone)]
pub struct Session {
    connection: MultiplexedConnection,
    incarnation: Arc<str>,
    over: CancellationToken,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("incarnation", &self.incarnation)
            .field("over", &self.over.is_cancelled())
            .finish_non_exhaustive()
    }
}

impl Link {
    /// No Redis.
    #[must_use]
    pub fn none() -> Self {
        Self {
            current: watch::channel(None).1,
            keeper: None,
        }
    }

    /// Connects in the background, again and again, and subscribes to the channels; what is
    /// published on them comes out of the receiver.
    ///
    /// # Errors
    /// Never for a configuration that was parsed.
    pub fn open(
        config: &RedisConfig,
        channels: Vec<String>,
    ) -> Result<(Self, mpsc::Receiver<Message>), RedisError> {
        let info = config.connection_info()?;
        let settings = info.redis_settings().clone();
        let client =
            Client::open(info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3)))?;
        let (inbox, messages) = mpsc::channel(INBOX);
        let (current, receiver) = watch::channel(None);
        let keeper = tokio::spawn(keep(client, channels, inbox, current));
        let link = Self {
            current: receiver,
            keeper: Some(keeper),
        };
        Ok((link, messages))
    }

    /// The session, while there is one.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        let session = self.current.borrow();
        session.as_ref().filter(|it| !it.is_over()).cloned()
    }

    /// Tells of every session that begins or ends.
    #[must_use]
    pub fn sessions(&self) -> watch::Receiver<Option<Session>> {
        self.current.clone()
    }
}

impl Session {
    /// Names the process of Redis: another one, also a restarted one, has another name.
    #[must_use]
    pub fn incarnation(&self) -> &str {
        &self.incarnation
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Whether it is this very session.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.over == other.over
    }

    /// Runs a script.
    ///
    /// # Errors
    /// Every error of Redis and of the connection; the session is over then.
    pub async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        let result = script.invoke_async(&mut self.connection.clone()).await;
        result.inspect_err(|error| self.end(error))
    }

    /// Publishes messages, each with its channel.
    ///
    /// # Errors
    /// Every error of Redis and of the connection; the session is over then.
    pub async fn publish(&self, messages: &[(String, Vec<u8>)]) -> Result<(), RedisError> {
        let mut pipeline = redis::pipe();
        for (channel, payload) in messages {
            pipeline.cmd("PUBLISH").arg(channel).arg(payload).ignore();
        }
        let result = pipeline.query_async(&mut self.connection.clone()).await;
        result.inspect_err(|error| self.end(error))
    }

    /// Asks whether the session still works.
    async fn ping(&self) -> Result<(), RedisError> {
        let ping = redis::cmd("PING");
        let result = ping
            .query_async::<Value>(&mut self.connection.clone())
            .await;
        result.map(drop).inspect_err(|error| self.end(error))
    }

    fn end(&self, error: &RedisError) {
        if !self.is_over() {
            tracing::warn!(%error, "Redis failed; doing without until it is back");
        }
        self.over.cancel();
    }
}

/// Keeps a session going for as long as the process lives.
async fn keep(
    client: Client,
    channels: Vec<String>,
    inbox: mpsc::Sender<Message>,
    current: watch::Sender<Option<Session>>,
) {
    let (mut pause, mut told) = (PAUSE.0, false);
    loop {
        match connect(&client, &channels, &inbox).await {
            Ok(session) => {
                tracing::info!("connected to Redis");
                (pause, told) = (PAUSE.0, false);
                current.send_replace(Some(session.clone()));
                while !session.is_over() {
                    tokio::select! {
                        () = session.over.cancelled() => {}
                        () = tokio::time::sleep(PING) => drop(session.ping().await),
                    }
                }
                current.send_replace(None);
            }
            Err(error) => {
                if !told {
                    tracing::warn!(
                        error,
                        "no connection to Redis; doing without until there is"
                    );
                }
                told = true;
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

async fn connect(
    client: &Client,
    channels: &[String],
    inbox: &mpsc::Sender<Message>,
) -> Result<Session, String> {
    let over = CancellationToken::new();
    let push = {
        let (over, inbox) = (over.clone(), inbox.clone());
        move |info| {
            receive(&info, &over, &inbox);
            Ok::<(), redis::aio::SendError>(())
        }
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(ANSWER))
        .set_push_sender(push);
    let opening = client.get_multiplexed_async_connection_with_config(&config);
    let mut connection = opening.await.map_err(|error| error.to_string())?;
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut connection)
        .await
        .map_err(|error| error.to_string())?;
    let incarnation = info
        .lines()
        .find_map(|line| line.strip_prefix("run_id:"))
        .ok_or("INFO does not tell the run_id, which Redis 7 does")?
        .trim();
    let session = Session {
        connection: connection.clone(),
        incarnation: incarnation.into(),
        over,
    };
    for channel in channels {
        let subscribed = connection.subscribe(channel.as_str()).await;
        subscribed.map_err(|error| error.to_string())?;
    }
    Ok(session)
}

/// Takes what Redis sends unasked.
fn receive(info: &PushInfo, over: &CancellationToken, inbox: &mpsc::Sender<Message>) {
    match info.kind {
        PushKind::Disconnection => over.cancel(),
        PushKind::Message => {
            if let [Value::BulkString(channel), Value::BulkString(payload)] = &info.data[..] {
                // A full inbox loses the message, and whoever sent it gets no answer.
                let _ = inbox.try_send(Message {
                    channel: String::from_utf8_lossy(channel).into_owned(),
                    payload: payload.clone(),
                });
            }
        }
        _ => {}
    }
}
