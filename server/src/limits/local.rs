//! Buckets of this process: a bounded number of each kind, the longest unused of which goes first.

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::bucket::Standing;
use super::{Ask, Decision, Scope, Subject};

/// Buckets of each kind; about ten megabytes in all. Kinds are apart, so that whoever comes from
/// many addresses pushes no account's bucket out.
const CAPACITY: u64 = 20_000;
/// A bucket is full by then, and a new one is as good.
const UNUSED: Duration = Duration::from_secs(90);

#[derive(Debug)]
pub(super) struct Buckets {
    start: Instant,
    of: [Cache<Subject, Arc<AtomicU64>>; Scope::ALL.len()],
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            of: Scope::ALL.map(|_| {
                Cache::builder()
                    .max_capacity(CAPACITY)
                    .time_to_idle(UNUSED)
                    .eviction_policy(EvictionPolicy::lru())
                    .build()
            }),
        }
    }
}

impl Buckets {
    /// Takes from all buckets or from none.
    pub(super) fn take(&self, asks: &[Ask]) -> Decision {
        let now = self.now();
        let taken: Vec<_> = asks
            .iter()
            .map(|ask| (ask, self.take_one(ask, now)))
            .collect();
        let allowed = taken.iter().all(|(_, standing)| standing.allowed());
        for (ask, standing) in &taken {
            if !allowed && standing.allowed() {
                self.give_back(&[**ask]);
            }
        }
        let standings = taken
            .into_iter()
            .map(|(ask, standing)| (ask.scope, standing));
        Decision {
            allowed,
            standings: standings.collect(),
        }
    }

    /// Undoes a request that was refused elsewhere.
    pub(super) fn give_back(&self, asks: &[Ask]) {
        for ask in asks {
            let bucket = self.bucket(ask);
            let interval = ask.quota.interval();
            let back = |full: u64| Some(full.saturating_sub(interval));
            let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, back);
        }
    }

    fn take_one(&self, ask: &Ask, now: u64) -> Standing {
        let bucket = self.bucket(ask);
        let took = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full| {
            ask.quota.take(full, now)
        });
        let (Ok(before) | Err(before)) = took;
        Standing::after(ask.quota, before.saturating_sub(now))
    }

    fn bucket(&self, ask: &Ask) -> Arc<AtomicU64> {
        self.of[ask.scope as usize].get_with(ask.subject, Arc::default)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, CAPACITY};
    use crate::limits::bucket::Quota;
    use crate::limits::{Ask, Scope, Subject};
    use std::net::{IpAddr, Ipv4Addr};

    fn ask(scope: Scope, subject: Subject, requests: u32) -> Ask {
        Ask {
            scope,
            subject,
            quota: Quota::per_minute(requests),
        }
    }

    #[test]
    fn very_many_addresses_take_no_more_memory_and_no_accounts_bucket() {
        let buckets = Buckets::default();
        let account = ask(Scope::LoginAccount, Subject::account("ann@example.com"), 1);
        assert!(buckets.take(&[account]).allowed);
        for number in 0..200_000_u32 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(number));
            buckets.take(&[ask(Scope::Address, Subject::address(address), 1)]);
        }
        let addresses = &buckets.of[Scope::Address as usize];
        addresses.run_pending_tasks();
        assert!(addresses.entry_count() <= CAPACITY);
        assert!(!buckets.take(&[account]).allowed);
    }

    #[test]
    fn a_request_takes_from_all_buckets_or_from_none() {
        let buckets = Buckets::default();
        let account = |name| ask(Scope::LoginAccount, Subject::account(name), 1);
        let address = ask(
            Scope::LoginAddress,
            Subject::address(Ipv4Addr::LOCALHOST.into()),
            2,
        );
        assert!(buckets.take(&[address, account("ann")]).allowed);
        for _ in 0..5 {
            assert!(!buckets.take(&[address, account("ann")]).allowed);
        }
        // The refused ones took nothing from the address.
        assert!(buckets.take(&[address, account("bob")]).allowed);
        assert!(!buckets.take(&[address, account("cid")]).allowed);
    }

    #[test]
    fn addresses_of_one_network_share_a_bucket_and_forms_of_one_address_do() {
        let subject = |text: &str| Subject::address(text.parse().unwrap());
        assert_eq!(subject("2001:db8::1"), subject("2001:db8::ffff:2"));
        assert_ne!(subject("2001:db8::1"), subject("2001:db8:0:1::1"));
        assert_eq!(subject("::ffff:192.0.2.1"), subject("192.0.2.1"));
        assert_ne!(subject("192.0.2.2"), subject("192.0.2.1"));
        assert_eq!(
            Subject::account(" Ann@Example.com"),
            Subject::account("ann@example.com")
        );
    }
}
