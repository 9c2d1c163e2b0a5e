//! The active expiry cycle: removes what has expired though nobody asks for it, in short holds of one shard's lock.

use crate::keys::ReadKeys;
use crate::local::Local;
use crate::server::Server;
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{Footprint, SHARDS};

/// Keys removed per hold of a lock: some 20 µs.
const PER_HOLD: usize = 32;

/// One cycle over all shards and databases, limited by `active-expire-effort` to a share of the time between cycles
/// (25 % at effort 1, 43 % at 10). Goes on where the last one stopped.
pub fn cycle(local: &mut Local, server: &Server, hz: u64, from: &mut usize) {
    if !server.active_expire.load(Relaxed) || server.pause.holds_writes(local.clock.now_ms()) {
        return;
    }
    let effort = (local.cfg.active_expire_effort - 1).clamp(0, 9) as u64;
    let budget_ns = (25 + 2 * effort) * 10_000_000 / hz.max(1);
    let start = local.begin_batch(server);
    'cycle: for _ in 0..SHARDS {
        let shard = *from % SHARDS;
        while clear_some(local, server, shard) {
            if local.clock.read() - start > budget_ns {
                server.totals.expired_time_cap_reached.add_shared(1);
                break 'cycle;
            }
        }
        *from += 1;
    }
    let spent = local.clock.read() - start;
    server.totals.expire_cycle_us.add_shared(spent / 1000);
    local.note_latency(server, "expire-cycle", spent);
}

/// Removes at most [`PER_HOLD`] expired keys of a shard. Returns whether there may be more.
fn clear_some(local: &mut Local, server: &Server, shard: usize) -> bool {
    let mut left = PER_HOLD;
    let mut guards = server.keyspace.lock(Footprint::NONE.with(shard));
    for db in 0..server.keyspace.databases() {
        let now = local.now;
        let Some(part) = guards.shard(shard).db_mut(db) else { continue };
        if part.expires() == 0 {
            continue;
        }
        let due = part.expired(now, left);
        left -= due.len();
        for key in due {
            let mut keys = ReadKeys::new(&mut guards, server, local, db, true, &[]);
            let before = keys.local.stats.counters.expired.get();
            // finding an expired key removes it
            if keys.find_in(db, &key).is_none() && keys.local.stats.counters.expired.get() > before {
                keys.local.stats.counters.expired_active.add(1);
            } else {
                // it lives again, or writes are held back now: the index must not forget it
                keys.reindex(db, &key);
            }
        }
        if left == 0 {
            break;
        }
    }
    crate::notify::publish_events(server, local);
    left == 0
}
