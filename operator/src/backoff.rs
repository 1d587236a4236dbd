//! A growing delay per object: kube's `error_policy` is not told of successes, so it is kept here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The failures in a row of each object.
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: Mutex<HashMap<(String, String), u32>>,
}

impl Backoff {
    /// Delays double from `first` up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: Mutex::default(),
        }
    }

    /// Forgets an object's failures.
    pub fn reset(&self, namespace: &str, name: &str) {
        self.lock().remove(&(namespace.into(), name.into()));
    }

    /// Counts one failure and says how long to wait.
    pub fn next(&self, namespace: &str, name: &str) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry((namespace.into(), name.into())).or_insert(0);
        let delay = self.first.saturating_mul(1 << (*count).min(20));
        *count = count.saturating_add(1);
        delay.min(self.longest)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), u32>> {
        // A count is right whatever happened to the thread that held it.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_bound_and_starts_over_after_a_success() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let delays: Vec<_> = (0..4).map(|_| backoff.next("a", "x").as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 5]);
        assert_eq!(backoff.next("b", "x").as_secs(), 1);
        backoff.reset("a", "x");
        assert_eq!(backoff.next("a", "x").as_secs(), 1);
    }
}
