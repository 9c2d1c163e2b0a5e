//! Iterating over the keys of a database: SCAN, KEYS, RANDOMKEY.

use viator_data::{crc, glob, num};
use viator_engine::args;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::{AdminCtx, ReadCtx};
use viator_engine::error::Error;
use viator_engine::keys::{ReadKeys, kind};
use viator_keyspace::{Footprint, SHARDS, SLOTS, SLOTS_PER_SHARD};

/// SCAN.
pub static SCAN: Command = Command {
    name: "scan",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    scope: Scope::All,
    group: Group::Generic,
    since: "2.8.0",
    summary: "Iterates over the key names in the database.",
    complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to \
        return back to 0. N is the number of elements inside the collection.",
    history: &[("6.0.0", "Added the `TYPE` subcommand.")],
    args: &[
        ArgSpec::integer("cursor"),
        ArgSpec::new("pattern", ArgKind::Pattern).after("MATCH").opt(),
        ArgSpec::integer("count").after("COUNT").opt(),
        ArgSpec::string("type").after("TYPE").since("6.0.0").opt(),
    ],
    tips: &["nondeterministic_output", "request_policy:special", "response_policy:special"],
    examples: &[
        "SCAN 0 COUNT 100000",
        "SADD only a",
        "SCAN 0 COUNT 100000",
        "SCAN 0 MATCH o*y COUNT 100000",
        "SCAN 0 MATCH other COUNT 100000",
        "SCAN 0 TYPE set COUNT 100000",
        "SCAN 0 COUNT 100000 TYPE string",
        "SCAN notacursor",
        "SCAN 0 COUNT 0",
        "SCAN 0 MATCH",
    ],
    handler: Handler::Admin(scan),
    ..Command::BASE
};

/// What SCAN looks for, and where it is.
struct Scan<'a> {
    /// `None`: all names.
    pattern: Option<&'a [u8]>,
    /// Name of a type, in any case.
    kind: Option<&'a [u8]>,
    at: Position,
    /// How many more keys to look at.
    left: usize,
    found: Vec<Vec<u8>>,
    /// Expired keys on the way are removed.
    may_expire: bool,
}

/// Whether keys that nobody named may be removed because they have expired: not while CLIENT PAUSE holds back writes, and
/// inside a transaction only if the configuration allows it.
fn may_expire(ctx: &AdminCtx<'_, '_>) -> bool {
    (!ctx.in_exec() || ctx.cfg().lazyexpire_nested_arbitrary_keys) && !ctx.server.pause.holds_writes(ctx.local.now)
}

/// A place in the order of a scan, which goes through the shards, within a shard through its slots, and within a slot
/// through hash positions. As a cursor: 14 bits of slot, and above them 32 bits of position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Position {
    shard: usize,
    index: usize,
    from: u32,
}

impl Position {
    /// The place of a cursor; `None` for one that no scan has given, which then is at the end.
    fn of(cursor: u64) -> Option<Position> {
        let slot = cursor as usize % SLOTS;
        let from = u32::try_from(cursor / SLOTS as u64).ok()?;
        Some(Position { shard: slot % SHARDS, index: slot / SHARDS, from })
    }

    fn cursor(self) -> u64 {
        (self.index * SHARDS + self.shard) as u64 | (u64::from(self.from) * SLOTS as u64)
    }
}

/// Unlike other commands that look at all keys, it locks one shard at a time: its guarantee, that what is there during the
/// whole scan is reported, does not need more.
fn scan(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let cursor = num::parse_u64(ctx.args.at(1)).ok_or(Error::Static("ERR invalid cursor"))?;
    let (mut pattern, mut kind, mut count) = (None, None, 10);
    let mut options = ctx.args.from(2).iter();
    while let Some(option) = options.next() {
        if args::is(option, "NOVALUES") {
            return Err(Error::Static("ERR NOVALUES option can only be used in HSCAN"));
        }
        let value = options.next().ok_or(Error::Syntax)?;
        if args::is(option, "COUNT") {
            count = args::int(value)?;
            if count < 1 {
                return Err(Error::Syntax);
            }
        } else if args::is(option, "MATCH") {
            pattern = (glob::kind(value) != glob::Kind::All).then_some(value);
        } else if args::is(option, "TYPE") {
            kind = Some(value);
        } else {
            return Err(Error::Syntax);
        }
    }
    // in a cluster, a pattern may tell the only slot worth looking at
    let only = pattern.filter(|_| ctx.cfg().cluster_enabled).and_then(crc::pattern_slot).map(usize::from);
    let mut start = Position::of(cursor);
    if let Some(slot) = only {
        let first = Position { shard: slot % SHARDS, index: slot / SHARDS, from: 0 };
        start = match start {
            Some(p) if p.shard == first.shard && p.index == first.index => Some(p),
            _ => (cursor == 0).then_some(first),
        };
    }
    let mut next = 0;
    let mut found = Vec::new();
    if let Some(at) = start {
        let left = usize::try_from(count).unwrap_or(usize::MAX);
        let mut scan = Scan { pattern, kind, at, left, found, may_expire: may_expire(ctx) };
        next = scan.run(ctx, only.is_some()).map_or(0, Position::cursor);
        found = scan.found;
    }
    ctx.out.array(2);
    ctx.out.bulk(next.to_string().as_bytes());
    ctx.out.array(found.len());
    for key in found {
        ctx.out.bulk(&key);
    }
    Ok(())
}

