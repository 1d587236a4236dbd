//! What processes tell each other through Redis: that something is to be forgotten, and that it is.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::MultiLevelCache;
use crate::redis::Message;

/// Where changes are told.
pub(super) const CHANGES: &str = "rp:cache:changes";
/// How long a process may take to say that it has forgotten something.
const REPLY: Duration = Duration::from_millis(300);

/// Where a process hears that another one has forgotten something.
pub(super) fn replies_to(id: Uuid) -> String {
    format!("rp:cache:forgotten:{id}")
}

#[derive(Serialize, Deserialize)]
struct Told {
    from: Uuid,
    /// Which question of the sender this is; none where it wants no reply.
    number: Option<u64>,
    keys: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Reply {
    from: Uuid,
    number: u64,
}

/// Replies that are waited for.
#[derive(Debug, Default)]
pub(super) struct Replies {
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, mpsc::UnboundedSender<Uuid>>>,
}

pub(super) struct Question<'a> {
    pub(super) number: u64,
    replies: &'a Replies,
    from: mpsc::UnboundedReceiver<Uuid>,
}

impl Replies {
    pub(super) fn ask(&self) -> Question<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, from) = mpsc::unbounded_channel();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(number, sender);
        Question {
            number,
            replies: self,
            from,
        }
    }

    fn hear(&self, reply: &Reply) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = open.get(&reply.number) {
            // Whoever asked may be gone already.
            let _ = question.send(reply.from);
        }
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let open = &self.replies.open;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.number);
    }
}

impl Question<'_> {
    /// Waits until all of them have replied; false where one does not in time.
    pub(super) async fn all(&mut self, mut missing: BTreeSet<Uuid>) -> bool {
        let replies = async {
            while !missing.is_empty() {
                match self.from.recv().await {
                    Some(from) => drop(missing.remove(&from)),
                    None => return,
                }
            }
        };
        let replies = tokio::time::timeout(REPLY, replies).await;
        replies.is_ok()
    }
}

impl MultiLevelCache {
    pub(super) fn told(&self, number: Option<u64>, keys: Vec<String>) -> Vec<u8> {
        let told = Told {
            from: self.0.id,
            number,
            keys,
        };
        // Writing numbers and texts into memory cannot fail.
        rmp_serde::to_vec_named(&told).unwrap_or_default()
    }

    /// Forgets what other processes changed, tells them so, and hears what they say.
    pub(super) async fn listen(self, mut messages: mpsc::Receiver<Message>) {
        let own = replies_to(self.0.id);
        while let Some(message) = messages.recv().await {
            // What has come meanwhile is answered together.
            let mut replies = self.hear(&own, &message).into_iter().collect::<Vec<_>>();
            while let Ok(message) = messages.try_recv() {
                replies.extend(self.hear(&own, &message));
            }
            if let (Some(session), false) = (self.0.redis.session(), replies.is_empty()) {
                // Whoever asked waits for the right to lapse where no reply arrives.
                let _ = session.publish(&replies).await;
            }
        }
    }

    fn hear(&self, own: &str, message: &Message) -> Option<(String, Vec<u8>)> {
        if message.channel == own {
            if let Ok(reply) = rmp_serde::from_slice(&message.payload) {
                self.0.replies.hear(&reply);
            }
            return None;
        }
        // Unreadable, it gets no reply, and its sender does without.
        let told: Told = rmp_serde::from_slice(&message.payload).ok()?;
        if told.from == self.0.id {
            return None;
        }
        self.forget(&told.keys);
        let reply = Reply {
            from: self.0.id,
            number: told.number?,
        };
        let reply = rmp_serde::to_vec_named(&reply).ok()?;
        Some((replies_to(told.from), reply))
    }
}
