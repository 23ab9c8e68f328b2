//! What is asked of the store. Each question is one script, so it is one step for all instances, on the store's own clock.

use redis::Script;
use redis::aio::MultiplexedConnection;
use std::time::Duration;

/// The most bans that the store holds, and that are asked for at once.
const BANS: usize = 100_000;
const PAGE: usize = 500;

/// GCRA: each key holds the time (in µs) at which nothing of what was taken is left. For each key five arguments: the time
/// that a unit takes to come back (µs), how many there are at most, how many are wanted, how many more would be welcome, and
/// whether what there is is taken where it is not enough (1).
/// Three answers for each: whether it was enough, how many are left, and how many more were taken.
const TAKE: &str = r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local out = {}
for i = 1, #KEYS do
  local a = 5 * i - 4
  local each, burst, wanted, more = tonumber(ARGV[a]), tonumber(ARGV[a + 1]), tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local full = now + each * burst
  local at = tonumber(redis.call('GET', KEYS[i])) or now
  at = math.min(math.max(at, now), full)
  local left = math.floor((full - at) / each + 1e-6)
  if ARGV[a + 4] == '1' then wanted = math.min(wanted, left) end
  local within, extra = 0, 0
  if left >= math.max(wanted, 1) then
    within = 1
    if wanted > 0 then
      extra = math.min(more, left - wanted)
      at = math.min(at + (wanted + extra) * each, full)
      left = left - wanted - extra
      redis.call('SET', KEYS[i], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
    end
  end
  out[#out + 1] = within
  out[#out + 1] = left
  out[#out + 1] = extra
end
return out
";

/// A ban, where no longer one stands: the feed, its key; its network, milliseconds, what is said of it, the most of them.
const BAN: &str = r"
local span = tonumber(ARGV[2])
if redis.call('PTTL', KEYS[2]) >= span then return 0 end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
if last and tonumber(last) >= now then now = tonumber(last) + 1 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.max(redis.call('PTTL', KEYS[1]), span)))
return 1
";

/// Bans that came since a time: the feed; that time, what stands in front of their keys, how many at most. The first answer is
/// the time of the last of them; then for each its network, milliseconds left, and what is said of it.
const NEWS: &str = r"
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local out = { ARGV[1] }
for i = 1, #found, 2 do
  local key = ARGV[2] .. found[i]
  local left = redis.call('PTTL', key)
  if left > 0 then
    out[#out + 1] = found[i]
    out[#out + 1] = string.format('%.0f', left)
    out[#out + 1] = redis.call('GET', key)
  else
    redis.call('ZREM', KEYS[1], found[i])
  end
  out[1] = string.format('%.0f', found[i + 1])
end
return out
";

/// The scripts; a store that does not have one yet is given it.
#[derive(Debug)]
pub(super) struct Scripts {
    take: Script,
    ban: Script,
    news: Script,
}

/// What is asked about one key.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) key: String,
    /// How long a unit takes to come back.
    pub(super) each: Duration,
    pub(super) burst: u32,
    pub(super) amount: u32,
    /// How many more would be welcome.
    pub(super) more: u32,
    pub(super) measure: Measure,
}

/// How much of what is wanted is taken where there is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Measure {
    /// Nothing.
    AllOrNothing,
    /// What there is: it was done already.
    WhatThereIs,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Had {
    pub(super) within: bool,
    pub(super) left: u32,
    pub(super) extra: u32,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self { take: Script::new(TAKE), ban: Script::new(BAN), news: Script::new(NEWS) }
    }

    /// Takes what is wanted, key by key.
    pub(super) async fn take(
        &self,
        line: &mut MultiplexedConnection,
        wanted: &[Wanted],
    ) -> redis::RedisResult<Vec<Had>> {
        let mut invocation = self.take.prepare_invoke();
        for Wanted { key, each, burst, amount, more, measure } in wanted {
            // A unit that comes back at once is none that is counted.
            let micros = (each.as_secs_f64() * 1e6).max(0.001);
            let partly = u8::from(*measure == Measure::WhatThereIs);
            invocation.key(key).arg(micros).arg(*burst).arg(*amount).arg(*more).arg(partly);
        }
        let said: Vec<i64> = invocation.invoke_async(line).await?;
        let number = |number: &i64| u32::try_from(*number).unwrap_or_default();
        let had: Vec<_> = said
            .chunks_exact(3)
            .map(|each| match each {
                [within, left, extra] => {
                    Had { within: *within == 1, left: number(left), extra: number(extra) }
                }
                _ => Had { within: true, left: 0, extra: 0 },
            })
            .collect();
        if had.len() == wanted.len() { Ok(had) } else { Err(garbled()) }
    }

    /// Tells of a ban.
    pub(super) async fn ban(
        &self,
        line: &mut MultiplexedConnection,
        (feed, key): (&str, &str),
        (network, left, said): (&str, Duration, &str),
    ) -> redis::RedisResult<()> {
        let span = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if span == 0 {
            return Ok(());
        }
        let mut invocation = self.ban.key(feed);
        invocation.key(key).arg(network).arg(span).arg(said).arg(BANS);
        invocation.invoke_async(line).await
    }

    /// Bans that came since then, and until when they are known now. True: there are more.
    pub(super) async fn news(
        &self,
        line: &mut MultiplexedConnection,
        feed: &str,
        since: &mut String,
        prefix: &str,
    ) -> redis::RedisResult<(Vec<[String; 3]>, bool)> {
        let mut invocation = self.news.key(feed);
        invocation.arg(since.as_str()).arg(prefix).arg(PAGE);
        let said: Vec<String> = invocation.invoke_async(line).await?;
        let mut said = said.into_iter();
        let last = said.next().ok_or_else(garbled)?;
        let rest: Vec<_> = said.collect();
        let bans: Vec<_> = rest.chunks_exact(3).filter_map(|each| each.to_vec().try_into().ok()).collect();
        let more = last != *since;
        *since = last;
        Ok((bans, more))
    }
}

fn garbled() -> redis::RedisError {
    redis::RedisError::from((redis::ErrorKind::UnexpectedReturnType, "not what was asked for"))
}