impl Scan<'_> {
    /// Goes on until as many keys were looked at as asked for. Returns where to go on next time, or `None` at the end.
    fn run(&mut self, ctx: &mut AdminCtx<'_, '_>, one_slot: bool) -> Option<Position> {
        let db = ctx.session.db;
        while self.at.shard < SHARDS {
            let shard = Footprint::NONE.with(self.at.shard);
            ctx.with_shards(shard, db, |keys| self.shard(keys, db, one_slot));
            if one_slot {
                return (self.at.from > 0).then_some(self.at);
            }
            if self.at.index >= SLOTS_PER_SHARD {
                self.at = Position { shard: self.at.shard + 1, index: 0, from: 0 };
            }
            if self.left == 0 {
                break;
            }
        }
        (self.at.shard < SHARDS).then_some(self.at)
    }

    /// The same within a shard.
    fn shard(&mut self, keys: &mut ReadKeys<'_, '_>, db: usize, one_slot: bool) {
        let now = keys.now();
        let mut expired = Vec::new();
        let Some(part) = keys.shard(self.at.shard).db_mut(db) else {
            self.at.index = SLOTS_PER_SHARD;
            return;
        };
        while self.left > 0 && self.at.index < SLOTS_PER_SHARD {
            let mut seen = 0;
            let next = part.scan_slot(self.at.index, self.at.from, self.left, |e| {
                seen += 1;
                if self.pattern.is_some_and(|p| !glob::matches(p, e.key)) {
                    return;
                }
                if e.expire.is_some_and(|when| when <= now) {
                    expired.push(e.key.to_vec());
                } else if self.kind.is_none_or(|t| args::is(t, kind(e.value).name())) {
                    self.found.push(e.key.to_vec());
                }
            });
            self.left = self.left.saturating_sub(seen);
            self.at.from = next.unwrap_or(0);
            if one_slot {
                break;
            }
            if next.is_none() {
                self.at.index += 1;
            }
        }
        if self.may_expire {
            for key in expired {
                keys.find_in(db, &key); // which removes it
            }
        }
    }
}

/// KEYS.
pub static KEYS: Command = Command {
    name: "keys",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    scope: Scope::All,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns all key names that match a pattern.",
    complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in the \
        database and the given pattern have limited length.",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern)],
    tips: &["request_policy:all_shards", "nondeterministic_output_order"],
    examples: &["KEYS *", "SET hello world", "SET other world", "KEYS h[a-e]l?o", "KEYS h[^e]*", "KEYS he*"],
    handler: Handler::Read(keys),
    ..Command::BASE
};

fn keys(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let pattern = ctx.args.at(1);
    let all = glob::kind(pattern) == glob::Kind::All;
    let (now, db) = (ctx.keys.now(), ctx.keys.db);
    let header = ctx.out.defer();
    let mut n = 0;
    for (_, shard) in ctx.keys.guards().iter_mut() {
        let Some(part) = shard.db_mut(db) else { continue };
        part.for_each(|e| {
            if (all || glob::matches(pattern, e.key)) && e.expire.is_none_or(|when| when > now) {
                ctx.out.bulk(e.key);
                n += 1;
            }
        });
    }
    ctx.out.finish(header, |out| out.array(n));
    Ok(())
}

/// RANDOMKEY.
pub static RANDOMKEY: Command = Command {
    name: "randomkey",
    arity: 1,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    scope: Scope::All,
    group: Group::Generic,
    since: "1.0.0",
    summary: "Returns a random key name from the database.",
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:special", "nondeterministic_output"],
    examples: &["RANDOMKEY", "SET only value", "RANDOMKEY"],
    handler: Handler::Admin(randomkey),
    ..Command::BASE
};

/// It locks one shard at a time, too: to count the keys, and to choose one.
fn randomkey(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let db = ctx.session.db;
    let may_expire = may_expire(ctx);
    let mut tries = 0;
    loop {
        let mut lens = [0; SHARDS];
        for (shard, len) in lens.iter_mut().enumerate() {
            *len = ctx
                .with_shards(Footprint::NONE.with(shard), db, |keys| keys.shard(shard).db(db).map_or(0, |d| d.len()));
        }
        let total: usize = lens.iter().sum();
        if total == 0 {
            ctx.out.null();
            return Ok(());
        }
        let mut at = (ctx.local.random() % total as u64) as usize;
        let Some(shard) = lens.iter().position(|len| {
            let here = at < *len;
            at = at.saturating_sub(*len);
            here
        }) else {
            continue;
        };
        let key = ctx.with_shards(Footprint::NONE.with(shard), db, |keys| {
            let (random, now) = (keys.random(), keys.now());
            let part = keys.shard(shard).db_mut(db)?;
            let handle = part.random(random)?;
            let e = part.get(handle);
            let (key, live) = (e.key.to_vec(), e.expire.is_none_or(|when| when > now));
            // finding it removes it, unless nothing expires now, as while the log is replayed
            if live || (may_expire && keys.find_in(db, &key).is_some()) {
                return Some(key);
            }
            // where expired keys stay, one of them is better than none
            let loc = keys.locate(&key);
            let stays = keys.shard(shard).db_mut(db)?.find(loc, &key).is_some();
            tries += u32::from(stays);
            (tries > 100).then_some(key)
        });
        if let Some(key) = key {
            ctx.out.bulk(&key);
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_and_positions_are_the_same() {
        for p in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (63, 255, u32::MAX), (17, 3, 1 << 31)] {
            let p = Position { shard: p.0, index: p.1, from: p.2 };
            assert_eq!(Position::of(p.cursor()), Some(p));
        }
        assert_eq!(Position { shard: 0, index: 0, from: 0 }.cursor(), 0);
        assert_eq!(Position::of(u64::MAX), None);
        assert_eq!(Position::of(1 << 46), None);
    }
}
