//! Eviction: Redis's approximated LRU and LFU over samples, and the loop that frees memory before a command.

use crate::config::{MaxmemoryPolicy, NotifyFlags};
use crate::keys::ReadKeys;
use crate::local::Local;
use crate::server::{Server, gate};
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{Footprint, SHARDS};

/// The LRU clock counts seconds in 24 bits.
pub const LRU_MAX: u32 = (1 << 24) - 1;
/// A new key's LFU counter.
pub const LFU_INIT: u32 = 5;
/// Candidates kept between samples.
const POOL: usize = 16;

/// The candidates that a thread's samples have found so far.
#[derive(Default)]
pub struct Pool {
    /// Worst first.
    best: Vec<Candidate>,
    /// The policy under which they were scored: under another one their scores mean nothing.
    policy: Option<MaxmemoryPolicy>,
}

/// A key that may be evicted.
struct Candidate {
    /// Higher: rather evicted.
    score: u64,
    db: usize,
    key: Vec<u8>,
}

/// Seconds since the LRU bits were set.
pub fn idle_seconds(lru: u32, clock: u32) -> u32 {
    if clock >= lru { clock - lru } else { clock + (LRU_MAX - lru) }
}

/// LRU bits of a key that has been idle for so many seconds.
pub fn lru_of_idle(seconds: i64, clock: u32) -> u32 {
    let idle = u32::try_from(seconds).unwrap_or(LRU_MAX).min(LRU_MAX);
    if clock >= idle { clock - idle } else { LRU_MAX - (idle - clock) }
}

fn lfu_minute(now_ms: i64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// The LFU bits of a new key: 16 bits of minutes, 8 of counter.
pub fn lfu_init(now_ms: i64) -> u32 {
    lfu_bits(now_ms, LFU_INIT as u8)
}

/// The LFU bits of a key with a given counter.
pub fn lfu_bits(now_ms: i64, counter: u8) -> u32 {
    lfu_minute(now_ms) << 8 | u32::from(counter)
}

/// The LFU counter, decayed by the minutes since it was last decremented.
pub fn lfu_counter(bits: u32, now_ms: i64, decay_time: i64) -> u32 {
    let (then, counter) = (bits >> 8, bits & 0xff);
    let now = lfu_minute(now_ms);
    let elapsed = if now >= then { now - then } else { 65535 - then + now };
    let periods = if decay_time > 0 { i64::from(elapsed) / decay_time } else { 0 };
    counter.saturating_sub(u32::try_from(periods).unwrap_or(u32::MAX))
}

/// The LFU bits after an access: the counter decays, then grows with a chance that falls with its value.
pub fn lfu_touch(bits: u32, now_ms: i64, log_factor: i64, decay_time: i64, random: u64) -> u32 {
    let mut counter = lfu_counter(bits, now_ms, decay_time);
    if counter < 255 {
        let base = f64::from(counter.saturating_sub(LFU_INIT));
        let p = 1.0 / (base * log_factor as f64 + 1.0);
        if ((random >> 11) as f64 / (1u64 << 53) as f64) < p {
            counter += 1;
        }
    }
    lfu_minute(now_ms) << 8 | counter
}

/// Whether memory is over its limit.
pub(crate) fn is_over(local: &Local, server: &Server) -> bool {
    let max = local.cfg.maxmemory;
    server.gate.load(Relaxed) & gate::MAXMEMORY != 0 && max > 0 && server.used_memory() > max
}

/// What became of an attempt to free memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evicted {
    /// Memory is within the limit.
    Ok,
    /// It is above, and nothing more can be evicted.
    Fail,
    /// It is above, but the time for one attempt is over; the next command goes on.
    Running,
}

/// Frees memory until it is within `maxmemory`, unless a script that takes long holds the shards. No shard may be held
/// by the caller.
pub fn perform(local: &mut Local, server: &Server) -> Evicted {
    let max = local.cfg.maxmemory;
    if max == 0 || server.used_memory() <= max || server.pause.holds_writes(local.now) || server.is_busy() {
        return Evicted::Ok;
    }
    let policy = local.cfg.maxmemory_policy;
    if policy == MaxmemoryPolicy::NoEviction {
        return Evicted::Fail;
    }
    // time for one attempt, as Redis's eviction tenacity gives it: 50 µs per unit up to 10, then geometric, 100: none
    let tenacity = local.cfg.maxmemory_eviction_tenacity;
    let budget_ns = match tenacity {
        0..=10 => 50_000 * tenacity.max(1) as u64,
        11..=99 => (500_000.0 * 1.15f64.powf(tenacity as f64 - 10.0)) as u64,
        _ => u64::MAX,
    };
    let start = local.clock.read();
    let outcome = loop {
        if !evict_one(local, server) {
            // values already given to the background thread count as progress
            let later = server.host.pending_frees() > 0 || server.is_busy();
            break if later { Evicted::Running } else { Evicted::Fail };
        }
        if server.used_memory() <= max {
            break Evicted::Ok;
        }
        if local.clock.read() - start > budget_ns {
            break Evicted::Running;
        }
    };
    let spent = local.clock.read() - start;
    local.note_latency(server, "eviction-cycle", spent);
    outcome
}

