//! Buckets in Redis, one for all processes: taken from by one script, by Redis' own clock.

use redis::{RedisError, Script};
use std::sync::LazyLock;

use super::bucket::Standing;
use super::{Ask, Decision};
use crate::redis::Session;

// The arithmetic is that of `bucket::Quota::take`. It answers how short each bucket was before, in
// microseconds; a bucket is taken from only where all have enough. Numbers of this size are exact
// in Lua.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000000 + time[2]
        local enough, short = true, {}
        for i, key in ipairs(KEYS) do
            local interval, whole = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
            local full = tonumber(redis.call('GET', key) or now)
            short[i] = math.max(0, math.min(full - now, whole))
            enough = enough and short[i] + interval <= whole
        end
        if enough then
            for i, key in ipairs(KEYS) do
                local missing = short[i] + ARGV[2 * i - 1]
                redis.call('SET', key, string.format('%.0f', now + missing),
                    'PX', math.ceil(missing / 1000) + 1000)
            end
        end
        return short
        ",
    )
});

/// Takes from all buckets or from none.
pub(super) async fn take(session: &Session, asks: &[Ask]) -> Result<Decision, RedisError> {
    let mut script = TAKE.prepare_invoke();
    for ask in asks {
        let key = format!("rp:limit:{}:{:032x}", ask.scope.as_str(), ask.subject.0);
        script.key(key);
        script.arg(ask.quota.interval()).arg(ask.quota.whole());
    }
    let short: Vec<u64> = session.run(&script).await?;
    let standings: Vec<_> = asks
        .iter()
        .zip(short)
        .map(|(ask, short)| (ask.scope, Standing::after(ask.quota, short)))
        .collect();
    Ok(Decision {
        allowed: standings.iter().all(|(_, standing)| standing.allowed()),
        standings,
    })
}
