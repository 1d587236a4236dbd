//! The audit log as it is stored: a chain of entries, each with the hash of the one before. Reads it,
//! and finds what was changed, removed or cut off.

use crate::db::named::NamedQuery;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgPool};
use std::collections::BTreeMap;
use uuid::Uuid;

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, at, actor_kind, actor, action, subject_kind, subject, project_id, \
             request_id, details, previous_hash, hash FROM audit_log ",
            $rest
        )
    };
}
const LIST: NamedQuery = NamedQuery::new(
    "audit.list",
    select!("WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2"),
)
.sampled("audit_log", "sequence, 101");
const LIST_OF_PROJECT: NamedQuery = NamedQuery::new(
    "audit.list_of_project",
    select!("WHERE project_id = $3 AND sequence < $1 ORDER BY sequence DESC LIMIT $2"),
)
.sampled("audit_log", "sequence, 101, project_id");
const SCAN: NamedQuery = NamedQuery::new(
    "audit.scan",
    select!("WHERE sequence > $1 ORDER BY sequence LIMIT $2"),
)
.sampled("audit_log", "sequence, 5000");
const HEAD: NamedQuery = NamedQuery::new(
    "audit.head",
    "SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1",
);

/// What this module asks the database.
pub(in crate::db) const QUERIES: &[NamedQuery] = &[LIST, LIST_OF_PROJECT, SCAN, HEAD];

/// What the first entry has for the hash of the one before.
const NO_HASH: [u8; 32] = [0; 32];

/// An entry as it is stored.
#[derive(Clone, Debug, FromRow)]
pub struct Stored {
    /// Its number, from 1 without gaps.
    pub sequence: i64,
    /// When it was added.
    pub at: DateTime<Utc>,
    /// The kind of who did it.
    pub actor_kind: String,
    /// Who, where the kind has several.
    pub actor: Option<String>,
    /// What was done.
    pub action: String,
    /// The kind of what it was done to.
    pub subject_kind: String,
    /// What it was done to.
    pub subject: String,
    /// The project.
    pub project_id: Option<Uuid>,
    /// The request.
    pub request_id: Uuid,
    /// A JSON object of settings.
    pub details: String,
    /// The hash of the entry before.
    pub previous_hash: Vec<u8>,
    /// The hash over all of the above.
    pub hash: Vec<u8>,
}

impl Stored {
    /// The hash that the entry must have: the same bytes as `audit_append` hashes.
    #[must_use]
    pub fn expected_hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"reconciliation-platform audit 1");
        let mut field = |value: Option<&str>| match value {
            None => hash.update([0]),
            Some(value) => {
                hash.update([1]);
                hash.update((value.len() as u64).to_be_bytes());
                hash.update(value.as_bytes());
            }
        };
        field(Some(&self.sequence.to_string()));
        field(Some(&self.at.timestamp_micros().to_string()));
        field(Some(&self.actor_kind));
        field(self.actor.as_deref());
        field(Some(&self.action));
        field(Some(&self.subject_kind));
        field(Some(&self.subject));
        field(self.project_id.map(|id| id.to_string()).as_deref());
        field(Some(&self.request_id.to_string()));
        field(Some(&self.details));
        hash.update(&self.previous_hash);
        hash.finalize().into()
    }

    /// The details as they are shown.
    #[must_use]
    pub fn details(&self) -> Option<Value> {
        serde_json::from_str(&self.details).ok()
    }
}

/// The end of the log at some time: what shows later that the log was cut off or written anew.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize)]
pub struct Head {
    /// The number of the last entry.
    pub sequence: i64,
    /// Its hash.
    #[serde(serialize_with = "hex_text")]
    pub hash: Vec<u8>,
}

fn hex_text<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, hex::encode(&self.hash))
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let head = || {
            let (sequence, hash) = text.split_once(':')?;
            let sequence = sequence.parse().ok().filter(|sequence| *sequence > 0)?;
            let hash = hex::decode(hash).ok().filter(|hash| hash.len() == 32)?;
            Some(Self { sequence, hash })
        };
        head().ok_or_else(|| {
            "must be a number and 64 hexadecimal digits with a colon between, as in the log".into()
        })
    }
}

