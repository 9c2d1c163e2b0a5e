//! DUMP and RESTORE: the serialized form of a value.

use std::sync::atomic::Ordering::Relaxed;
use viator_engine::args::{self, OwnedArgs};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::evict;
use viator_engine::keys::kind;
use viator_engine::typed::rdb_limits;
use viator_keyspace::Expiry;
use viator_persist::{Fault, Loaded, Reader};

use super::rename::{remove_for_overwrite, tell_overwritten};
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, one_key};

/// DUMP.
pub static DUMP: Command = Command {
    name: "dump",
    arity: 2,
    flags: Flags::READONLY,
    acl: Acl::KEYSPACE,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Returns a serialized representation of the value stored at a key.",
    complexity: "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
        composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) \
        where M is small, so simply O(1).",
    args: &[KEY],
    tips: &["nondeterministic_output"],
    examples: &["DUMP missing"],
    handler: Handler::Read(dump),
    ..Command::BASE
};

fn dump(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    match ctx.keys.dump(ctx.args.at(1)) {
        None => ctx.out.null(),
        Some(payload) => ctx.out.bulk(&payload),
    }
    Ok(())
}

/// RESTORE.
pub static RESTORE: Command = Command {
    name: "restore",
    arity: -4,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    keys: &[one_key(1, OW_UPDATE)],
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Creates a key from the serialized representation of a value.",
    complexity: "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
        number of Redis objects composing the value and M their average size. For small string values the time \
        complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity \
        is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
    history: &[
        ("3.0.0", "Added the `REPLACE` modifier."),
        ("5.0.0", "Added the `ABSTTL` modifier."),
        ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
    ],
    args: &[
        KEY,
        ArgSpec::integer("ttl"),
        ArgSpec::string("serialized-value"),
        ArgSpec::token("replace", "REPLACE").since("3.0.0").opt(),
        ArgSpec::token("absttl", "ABSTTL").since("5.0.0").opt(),
        ArgSpec::integer("seconds").after("IDLETIME").since("5.0.0").opt(),
        ArgSpec::integer("frequency").after("FREQ").since("5.0.0").opt(),
    ],
    examples: &[
        r#"RESTORE key 0 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC""#,
        "GET key",
        r#"RESTORE key 0 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC""#,
        r#"RESTORE key 100000 "\x00\xc0\x0c\x0c\x00\xf7\\\xcc\x91\xa6.\"\x9c" REPLACE"#,
        "GET key",
        "TTL key",
        r#"RESTORE l 33177117420000 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC" ABSTTL"#,
        "GET l",
        "EXPIRETIME l",
        "RESTORE bad 0 payload",
        "RESTORE bad -1 payload",
        "RESTORE bad 0 payload IDLETIME -1",
        "RESTORE bad 0 payload FREQ 256",
    ],
    handler: Handler::Write(restore),
    ..Command::BASE
};

/// RESTORE-ASKING.
pub static RESTORE_ASKING: Command = Command {
    name: "restore-asking",
    flags: Flags::WRITE.or(Flags::DENYOOM).or(Flags::ASKING),
    group: Group::Server,
    since: "3.0.0",
    summary: "An internal command for migrating keys in a cluster.",
    syscmd: true,
    examples: &[
        r#"RESTORE-ASKING key 0 "\x00\x05hello\x0c\x00\xa8\x04\xeb\xb6\x9f\x1e\xbeC""#,
        "GET key",
        "RESTORE-ASKING bad 0 payload",
    ],
    ..RESTORE
};

/// Options of RESTORE.
#[derive(Default)]
struct Restore {
    replace: bool,
    absolute: bool,
    idle: Option<i64>,
    freq: Option<u8>,
}

