//! The sections Keyspace and Keysizes, and the look at the databases that INFO needs.

use super::{Lines, Section, Sections, Source};
use crate::ctx::AdminCtx;
use viator_keyspace::{Sizes, Type};

/// What was found in one database.
#[derive(Clone, Debug, Default)]
pub struct DbFacts {
    /// Keys.
    pub keys: usize,
    /// Keys with an expiry.
    pub expires: usize,
    /// Hashes with fields that expire.
    pub expiring_hashes: usize,
    /// Mean time to live of the keys with an expiry, milliseconds, from a sample.
    pub avg_ttl: i64,
    /// Bytes of tables.
    pub tables: usize,
    /// Bytes of expiry indexes.
    pub indexes: usize,
    /// Sizes of its values.
    pub sizes: Sizes,
}

/// What was found in all databases.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    /// By database number.
    pub dbs: Vec<DbFacts>,
    /// Keys that somebody watches.
    pub watched: usize,
}

impl KeyFacts {
    /// Looks at the databases, as far as the sections need it. The command must declare `Scope::All`.
    pub fn gather(ctx: &mut AdminCtx<'_, '_>, sections: Sections) -> KeyFacts {
        let wanted = [Section::Keyspace, Section::Keysizes, Section::Memory, Section::Clients];
        if !wanted.iter().any(|s| sections.has(*s)) {
            return KeyFacts::default();
        }
        KeyFacts::all(ctx, sections.has(Section::Memory))
    }

    /// Looks at the databases; at their tables' sizes only if `tables`. The command must declare `Scope::All`.
    pub fn all(ctx: &mut AdminCtx<'_, '_>, tables: bool) -> KeyFacts {
        let mut facts = KeyFacts { dbs: vec![DbFacts::default(); ctx.server.keyspace.databases()], watched: 0 };
        let now = ctx.local.now;
        let mut random = ctx.local.random();
        // one lock for all counts, so that a key that moves is counted once
        ctx.with_keys(0, |keys| {
            for (_, shard) in keys.guards().iter_mut() {
                facts.watched += shard.ext.watchers.len();
                for (n, db) in facts.dbs.iter_mut().enumerate() {
                    let Some(part) = shard.db_mut(n) else { continue };
                    db.keys += part.len();
                    db.expires += part.expires();
                    db.sizes.add(part.sizes());
                    db.expiring_hashes += part.expiring_hashes();
                    random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    if let Some(when) = part.random_volatile(random).and_then(|h| part.expire_of(h)) {
                        // weighed by the shard's share
                        let ttl = when.saturating_sub(now).max(0).saturating_mul(part.expires() as i64);
                        db.avg_ttl = db.avg_ttl.saturating_add(ttl);
                    }
                }
            }
        });
        for db in &mut facts.dbs {
            db.avg_ttl /= db.expires.max(1) as i64;
        }
        if tables {
            // longer work: a shard at a time
            ctx.each_shard(|shard| {
                for (n, db) in facts.dbs.iter_mut().enumerate() {
                    let Some(part) = shard.db(n) else { continue };
                    db.indexes += part.expiry_bytes();
                    db.tables += part.overhead_bytes() - part.expiry_bytes();
                }
            });
        }
        facts
    }

    /// Bytes of all tables and indexes.
    pub fn tables(&self) -> u64 {
        self.dbs.iter().map(|d| (d.tables + d.indexes) as u64).sum()
    }

    /// Keys of all databases.
    pub fn keys(&self) -> usize {
        self.dbs.iter().map(|d| d.keys).sum()
    }
}

pub(super) fn keyspace(source: &Source<'_>, out: &mut Lines) {
    out.section("Keyspace");
    for (n, db) in source.keys.dbs.iter().enumerate().filter(|d| d.1.keys > 0) {
        out.line(
            &format!("db{n}"),
            format_args!(
                "keys={},expires={},avg_ttl={},subexpiry={}",
                db.keys, db.expires, db.avg_ttl, db.expiring_hashes
            ),
        );
    }
}

pub(super) fn keysizes(source: &Source<'_>, out: &mut Lines) {
    const NAMES: [(Type, &str); 5] = [
        (Type::String, "strings_sizes"),
        (Type::List, "lists_items"),
        (Type::Set, "sets_items"),
        (Type::Zset, "zsets_items"),
        (Type::Hash, "hashes_items"),
    ];
    out.section("Keysizes");
    for (n, db) in source.keys.dbs.iter().enumerate() {
        for (kind, name) in NAMES {
            let shown: Vec<String> =
                db.sizes.steps(kind).map(|(from, count)| format!("{}={count}", step_name(from))).collect();
            if !shown.is_empty() {
                out.line(&format!("db{n}_distrib_{name}"), shown.join(","));
            }
        }
    }
}

/// A power of two as INFO writes it.
fn step_name(n: u64) -> String {
    match n.trailing_zeros() {
        _ if n < 1024 => n.to_string(),
        z @ 10..20 => format!("{}K", 1 << (z - 10)),
        z @ 20..30 => format!("{}M", 1 << (z - 20)),
        z @ 30..40 => format!("{}G", 1 << (z - 30)),
        z @ 40..50 => format!("{}T", 1 << (z - 40)),
        z @ 50..60 => format!("{}P", 1 << (z - 50)),
        z => format!("{}E", 1u64 << (z.saturating_sub(60) & 63)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_names() {
        for (n, name) in
            [(0, "0"), (1, "1"), (512, "512"), (1024, "1K"), (1 << 19, "512K"), (1 << 20, "1M"), (1 << 31, "2G")]
        {
            assert_eq!(step_name(n), name);
        }
    }
}