/// The end of the log; none while it is empty.
///
/// # Errors
/// Errors of the database.
pub async fn head(db: &PgPool) -> Result<Option<Head>, sqlx::Error> {
    sqlx::query_as(HEAD).fetch_optional(db).await
}

/// A page of entries before a number, newest first, of a project or of all.
///
/// # Errors
/// Errors of the database.
pub async fn list(
    db: &PgPool,
    project: Option<Uuid>,
    before: i64,
    limit: i64,
) -> Result<Vec<Stored>, sqlx::Error> {
    match project {
        None => sqlx::query_as(LIST).bind(before).bind(limit),
        Some(project) => sqlx::query_as(LIST_OF_PROJECT)
            .bind(before)
            .bind(limit)
            .bind(project),
    }
    .fetch_all(db)
    .await
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// An entry's content does not have its hash.
    Changed(i64),
    /// Entries between two numbers, both included, are gone.
    Removed(i64, i64),
    /// An entry does not follow the one before it.
    Unlinked(i64),
    /// The log once went on to this entry and does not any more.
    CutOff(i64),
    /// The entry is another one than it once was.
    Rewritten(i64),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed(at) => write!(f, "entry {at} was changed: it does not have its hash"),
            Self::Removed(from, to) if from == to => write!(f, "entry {from} was removed"),
            Self::Removed(from, to) => write!(f, "entries {from} to {to} were removed"),
            Self::Unlinked(at) => write!(f, "entry {at} does not follow the entry before it"),
            Self::CutOff(at) => write!(
                f,
                "the log was cut off: entry {at}, which an exported head names, is missing"
            ),
            Self::Rewritten(at) => write!(
                f,
                "the log was written anew: entry {at} is not the one that an exported head names"
            ),
        }
    }
}

/// Follows the chain entry by entry, and meets the exported heads on the way.
#[derive(Debug)]
pub struct Verification {
    heads: BTreeMap<i64, Vec<Vec<u8>>>,
    last: Head,
    /// Entries seen.
    pub entries: u64,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Verification {
    /// A verification against heads that were exported before.
    #[must_use]
    pub fn new(heads: Vec<Head>) -> Self {
        let mut of = BTreeMap::<i64, Vec<Vec<u8>>>::new();
        for head in heads {
            of.entry(head.sequence).or_default().push(head.hash);
        }
        Self {
            heads: of,
            last: Head {
                sequence: 0,
                hash: NO_HASH.to_vec(),
            },
            entries: 0,
            findings: Vec::new(),
        }
    }

    /// The next entry, in the order of numbers.
    pub fn see(&mut self, entry: &Stored) {
        let (at, expected) = (entry.sequence, self.last.sequence + 1);
        self.entries += 1;
        if at > expected {
            self.findings.push(Finding::Removed(expected, at - 1));
        } else if entry.previous_hash != self.last.hash {
            self.findings.push(Finding::Unlinked(at));
        }
        if entry.expected_hash()[..] != entry.hash[..] {
            self.findings.push(Finding::Changed(at));
        }
        if let Some(hashes) = self.heads.remove(&at)
            && hashes.iter().any(|hash| *hash != entry.hash)
        {
            self.findings.push(Finding::Rewritten(at));
        }
        self.last = Head {
            sequence: at,
            hash: entry.hash.clone(),
        };
    }

    /// The end of the log, and what was found. Heads that were never met lie behind the end.
    #[must_use]
    pub fn finish(mut self) -> (Head, u64, Vec<Finding>) {
        let last = self.last.sequence;
        self.findings.extend(
            self.heads
                .keys()
                .filter(|at| **at > last)
                .max()
                .map(|at| Finding::CutOff(*at)),
        );
        (self.last, self.entries, self.findings)
    }
}

/// Verifies the whole log in one pass.
///
/// # Errors
/// Errors of the database.
pub async fn verify(db: &PgPool, heads: Vec<Head>) -> Result<Verification, sqlx::Error> {
    const BATCH: i64 = 5000;
    let mut verification = Verification::new(heads);
    loop {
        let entries: Vec<Stored> = sqlx::query_as(SCAN)
            .bind(verification.last.sequence)
            .bind(BATCH)
            .fetch_all(db)
            .await?;
        if entries.is_empty() {
            return Ok(verification);
        }
        for entry in &entries {
            verification.see(entry);
        }
    }
}
