//! The load: writers, each of a subject of its own, and readers of all subjects at both processes.

use reqwest::Client;
use sqlx::PgPool;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::actor::Actor;
use super::record::{Kind, Record, Version, stale};
use super::support::{Server, processes};

pub const PROJECTS: usize = 4;
const READERS: usize = 8;
/// However slow the machine is, a third of a case has so many reads.
const LEAST_READS: u64 = 100;

/// A project with an owner, and somebody whose role in it changes.
pub struct Project {
    pub id: Uuid,
    pub owner: String,
    pub member: String,
    pub member_email: String,
    /// Writes of the role that have begun, and those that were acknowledged.
    pub roles: [AtomicU64; 2],
}

pub struct Load(Arc<Inner>);

pub struct Inner {
    pub client: Client,
    pub replicas: Vec<String>,
    pub projects: Vec<Project>,
    pub turn: AtomicU64,
    pub errors: AtomicU64,
    pub reads: AtomicU64,
    _server: Server,
}

/// A load that goes on.
pub struct Running {
    stop: CancellationToken,
    tasks: JoinSet<()>,
    records: mpsc::UnboundedReceiver<Record>,
    load: Arc<Inner>,
}

/// What came of it.
pub struct Report {
    reads: usize,
    writes: usize,
    stale: Vec<(Record, Version)>,
    errors: u64,
    /// Answers from each process's own memory.
    pub hits: Vec<f64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} reads, {} writes, {} stale reads, {} answers of 5xx, projects from memory: {:?}",
            self.reads,
            self.writes,
            self.stale.len(),
            self.errors,
            self.hits
        )
    }
}

impl Report {
    pub fn assert_good(&self) {
        self.assert_fresh();
        assert_eq!(self.errors, 0, "{self}");
    }

    pub fn assert_fresh(&self) {
        let first = self.stale.first();
        let first = first.map(|(record, least)| format!("{record} and not {least}"));
        assert!(first.is_none(), "{self}, such as {first:?}");
        assert!(self.writes > 0, "{self}");
        assert!(self.hits.iter().all(|hits| *hits > 0.0), "{self}");
    }

    pub fn assert_stale(&self) {
        assert!(!self.stale.is_empty(), "{self}");
    }
}

impl Load {
    pub async fn prepare(db: PgPool, replicas: Vec<String>) -> Self {
        let server = Server::start(db).await;
        let mut projects = Vec::new();
        for number in 0..PROJECTS {
            let (owner, id) = server.owner_of(&format!("project-{number}")).await;
            let member_email = format!("member-{number}@example.com");
            let (_, member) = server.user(&member_email, false).await;
            server
                .user_with_password(&format!("person-{number}@example.com"))
                .await;
            projects.push(Project {
                id,
                owner,
                member,
                member_email,
                roles: [AtomicU64::new(0), AtomicU64::new(0)],
            });
        }
        Self(Arc::new(Inner {
            client: processes::client(),
            replicas,
            projects,
            turn: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            _server: server,
        }))
    }

    pub fn start(&self) -> Running {
        let (sender, records) = mpsc::unbounded_channel();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let actor = || self.actor(&sender, &stop);
        for number in 0..PROJECTS {
            tasks.spawn(actor().rename(number));
            tasks.spawn(actor().change_role(number));
            tasks.spawn(actor().upload(number));
            tasks.spawn(actor().log_in_and_out(number));
        }
        for _ in 0..READERS {
            tasks.spawn(actor().read());
        }
        Running {
            stop,
            tasks,
            records,
            load: Arc::clone(&self.0),
        }
    }

    fn actor(&self, records: &mpsc::UnboundedSender<Record>, stop: &CancellationToken) -> Actor {
        Actor {
            load: Arc::clone(&self.0),
            records: records.clone(),
            stop: stop.clone(),
        }
    }
}

impl Running {
    /// Lets the load go on for a time, and until there were enough reads.
    pub async fn goes_on_for(&self, time: Duration) {
        let reads = || self.load.reads.load(Ordering::Relaxed);
        let before = reads();
        tokio::time::sleep(time).await;
        while reads() < before + LEAST_READS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn end(mut self) -> Report {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let mut records = Vec::new();
        while let Ok(record) = self.records.try_recv() {
            records.push(record);
        }
        let reads = |record: &&Record| matches!(record.kind, Kind::Read(_));
        let reads = records.iter().filter(reads).count();
        Report {
            reads,
            writes: records.len() - reads,
            stale: stale(&records),
            errors: self.load.errors.load(Ordering::Relaxed),
            hits: Vec::new(),
        }
    }
}
