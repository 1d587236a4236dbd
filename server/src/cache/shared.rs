//! The level in Redis. Under each key stands a value, the lease of one reader who is about to bring
//! one, or a mark that a change is being made.

use redis::{RedisError, Script, Value};
use std::sync::LazyLock;
use std::time::Duration;

use crate::redis::Session;

/// A reader has this long to bring a value.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// A change that is being made keeps values out for this long, should its process die.
const CHANGE: Duration = Duration::from_secs(5);

// A value, and how many milliseconds it has left; or a lease for the caller, where there is
// nothing; or that somebody else's lease or change stands there.
static FETCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local found = redis.call('GET', KEYS[1])
        if not found then
            redis.call('SET', KEYS[1], 'l' .. ARGV[1], 'PX', ARGV[2])
            return 'granted'
        end
        if string.sub(found, 1, 1) == 'v' then
            return {string.sub(found, 2), redis.call('PTTL', KEYS[1])}
        end
        return 'busy'
        ",
    )
});

// Only the holder of the lease that still stands brings a value.
static OFFER: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('GET', KEYS[1]) == 'l' .. ARGV[1] then
            redis.call('SET', KEYS[1], 'v' .. ARGV[2], 'PX', ARGV[3])
            return 1
        end
        return 0
        ",
    )
});

// Takes values and leases away and tells everybody; for a change to come a mark stays.
static DROP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        for _, key in ipairs(KEYS) do
            if ARGV[3] == '0' then
                redis.call('DEL', key)
            else
                redis.call('SET', key, 'c', 'PX', ARGV[3])
            end
        end
        redis.call('PUBLISH', ARGV[1], ARGV[2])
        return 1
        ",
    )
});

/// What stands under a key.
pub(super) enum Found {
    /// A value, and for how long it may still be served.
    Value(Vec<u8>, Duration),
    /// Nothing: the caller has the lease.
    Granted,
    /// Somebody else's lease, or a change.
    Busy,
}

pub(super) async fn fetch(session: &Session, key: &str, lease: &str) -> Result<Found, RedisError> {
    let mut script = FETCH.prepare_invoke();
    script.key(key).arg(lease).arg(millis(LEASE));
    Ok(match session.run(&script).await? {
        Value::Array(parts) => match &parts[..] {
            [Value::BulkString(value), Value::Int(left)] => Found::Value(
                value.clone(),
                Duration::from_millis(u64::try_from(*left).unwrap_or_default()),
            ),
            _ => Found::Busy,
        },
        Value::BulkString(word) if word == b"granted" => Found::Granted,
        _ => Found::Busy,
    })
}

/// Brings a value; false where the lease is gone.
pub(super) async fn offer(
    session: &Session,
    key: &str,
    lease: &str,
    value: &[u8],
    life: Duration,
) -> Result<bool, RedisError> {
    let mut script = OFFER.prepare_invoke();
    script
        .key(key)
        .arg(lease)
        .arg(value)
        .arg(millis(life).max(1));
    session.run(&script).await
}

/// Whether a change is over or yet to come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    ToCome,
    Made,
}

/// Takes keys away and publishes a message.
pub(super) async fn drop_keys(
    session: &Session,
    keys: &[String],
    change: Change,
    (channel, message): (&str, &[u8]),
) -> Result<(), RedisError> {
    let mark = match change {
        Change::ToCome => millis(CHANGE),
        Change::Made => 0,
    };
    let mut script = DROP.prepare_invoke();
    for key in keys {
        script.key(key.as_str());
    }
    script.arg(channel).arg(message).arg(mark);
    session.run::<Value>(&script).await.map(drop)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