impl Restore {
    fn parse(ctx: &WriteCtx<'_, '_>) -> Result<Restore, Error> {
        let mut r = Restore::default();
        let mut options = ctx.args.from(4).iter();
        while let Some(option) = options.next() {
            if args::is(option, "REPLACE") {
                r.replace = true;
            } else if args::is(option, "ABSTTL") {
                r.absolute = true;
            } else if args::is(option, "IDLETIME") && r.freq.is_none() {
                let idle = args::int(options.next().ok_or(Error::Syntax)?)?;
                if idle < 0 {
                    return Err(Error::Static("ERR Invalid IDLETIME value, must be >= 0"));
                }
                r.idle = Some(idle);
            } else if args::is(option, "FREQ") && r.idle.is_none() {
                let freq = args::int(options.next().ok_or(Error::Syntax)?)?;
                r.freq = Some(
                    u8::try_from(freq).map_err(|_| Error::Static("ERR Invalid FREQ value, must be >= 0 and <= 255"))?,
                );
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(r)
    }

    /// The LRU or LFU bits that the options ask for, under the present policy.
    fn lru(&self, ctx: &WriteCtx<'_, '_>) -> Option<u32> {
        if ctx.keys.cfg().maxmemory_policy.is_lfu() {
            self.freq.map(|f| evict::lfu_bits(ctx.keys.now(), f))
        } else {
            self.idle.map(|seconds| evict::lru_of_idle(seconds, ctx.keys.local.lru_clock))
        }
    }
}

/// The value of the payload.
fn load(ctx: &WriteCtx<'_, '_>) -> Result<Loaded, Error> {
    let checked = !ctx.server.debug.skip_checksum_validation.load(Relaxed);
    let limits = rdb_limits(ctx.keys.cfg(), true);
    Reader::of_payload(ctx.args.at(3), checked).and_then(|mut r| r.value(&limits)).map_err(|e| {
        if matches!(e, Fault::Footer) {
            return Error::Static("ERR DUMP payload version or checksum are wrong");
        }
        tracing::warn!("RESTORE: {e}");
        Error::Static("ERR Bad data format")
    })
}

fn restore(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let key = ctx.args.at(1);
    let options = Restore::parse(ctx)?;
    let before = ctx.keys.lookup_write(key).map(|e| kind(e.value));
    if before.is_some() && !options.replace {
        return Err(Error::Static("BUSYKEY Target key name already exists."));
    }
    let ttl = args::int(ctx.args.at(2))?;
    if ttl < 0 {
        return Err(Error::Static("ERR Invalid TTL value, must be >= 0"));
    }
    let loaded = load(ctx)?;
    let db = ctx.keys.db;
    if before.is_some() {
        remove_for_overwrite(&mut ctx.keys, db, key);
    }
    let expire = match ttl {
        0 => None,
        _ if options.absolute => Some(ttl),
        _ => Some(ttl.saturating_add(ctx.keys.now())),
    };
    ctx.out.ok();
    if expire.is_some_and(|when| ctx.keys.is_past(when)) {
        // it comes too late: there is nothing but the end of what was there
        if before.is_some() {
            let lazy = ctx.keys.cfg().lazyfree_lazy_server_del;
            ctx.keys.propagate_as(|| OwnedArgs::from_slices([if lazy { &b"UNLINK"[..] } else { b"DEL" }, key]));
            ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
            ctx.keys.dirty(1);
        }
        return Ok(());
    }
    let after = loaded.kind();
    loaded.store(|value| ctx.keys.set(key, value, expire.map_or(Expiry::Clear, Expiry::At)));
    if let Some(bits) = options.lru(ctx) {
        ctx.keys.set_lru(key, bits);
    }
    if let Some(when) = expire
        && !options.absolute
    {
        let args = ctx.args;
        ctx.keys.propagate_as(|| {
            let mut owned = OwnedArgs::default();
            for (i, arg) in args.iter().enumerate() {
                if i == 2 { owned.push(when.to_string().as_bytes()) } else { owned.push(arg) }
            }
            owned.push(b"ABSTTL");
            owned
        });
    }
    ctx.keys.notify(NotifyFlags::GENERIC, "restore", key);
    tell_overwritten(&mut ctx.keys, db, key, before, after);
    ctx.keys.dirty(1);
    Ok(())
}
