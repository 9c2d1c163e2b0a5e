//! The active expiry cycle: removes what has expired though nobody asks for it, in short holds of one shard's lock.

use crate::keys::ReadKeys;
use crate::local::Local;
use crate::propagation;
use crate::server::{Held, Server};
use std::sync::atomic::Ordering::Relaxed;
use viator_keyspace::{Footprint, SHARDS};

/// Keys removed per hold of a lock: some 20 µs.
const PER_HOLD: usize = 32;
/// Fields of hashes removed in the time of a key.
const FIELDS_PER_KEY: usize = 4;

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
        let due = part.expired(now, left);
        left -= due.len();
        for key in due {
            let mut keys = ReadKeys::new(&mut guards, server, local, db, true, &[]);
            let before = keys.local.stats.counters.expired.get();
            // finding an expired key removes it
            if keys.find_in(db, &key).is_none() && keys.local.stats.counters.expired.get() > before {
                keys.local.stats.counters.expired_active.add(1);
                propagation::flush(local, server);
            } else {
                // it lives again, or writes are held back now: the index must not forget it
                keys.reindex(db, &key);
            }
        }
        left = clear_fields(local, server, &mut guards, shard, db, left);
        if left == 0 {
            break;
        }
    }
    crate::dispatch::settle(local, server);
    left == 0
}

/// Removes expired fields of hashes of a shard, at most as many as `left` keys take. Returns what is left of that.
fn clear_fields<'s>(
    local: &mut Local,
    server: &'s Server,
    guards: &mut Held<'s>,
    shard: usize,
    db: usize,
    left: usize,
) -> usize {
    let now = local.now;
    let Some(part) = guards.shard(shard).db_mut(db) else { return left };
    let due = part.fields_due(now, left);
    let (found, mut fields) = (due.len(), left * FIELDS_PER_KEY);
    for key in due {
        let mut keys = ReadKeys::new(guards, server, local, db, true, &[]);
        let n = keys.expire_fields_of(db, &key, fields, true);
        // there may be more, or writes are held back now: the index must not forget it
        keys.reindex_fields(db, &key);
        fields -= n;
        keys.local.stats.counters.expired_fields_active.add(n as u64);
        propagation::flush(local, server);
    }
    if found == left { 0 } else { fields / FIELDS_PER_KEY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use viator_data::hash::{Hash, Limits, Ttl};
    use viator_keyspace::{Content, Expiry, NewValue};

    fn server(now_ms: i64) -> Server {
        crate::testing::server(Table::new(std::iter::empty(), &[]).unwrap(), now_ms)
    }

    fn len(server: &Server) -> usize {
        let mut guards = server.keyspace.lock(Footprint::ALL);
        guards.iter_mut().map(|(_, s)| (0..2).filter_map(|db| s.db(db).map(|d| d.len())).sum::<usize>()).sum()
    }

    #[test]
    fn what_has_expired_goes_in_small_portions_and_all_else_stays() {
        let now = Local::new(&server(0)).now;
        let server = server(now - 10_000);
        let mut local = Local::new(&server);
        let mut guards = server.keyspace.lock(Footprint::ALL);
        for i in 0..20_000 {
            let (key, db) = (format!("key:{i}"), i % 2);
            let loc = server.keyspace.locate(key.as_bytes());
            let expiry = match i % 10 {
                0 => Expiry::Clear,
                1 => Expiry::At(now + 1_000_000),
                _ => Expiry::At(now - 5_000 + i as i64 % 1000),
            };
            guards.shard(loc.shard()).db_or_new(db).put(loc, key.as_bytes(), NewValue::Int(1), expiry, 0);
        }
        // one that was about to go, and lives on
        let loc = server.keyspace.locate(b"key:2");
        let part = guards.shard(loc.shard()).db_or_new(0);
        let handle = part.find(loc, b"key:2").unwrap();
        part.set_expire(loc, handle, Some(now + 1_000_000));
        drop(guards);

        let mut before = 20_000;
        for shard in 0..SHARDS {
            while clear_some(&mut local, &server, shard) {
                let after = len(&server);
                assert!(before - after <= PER_HOLD, "{} keys in one hold", before - after);
                before = after;
            }
            before = len(&server);
        }
        assert_eq!(before, 4_001);
        assert_eq!(local.stats.counters.expired_active.get(), 15_999);
    }

    #[test]
    fn fields_that_have_expired_go_in_small_portions_and_hashes_with_them() {
        let now = Local::new(&server(0)).now;
        let server = server(now - 10_000);
        let mut local = Local::new(&server);
        let limits = Limits::default();
        let mut guards = server.keyspace.lock(Footprint::ALL);
        for i in 0..2_000 {
            let (key, db) = (format!("key:{i}"), i % 2);
            let mut hash = Hash::new();
            // every fourth keeps a field
            if i % 4 == 0 {
                hash.set(b"stays", b"v", Ttl::Clear, &limits);
                hash.set(b"later", b"v", Ttl::At((now + 1_000_000) as u64), &limits);
            }
            for f in 0..if i == 0 { 1_000 } else { 3 } {
                hash.set(format!("f{f}").as_bytes(), b"v", Ttl::At((now - 1_000) as u64), &limits);
            }
            let loc = server.keyspace.locate(key.as_bytes());
            let value = NewValue::Object(Box::new(hash.into_object()));
            guards.shard(loc.shard()).db_or_new(db).put(loc, key.as_bytes(), value, Expiry::Clear, 0);
        }
        drop(guards);
        let before = |local: &Local| local.stats.counters.expired_fields_active.get();
        for shard in 0..SHARDS {
            loop {
                let n = before(&local);
                let more = clear_some(&mut local, &server, shard);
                assert!(before(&local) - n <= (PER_HOLD * FIELDS_PER_KEY) as u64);
                if !more {
                    break;
                }
            }
        }
        assert_eq!(before(&local), 1_000 + 1_999 * 3);
        assert_eq!(len(&server), 500);
        let mut guards = server.keyspace.lock(Footprint::ALL);
        let parts = guards
            .iter_mut()
            .flat_map(|(_, s)| (0..2).filter_map(|db| Some(s.db_mut(db)?.expiring_hashes())).collect::<Vec<_>>());
        assert_eq!(parts.sum::<usize>(), 500);
    }

    #[test]
    fn a_cycle_ends_with_its_time_and_the_next_one_goes_on() {
        let now = Local::new(&server(0)).now;
        let server = server(now - 10_000);
        let mut local = Local::new(&server);
        let mut guards = server.keyspace.lock(Footprint::ALL);
        for i in 0..20_000 {
            let key = format!("key:{i}");
            let loc = server.keyspace.locate(key.as_bytes());
            let part = guards.shard(loc.shard()).db_or_new(0);
            part.put(loc, key.as_bytes(), NewValue::Int(1), Expiry::At(now - 5_000), 0);
        }
        drop(guards);
        let mut from = 0;
        // a quarter of a two thousandth of a second
        cycle(&mut local, &server, 2_000, &mut from);
        let left = len(&server);
        assert!(left > 0 && left < 20_000);
        for _ in 0..10_000 {
            cycle(&mut local, &server, 2_000, &mut from);
        }
        assert_eq!(len(&server), 0);
    }
}
