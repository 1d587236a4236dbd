//! How many threads a run works on.

use std::thread::available_parallelism;
use tokio::runtime::Handle;

/// As many as the tokio runtime of the caller has workers, so that whoever starts a run decides;
/// outside of any runtime, as many as the system offers.
///
/// Threads that the engine starts itself are in no runtime: ask before starting them.
#[must_use]
pub fn count() -> usize {
    match Handle::try_current() {
        Ok(runtime) => runtime.metrics().num_workers(),
        Err(_) => available_parallelism().map_or(1, usize::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn the_runtime_decides_also_on_its_threads_for_blocking_work() {
        for workers in [1, 3, 8] {
            let runtime = Builder::new_multi_thread()
                .worker_threads(workers)
                .build()
                .unwrap();
            assert_eq!(runtime.block_on(async { count() }), workers);
            let blocking = runtime.spawn_blocking(count);
            assert_eq!(runtime.block_on(blocking).unwrap(), workers);
        }
        assert!(count() > 0);
    }
}
