//! The policy: a bucket of a minute's requests that fills evenly, as arithmetic on one number.
//!
//! The generic cell rate algorithm keeps one time for each bucket, at which it will be full again
//! (the theoretical arrival time). A request moves it by the interval between two requests; it is
//! refused where that would be more than a window from now.

use std::time::Duration;

/// How long a bucket takes to fill, in microseconds and in seconds.
pub const WINDOW_MICROS: u64 = 60_000_000;
/// The same in seconds.
pub const WINDOW_SECONDS: u64 = 60;

/// A number of requests in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
}

impl Quota {
    /// So many a minute, at least one.
    #[must_use]
    pub fn per_minute(requests: u32) -> Self {
        Self {
            requests: requests.max(1),
        }
    }

    /// The number of requests.
    #[must_use]
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// What one request takes, in microseconds of filling.
    #[must_use]
    pub fn interval(self) -> u64 {
        (WINDOW_MICROS / u64::from(self.requests)).max(1)
    }

    /// What the bucket holds, in microseconds of filling.
    #[must_use]
    pub fn whole(self) -> u64 {
        self.interval() * u64::from(self.requests)
    }

    /// Takes a request from a bucket that would be full again at `full`; both are times in
    /// microseconds. None where the bucket has too little.
    #[must_use]
    pub fn take(self, full: u64, now: u64) -> Option<u64> {
        // A clock that went back must not close a bucket for longer than a window.
        let full = full.clamp(now, now + self.whole());
        let after = full + self.interval();
        (after - now <= self.whole()).then_some(after)
    }
}

/// How a bucket stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    quota: Quota,
    /// Microseconds until it is full, had the request been let through.
    missing: u64,
}

impl Standing {
    /// A bucket that was short of this many microseconds before a request took its share.
    #[must_use]
    pub fn after(quota: Quota, short_before: u64) -> Self {
        let short = short_before.min(quota.whole());
        Self {
            quota,
            missing: short + quota.interval(),
        }
    }

    /// The quota.
    #[must_use]
    pub fn quota(self) -> Quota {
        self.quota
    }

    /// Whether the bucket had enough.
    #[must_use]
    pub fn allowed(self) -> bool {
        self.missing <= self.quota.whole()
    }

    /// Requests that are left.
    #[must_use]
    pub fn remaining(self) -> u64 {
        self.quota.whole().saturating_sub(self.missing) / self.quota.interval()
    }

    /// The time until the bucket is full again.
    #[must_use]
    pub fn until_full(self) -> Duration {
        Duration::from_micros(self.missing.min(self.quota.whole()))
    }

    /// The time until the bucket has enough for one request.
    #[must_use]
    pub fn until_allowed(self) -> Duration {
        Duration::from_micros(self.missing.saturating_sub(self.quota.whole()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Quota, Standing, WINDOW_MICROS};
    use std::time::Duration;

    #[test]
    fn a_bucket_gives_a_whole_minute_at_once_and_then_evenly() {
        let quota = Quota::per_minute(10);
        let (mut full, mut taken) = (0, 0);
        while let Some(after) = quota.take(full, 0) {
            (full, taken) = (after, taken + 1);
        }
        assert_eq!(taken, 10);
        assert_eq!(quota.take(full, 5_999_999), None);
        let after = quota.take(full, 6_000_000).unwrap();
        assert_eq!(quota.take(after, 6_000_000), None);
        assert_eq!(
            quota.take(0, WINDOW_MICROS),
            Some(WINDOW_MICROS + 6_000_000)
        );
    }

    #[test]
    fn a_clock_that_goes_back_closes_a_bucket_for_a_minute_at_most() {
        let quota = Quota::per_minute(10);
        assert_eq!(quota.take(u64::MAX / 2, 7), None);
        let standing = Standing::after(quota, u64::MAX / 2);
        assert_eq!(standing.until_allowed(), Duration::from_secs(6));
    }

    #[test]
    fn a_standing_says_what_is_left_and_when_there_is_more() {
        let quota = Quota::per_minute(10);
        let first = Standing::after(quota, 0);
        assert!(first.allowed());
        assert_eq!((first.remaining(), first.until_full().as_secs()), (9, 6));
        let refused = Standing::after(quota, 57_000_000);
        assert!(!refused.allowed());
        assert_eq!(refused.remaining(), 0);
        assert_eq!(refused.until_allowed(), Duration::from_secs(3));
    }

    #[test]
    fn odd_numbers_lose_less_than_a_request() {
        for requests in [1, 7, 59, 999_999, 1_000_000] {
            let quota = Quota::per_minute(requests);
            assert!(quota.whole() <= WINDOW_MICROS);
            assert_eq!(quota.whole() / quota.interval(), u64::from(requests));
        }
    }
}
