//! The same work on many wholes, on several threads.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{ScopedJoinHandle, scope};

const BATCH: usize = 32;

/// Applies `job` to every whole, with a state of `make` per thread. The results are in the order of
/// the wholes. `tick` is told how many are done; when it answers `false`, the result is `None`.
pub(super) fn map<S, T: Send>(
    threads: usize,
    wholes: &[u32],
    make: impl Fn() -> S + Sync,
    job: impl Fn(&mut S, u32) -> T + Sync,
    tick: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Vec<T>> {
    let batches: Vec<&[u32]> = wholes.chunks(BATCH).collect();
    let next = AtomicUsize::new(0);
    let done = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let work = || {
        let mut state = make();
        let mut results = Vec::new();
        while !stopped.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(at) else { break };
            let mapped: Vec<T> = batch.iter().map(|&whole| job(&mut state, whole)).collect();
            results.push((at, mapped));
            let before = done.fetch_add(batch.len() as u64, Ordering::Relaxed);
            if !tick(before + batch.len() as u64) {
                stopped.store(true, Ordering::Relaxed);
            }
        }
        results
    };
    let threads = threads.min(batches.len());
    let mut results = if threads <= 1 {
        work()
    } else {
        scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = workers.into_iter().map(ScopedJoinHandle::join);
            joined
                .flat_map(|done| done.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        })
    };
    if stopped.into_inner() {
        return None;
    }
    results.sort_unstable_by_key(|(at, _)| *at);
    Some(results.into_iter().flat_map(|(_, mapped)| mapped).collect())
}
