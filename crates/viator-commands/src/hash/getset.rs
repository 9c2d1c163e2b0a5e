//! Reading or setting fields together with what becomes of them: HGETDEL, HGETEX, HSETEX.

use viator_data::hash::{Hash, Ttl};
use viator_engine::args::OwnedArgs;
use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::typed::hash_limits;

use super::expiry::{self, Options, When, only_fields};
use super::{expire_if_due, now, propagate_hdel};
use crate::collection::reply_entry;
use crate::declare::{KEY, RW_ACCESS_DELETE, RW_ACCESS_UPDATE, RW_UPDATE, one_key};

/// HGETDEL.
pub static HGETDEL: Command = Command {
    name: "hgetdel",
    arity: -5,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "8.0.0",
    summary: "Returns the value of a field and deletes it from the hash.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b two",
        "HGETDEL hash FIELDS 2 a c",
        "HGETDEL hash FIELDS 1 b",
        "EXISTS hash",
        "HGETDEL missing FIELDS 1 a",
        "HGETDEL hash FIELDS 2 a",
    ],
    handler: Handler::Write(hgetdel),
    ..Command::BASE
};

fn hgetdel(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    ctx.keys.write::<Hash>(key)?;
    let names = only_fields(ctx.args.from(2))?;
    expire_if_due(&mut ctx.keys, key, &names.iter().collect::<Vec<_>>())?;
    let mut hash = ctx.keys.write::<Hash>(key)?;
    ctx.out.array(names.len());
    let mut deleted = 0;
    for name in names.iter() {
        match hash.as_ref().and_then(|h| h.get(name)) {
            Some(f) => reply_entry(ctx.out, f.value),
            None => {
                ctx.out.null();
                continue;
            }
        }
        if let Some(h) = &mut hash {
            h.remove(name);
        }
        deleted += 1;
    }
    if deleted > 0 {
        ctx.keys.propagate_as(|| OwnedArgs::from_slices([b"HDEL", key].into_iter().chain(names.iter())));
        ctx.keys.changed(NotifyFlags::HASH, "hdel", key, deleted);
        ctx.keys.remove_if_empty(key);
    }
    Ok(())
}

/// HGETEX.
pub static HGETEX: Command = Command {
    name: "hgetex",
    arity: -5,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_ACCESS_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "8.0.0",
    summary: "Get the value of one or more fields of a given hash key, and optionally set their expiration.",
    complexity: "O(N) where N is the number of specified fields",
    args: &[
        KEY,
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("persist", "PERSIST"),
            ],
        )
        .opt(),
        ArgSpec::block("fields", &[ArgSpec::integer("numfields"), ArgSpec::string("field").multi()]).after("FIELDS"),
    ],
    examples: &[
        "HSET hash a 1 b two",
        "HGETEX hash FIELDS 2 a c",
        "HGETEX hash EX 100 FIELDS 1 a",
        "HTTL hash FIELDS 2 a b",
        "HGETEX hash PERSIST FIELDS 1 a",
        "HTTL hash FIELDS 1 a",
        "HGETEX hash EXAT 1 FIELDS 1 b",
        "HGETALL hash",
        "HGETEX missing FIELDS 1 a",
        "HGETEX hash EX 1 PX 1 FIELDS 1 a",
    ],
    handler: Handler::Write(hgetex),
    ..Command::BASE
};

fn hgetex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    ctx.keys.write::<Hash>(key)?;
    let Options { when, fields, .. } = expiry::options(ctx.args.from(2), false, ctx.keys.now(), &ctx.entry.name)?;
    expire_if_due(&mut ctx.keys, key, &fields)?;
    let now = ctx.keys.expiry_now();
    let mut hash = ctx.keys.write::<Hash>(key)?;
    if let Some(h) = &mut hash
        && when != When::Unsaid
    {
        h.make_ex();
    }
    ctx.out.array(fields.len());
    let mut done = Vec::new();
    for &name in &fields {
        let Some(f) = hash.as_ref().and_then(|h| h.get(name)) else {
            ctx.out.null();
            continue;
        };
        reply_entry(ctx.out, f.value);
        let expires = f.expire.is_some();
        let Some(h) = &mut hash else { continue };
        match when {
            When::At(at) if at <= now => {
                h.remove(name);
            }
            When::At(at) => {
                h.set_expire(name, at.unsigned_abs());
            }
            When::Persist if expires => {
                h.set_expire(name, 0);
            }
            When::Persist | When::Keep | When::Unsaid => continue,
        }
        done.push(name);
    }
    if done.is_empty() {
        return Ok(());
    }
    let n = done.len() as u64;
    if matches!(when, When::At(at) if at <= now) {
        propagate_hdel(&mut ctx.keys, key, &done);
        ctx.keys.changed(NotifyFlags::HASH, "hdel", key, n);
        ctx.keys.remove_if_empty(key);
        return Ok(());
    }
    let at = if let When::At(at) = when { Some(at.to_string()) } else { None };
    ctx.keys.propagate_as(|| {
        let head = match &at {
            Some(at) => [b"HPEXPIREAT", key].into_iter().chain(Some(at.as_bytes())),
            None => [b"HPERSIST", key].into_iter().chain(None),
        };
        let n = fields.len().to_string();
        OwnedArgs::from_slices(head.chain([&b"FIELDS"[..], n.as_bytes()]).chain(fields.iter().copied()))
    });
    ctx.keys.changed(NotifyFlags::HASH, if at.is_some() { "hexpire" } else { "hpersist" }, key, n);
    Ok(())
}

