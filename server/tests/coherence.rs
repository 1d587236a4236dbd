//! The caches' promise, checked on real processes under load: after a change is acknowledged, no
//! process answers with what was before it. Every read and write is recorded and judged afterwards.
//!
//! `CHECK_SECONDS` says for how long each case is loaded; `make check-cache` has a minute each.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step of the setup fails the test"
)]

use sqlx::PgPool;
use std::time::Duration;
use support::processes::{Redis, Replica};

use load::{Load, Report};
use relay::Relay;

#[path = "coherence/actor.rs"]
mod actor;
#[path = "coherence/load.rs"]
mod load;
#[path = "coherence/record.rs"]
mod record;
#[path = "coherence/relay.rs"]
mod relay;
mod support;

/// Two processes, one Redis, and a wire from the second process to Redis that can be cut.
struct Stage {
    redis: Redis,
    relay: Relay,
    replicas: Vec<Replica>,
    load: Load,
    _directory: tempfile::TempDir,
}

fn seconds() -> Duration {
    let seconds = std::env::var("CHECK_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(3))
}

impl Stage {
    async fn set(db: PgPool, changes: &[(&str, &str)]) -> Self {
        let (redis, directory) = (Redis::start(), tempfile::tempdir().unwrap());
        let relay = Relay::to(redis.address()).await;
        let mut replicas = Vec::new();
        for url in [redis.url(), relay.url()] {
            let mut changes = changes.to_vec();
            changes.push(("REDIS_URL", &url));
            changes.push(("DATABASE_MAX_CONNECTIONS", "40"));
            replicas.push(Replica::start(&db, &directory, &changes).await);
        }
        for replica in &replicas {
            replica.wait_for_metric("redis_connected ").await;
        }
        let urls = replicas.iter().map(|replica| replica.url.clone());
        let load = Load::prepare(db, urls.collect()).await;
        Self {
            redis,
            relay,
            replicas,
            load,
            _directory: directory,
        }
    }

    /// Loads the processes; at a third of the time something breaks, at two thirds it is mended.
    async fn run(
        mut self,
        breaks: impl AsyncFnOnce(&mut Self),
        mends: impl AsyncFnOnce(&mut Self),
    ) -> Report {
        let running = self.load.start();
        running.goes_on_for(seconds() / 3).await;
        breaks(&mut self).await;
        // Where a process stands still, so may all readers, until it goes on.
        tokio::time::sleep(seconds() / 3).await;
        mends(&mut self).await;
        running.goes_on_for(seconds() / 3).await;
        let mut report = running.end().await;
        for replica in &self.replicas {
            let hits = "cache_requests_total{cache=\"project\",level=\"memory\",outcome=\"hit\"";
            report.hits.push(replica.metric(hits).await);
        }
        println!("{report}");
        report
    }
}

async fn nothing(_: &mut Stage) {}

#[sqlx::test]
async fn no_read_is_stale_while_all_is_well(db: PgPool) {
    let stage = Stage::set(db, &[]).await;
    stage.run(nothing, nothing).await.assert_good();
}

#[sqlx::test]
async fn no_read_is_stale_when_redis_is_killed_and_comes_back(db: PgPool) {
    let stage = Stage::set(db, &[]).await;
    let kill = async |stage: &mut Stage| stage.redis.kill();
    let restart = async |stage: &mut Stage| stage.redis.restart();
    stage.run(kill, restart).await.assert_good();
}

#[sqlx::test]
async fn no_read_is_stale_when_one_process_is_cut_off_from_redis(db: PgPool) {
    let stage = Stage::set(db, &[]).await;
    let cut = async |stage: &mut Stage| stage.relay.hold(true);
    let mend = async |stage: &mut Stage| stage.relay.hold(false);
    stage.run(cut, mend).await.assert_good();
}

#[sqlx::test]
async fn no_read_is_stale_when_one_process_stands_still_for_a_while(db: PgPool) {
    let stage = Stage::set(db, &[]).await;
    let pause = async |stage: &mut Stage| stage.replicas[1].signal("STOP");
    let go_on = async |stage: &mut Stage| stage.replicas[1].signal("CONT");
    // What was asked of it meanwhile may be answered too late, and it may have held locks.
    stage.run(pause, go_on).await.assert_fresh();
}

/// What shows that the cases above can fail.
#[cfg(feature = "faults")]
mod faults {
    use super::{PgPool, Stage, nothing};

    #[sqlx::test]
    async fn a_writer_that_invalidates_nothing_is_found_out(db: PgPool) {
        let stage = Stage::set(db, &[("CACHE_FAULT", "no-invalidation")]).await;
        stage.run(nothing, nothing).await.assert_stale();
    }

    #[sqlx::test]
    async fn a_writer_that_waits_for_nobody_is_found_out(db: PgPool) {
        let stage = Stage::set(db, &[("CACHE_FAULT", "no-waiting")]).await;
        let cut = async |stage: &mut Stage| stage.relay.hold(true);
        let mend = async |stage: &mut Stage| stage.relay.hold(false);
        stage.run(cut, mend).await.assert_stale();
    }
}