/// Goes on freeing memory where commands have run out of time, for `budget_ns` at most.
pub fn continue_later(local: &mut Local, server: &Server, budget_ns: u64) {
    let start = local.begin_batch(server);
    while perform(local, server) == Evicted::Running && local.clock.read() - start < budget_ns {}
}

/// Evicts the best candidate of a sample. Returns whether there was one.
fn evict_one(local: &mut Local, server: &Server) -> bool {
    let policy = local.cfg.maxmemory_policy;
    for _ in 0..4 {
        let random_only = matches!(policy, MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom);
        sample(local, server, policy);
        let mut pool = std::mem::take(&mut local.evict_pool.best);
        while let Some(c) = pool.pop() {
            if remove(local, server, &c) {
                if random_only {
                    pool.clear();
                }
                local.evict_pool.best = pool;
                return true;
            }
        }
        local.evict_pool.best = pool;
    }
    false
}

/// Adds samples of random shards to the pool, best candidate last.
fn sample(local: &mut Local, server: &Server, policy: MaxmemoryPolicy) {
    if local.evict_pool.policy != Some(policy) {
        local.evict_pool = Pool { best: Vec::new(), policy: Some(policy) };
    }
    let samples = local.cfg.maxmemory_samples.max(1) as usize;
    let start = local.random() as usize;
    let (clock, now, decay) = (local.lru_clock, local.now, local.cfg.lfu_decay_time);
    let mut found = 0;
    for i in 0..SHARDS {
        let Ok(mut guards) = server.lock(Footprint::NONE.with((start + i) % SHARDS)) else { return };
        let shard = guards.shard((start + i) % SHARDS);
        for db in 0..server.keyspace.databases() {
            let Some(part) = shard.db_mut(db) else { continue };
            for _ in 0..samples {
                let r = local.random();
                let handle = if policy.is_volatile() { part.random_volatile(r) } else { part.random(r) };
                let Some(handle) = handle else { break };
                let e = part.get(handle);
                let score = if policy == MaxmemoryPolicy::VolatileTtl {
                    u64::MAX - e.expire.unwrap_or(i64::MAX) as u64
                } else if policy.is_lfu() {
                    255 - u64::from(lfu_counter(e.lru, now, decay))
                } else if policy.is_lru() {
                    u64::from(idle_seconds(e.lru, clock))
                } else {
                    local.random()
                };
                found += 1;
                let pool = &mut local.evict_pool.best;
                if pool.iter().any(|c| c.db == db && c.key == e.key) {
                    continue;
                }
                let at = pool.partition_point(|c| c.score < score);
                if pool.len() < POOL {
                    pool.insert(at, Candidate { score, db, key: e.key.to_vec() });
                } else if at > 0 {
                    pool.insert(at, Candidate { score, db, key: e.key.to_vec() });
                    pool.remove(0);
                }
            }
        }
        if found >= samples {
            return;
        }
    }
}

/// Removes a candidate that is still there: deleted, "evicted" notified, propagated as a deletion.
fn remove(local: &mut Local, server: &Server, c: &Candidate) -> bool {
    let loc = server.keyspace.locate(&c.key);
    let Ok(mut guards) = server.lock(Footprint::NONE.with(loc.shard())) else { return false };
    let mut keys = ReadKeys::new(&mut guards, server, local, c.db, true, &[]);
    let Some((loc, handle)) = keys.find_in(c.db, &c.key) else { return false };
    let volatile_only = keys.cfg().maxmemory_policy.is_volatile();
    if volatile_only && keys.shard(loc.shard()).db(c.db).is_some_and(|p| p.expire_of(handle).is_none()) {
        return false;
    }
    let lazy = keys.cfg().lazyfree_lazy_eviction;
    keys.evict(c.db, loc, handle, &c.key, lazy);
    keys.event(NotifyFlags::EVICTED, "evicted", c.db, &c.key);
    crate::dispatch::settle(local, server);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lfu_counts_and_decays_as_redis_does() {
        let now = 60_000 * 1000;
        let bits = lfu_init(now);
        assert_eq!(lfu_counter(bits, now, 1), 5);
        assert_eq!(lfu_counter(bits, now + 60_000 * 3, 1), 2);
        assert_eq!(lfu_counter(bits, now + 60_000 * 300, 1), 0);
        assert_eq!(lfu_counter(bits, now + 60_000 * 300, 0), 5);
        // at the initial value every access counts
        assert_eq!(lfu_touch(bits, now, 10, 1, u64::MAX) & 0xff, 6);
        assert_eq!(lfu_touch((now as u32 / 60_000) << 8 | 255, now, 10, 1, 0) & 0xff, 255);
    }

    #[test]
    fn idle_time_survives_the_clock_s_wrap() {
        assert_eq!(idle_seconds(10, 15), 5);
        assert_eq!(idle_seconds(LRU_MAX - 1, 3), 4);
        for (idle, clock) in [(0, 7), (5, 7), (7, 7), (9, 7), (1_000_000, 7)] {
            assert_eq!(idle_seconds(lru_of_idle(i64::from(idle), clock), clock), idle);
        }
    }
}