/// HSETEX.
pub static HSETEX: Command = Command {
    name: "hsetex",
    arity: -6,
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST),
    acl: Acl::HASH,
    keys: &[one_key(1, RW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Hash,
    since: "8.0.0",
    summary: "Set the value of one or more fields of a given hash key, and optionally set their expiration.",
    complexity: "O(N) where N is the number of fields being set.",
    args: &[
        KEY,
        ArgSpec::oneof("condition", &[ArgSpec::token("fnx", "FNX"), ArgSpec::token("fxx", "FXX")]).opt(),
        ArgSpec::oneof(
            "expiration",
            &[
                ArgSpec::integer("seconds").after("EX"),
                ArgSpec::integer("milliseconds").after("PX"),
                ArgSpec::new("unix-time-seconds", ArgKind::UnixTime).after("EXAT"),
                ArgSpec::new("unix-time-milliseconds", ArgKind::UnixTime).after("PXAT"),
                ArgSpec::token("keepttl", "KEEPTTL"),
            ],
        )
        .opt(),
        ArgSpec::block(
            "fields",
            &[
                ArgSpec::integer("numfields"),
                ArgSpec::block("data", &[ArgSpec::string("field"), ArgSpec::string("value")]).multi(),
            ],
        )
        .after("FIELDS"),
    ],
    examples: &[
        "HSETEX hash EX 100 FIELDS 2 a 1 b 2",
        "HTTL hash FIELDS 2 a b",
        "HSETEX hash KEEPTTL FIELDS 1 a 3",
        "HTTL hash FIELDS 1 a",
        "HSETEX hash FIELDS 1 a 4",
        "HTTL hash FIELDS 1 a",
        "HSETEX hash FNX FIELDS 2 a 5 c 6",
        "HSETEX hash FXX FIELDS 2 a 5 b 6",
        "HSETEX hash PXAT 1 FIELDS 2 a 5 b 6",
        "EXISTS hash",
        "HSETEX hash EX 1 KEEPTTL FIELDS 1 a 1",
        "HSETEX hash FIELDS 2 a 1",
    ],
    handler: Handler::Write(hsetex),
    ..Command::BASE
};

fn hsetex(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let Options { when, exist, fields } = expiry::options(ctx.args.from(2), true, ctx.keys.now(), &ctx.entry.name)?;
    let there = ctx.keys.write::<Hash>(key)?.is_some();
    if let Some(exist) = exist
        && !meets(ctx, &fields, exist)
    {
        if there {
            ctx.keys.remove_if_empty(key);
        }
        ctx.out.int(0);
        return Ok(());
    }
    let (now, limits) = (ctx.keys.expiry_now(), hash_limits(ctx.keys.cfg()));
    let past = matches!(when, When::At(at) if at <= now);
    let ttl = match when {
        When::Keep => Ttl::Keep,
        When::At(at) if !past => Ttl::At(at.unsigned_abs()),
        _ => Ttl::Clear,
    };
    let hash = ctx.keys.write_or_new::<Hash>(key, |_| Hash::new())?;
    if matches!(when, When::At(_)) {
        hash.make_ex();
    }
    let pairs = fields.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?)));
    // what is past is set as well, before it goes, one after the other: it may change the encoding
    let lens = || fields.iter().map(|w| w.len());
    hash.expect(fields.len() / 2, lens().max().unwrap_or(0), lens().sum(), &limits);
    for (name, value) in pairs.clone() {
        hash.set(name, value, ttl, &limits);
        if past {
            hash.remove(name);
        }
    }
    let n = (fields.len() / 2) as u64;
    ctx.keys.changed(NotifyFlags::HASH, "hset", key, n);
    if past {
        let names: Vec<&[u8]> = pairs.map(|(name, _)| name).collect();
        propagate_hdel(&mut ctx.keys, key, &names);
        ctx.keys.notify(NotifyFlags::HASH, "hdel", key);
        ctx.keys.remove_if_empty(key);
    } else if let When::At(at) = when {
        ctx.keys.propagate_as(|| {
            let (at, n) = (at.to_string(), n.to_string());
            let condition = exist.map(|x| if x { &b"FXX"[..] } else { b"FNX" });
            let head = [b"HSETEX", key].into_iter().chain(condition);
            let times = [b"PXAT", at.as_bytes(), b"FIELDS", n.as_bytes()];
            OwnedArgs::from_slices(head.chain(times).chain(fields.iter().copied()))
        });
        ctx.keys.notify(NotifyFlags::HASH, "hexpire", key);
    }
    ctx.out.int(1);
    Ok(())
}

/// FNX and FXX: whether all fields are there, or none is. Expired ones are removed up to the first that decides; the
/// hash stays even if none is left.
fn meets(ctx: &mut WriteCtx<'_, '_>, fields: &[&[u8]], exist: bool) -> bool {
    let key = ctx.args.at(1);
    let now = now(&ctx.keys);
    let Ok(Some(hash)) = ctx.keys.write::<Hash>(key) else { return !exist };
    let mut due = Vec::new();
    let mut met = true;
    for name in fields.iter().copied().step_by(2) {
        let found = hash.get(name);
        let live = found.is_some_and(|f| f.is_live(now));
        if found.is_some() && !live {
            due.push(name);
        }
        if live != exist {
            met = false;
            break;
        }
    }
    ctx.keys.expire_fields_only(key, &due);
    met
}
