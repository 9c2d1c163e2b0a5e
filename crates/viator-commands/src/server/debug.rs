//! DEBUG: the subcommands that tests rely on.

use super::config::{rewrite_file, system_text};
use super::digest::Digest;
use crate::help::{bad_subcommand, help};
use crate::keys::object::encoding;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use viator_engine::args;
use viator_engine::command::{Command, Flags, Group, Handler, Outcome, Scope, Traits};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::evict;
use viator_engine::propagation::listener;
use viator_engine::server::{Server, gate};
use viator_keyspace::{EntryRef, Expiry, NewValue, Object, ValueRef};
use viator_persist::Writer;

/// DEBUG.
pub static DEBUG: Command = Command {
    name: "debug",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    scope: Scope::All,
    group: Group::Server,
    since: "1.0.0",
    summary: "A container for debugging commands.",
    complexity: "Depends on subcommand.",
    syscmd: true,
    examples: &["DEBUG SLEEP 0", "DEBUG SET-ACTIVE-EXPIRE 1"],
    traits: Traits::DEBUG,
    handler: Handler::Admin(debug),
    ..Command::BASE
};

fn debug(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(1)).to_ascii_lowercase();
    match (name.as_str(), ctx.args.len()) {
        ("help", 2) => debug_help(ctx),
        ("set-active-expire", 3) => set(ctx, |s| &s.active_expire),
        ("pause-cron", 3) => set(ctx, |s| &s.cron_paused),
        ("set-disable-deny-scripts", 3) => set(ctx, |s| &s.debug.disable_deny_scripts),
        ("set-skip-checksum-validation", 3) => set(ctx, |s| &s.debug.skip_checksum_validation),
        ("keysizes-hist-assert", 3) => {
            set(ctx, |s| &s.debug.assert_sizes)?;
            ctx.server.set_gate(gate::CHECKS, ctx.server.debug.assert_sizes.load(Relaxed));
            Ok(())
        }
        ("sleep", 3) => sleep(ctx),
        ("object", 3 | 4) => object(ctx),
        ("sdslen", 3) => sdslen(ctx),
        ("listpack", 3) => expect_encoding(ctx, "listpack", "Listpack structure printed on stdout"),
        ("quicklist", 3 | 4) => expect_encoding(ctx, "quicklist", "Quicklist structure printed on stdout"),
        ("htstats", 3 | 4) => htstats(ctx),
        ("htstats-key", 3 | 4) => htstats_key(ctx),
        ("digest", 2) => digest(ctx),
        ("digest-value", 3..) => digest_value(ctx),
        ("populate", 3..=5) => populate(ctx),
        ("protocol", 3) => protocol(ctx),
        ("error", 3) => {
            let text = String::from_utf8_lossy(ctx.args.at(2));
            Err(Error::text(text.replace(['\r', '\n'], " ")))
        }
        ("log", 3) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(ctx.args.at(2)));
            ok(ctx)
        }
        ("change-repl-id", 2) => {
            tracing::info!("Changing replication IDs after receiving change-repl-id");
            ctx.server.new_replid();
            ok(ctx)
        }
        // how Redis's own tables, lists and buffers behave; those of this server have nothing to set
        ("dict-resizing", 3) => ok(ctx),
        ("quicklist-packed-threshold", 3) => match viator_data::num::parse_memory(ctx.args.at(2)) {
            Some(n) if n <= 4 << 30 => ok(ctx),
            _ => Err(Error::Static("ERR argument must be a memory value bigger than 1 and smaller than 4gb")),
        },
        ("config-rewrite-force-all", 2) => match rewrite_file(ctx, true) {
            Ok(()) => ok(ctx),
            Err(e) => Err(Error::text(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {}", system_text(&e)))),
        },
        ("replybuffer", 4) => replybuffer(ctx),
        ("loadaof", 2) => {
            if ctx.in_exec() {
                return Err(Error::Static("ERR DEBUG LOADAOF cannot run inside a transaction"));
            }
            let server = ctx.server;
            let was_on = ctx.with_keys_mut(0, |keys| {
                if server.gate.load(Relaxed) & gate::LOADING != 0 {
                    return Err(Error::Static("LOADING Redis is loading the dataset in memory"));
                }
                server.set_gate(gate::LOADING, true);
                let was_on = server.propagation.has_listener(listener::AOF);
                server.propagation.listen(listener::AOF, false);
                (0..server.keyspace.databases()).for_each(|db| {
                    keys.flush(db, false);
                });
                Ok(was_on)
            })?;
            server.host.reload_aof(was_on).map_err(Error::text)?;
            ok(ctx)
        }
        ("aof-flush-sleep", 3) => {
            let us = args::positive(ctx.args.at(2))?;
            ctx.server.aof.flush_sleep.store(us as u64, Relaxed);
            ok(ctx)
        }
        ("reload", 2..) => super::save::reload(ctx),
        ("client-eviction", 2) if ctx.cfg().maxmemory_clients == 0 => {
            Err(Error::Static("ERR maxmemory-clients is disabled."))
        }
        ("internal_secret", 2) if !ctx.cfg().cluster_enabled => Err(Error::Static("ERR Internal secret is missing")),
        ("segfault" | "panic" | "assert" | "oom", 2) => {
            tracing::warn!("Crashing on request: DEBUG {}", name.to_ascii_uppercase());
            std::process::abort();
        }
        _ => Err(bad_subcommand(ctx.args)),
    }
}

fn ok(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.ok();
    Ok(())
}

/// Switches something on or off; as in Redis, what is no number means 0.
fn set(ctx: &mut AdminCtx<'_, '_>, which: fn(&Server) -> &AtomicBool) -> Outcome {
    which(ctx.server).store(args::int(ctx.args.at(2)).unwrap_or(0) != 0, Relaxed);
    ok(ctx)
}

/// Holds all locks, so that nothing that touches a key goes on.
fn sleep(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let seconds = viator_data::num::parse_f64_loose(ctx.args.at(2)).unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    ctx.with_keys(0, |_| std::thread::sleep(time));
    ok(ctx)
}

/// Calls `f` with a key's entry, which may have expired.
fn with_entry<R>(ctx: &mut AdminCtx<'_, '_>, key: &[u8], f: impl FnOnce(&EntryRef<'_>) -> R) -> Result<R, Error> {
    let db = ctx.session.db;
    ctx.with_keys(db, |keys| keys.peek_unexpired(key).map(|e| f(&e))).ok_or(Error::NoSuchKey)
}

fn object(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() == 4 && !args::is(ctx.args.at(3), "fast") {
        return Err(bad_subcommand(ctx.args));
    }
    let clock = ctx.local.lru_clock;
    let (fill, compressed) = (ctx.cfg().list_max_listpack_size, u8::from(ctx.cfg().list_compress_depth != 0));
    let mut compressor = ctx.cfg().rdbcompression.then(viator_data::lzf::Compressor::default);
    let text = with_entry(ctx, ctx.args.at(2), |e| {
        let mut writer = Writer::new(compressor.as_mut());
        writer.value(e.value);
        let mut nodes = String::new();
        if let ValueRef::Object(Object::List(l)) = e.value
            && l.as_pack().is_none()
        {
            let count = l.node_count();
            let bytes: usize = l.nodes().map(|n| n.plain_len()).sum();
            nodes = format!(
                " ql_nodes:{count} ql_avg_node:{:.2} ql_listpack_max:{fill} ql_compressed:{compressed} \
                 ql_uncompressed_size:{bytes}",
                l.len() as f64 / count as f64
            );
        }
        format!(
            "Value at:{:p} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}{nodes}",
            e.key.as_ptr(),
            encoding(e),
            writer.finish_payload().len() - PAYLOAD_FRAME,
            e.lru,
            evict::idle_seconds(e.lru, clock)
        )
    })?;
    ctx.out.simple(&text);
    Ok(())
}

/// Bytes of a DUMP payload around the value: type, version, checksum.
const PAYLOAD_FRAME: usize = 11;

fn sdslen(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let text = with_entry(ctx, ctx.args.at(2), |e| {
        let (len, spare, heap) = match e.value {
            ValueRef::Str { bytes, .. } => (bytes.len(), 0, 0),
            ValueRef::Object(o) => {
                let s = o.as_str()?;
                (s.len(), s.capacity() - s.len(), o.memory())
            }
            ValueRef::Int(_) => return None,
        };
        Some(format!(
            "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{len}, val_sds_avail:{spare}, val_zmalloc: {heap}",
            e.key.len(),
            e.slot_bytes(),
        ))
    })?;
    ctx.out.simple(&text.ok_or(Error::Static("ERR Not an sds encoded string."))?);
    Ok(())
}

/// Redis prints such values to its standard output; here only the encoding is checked.
fn expect_encoding(ctx: &mut AdminCtx<'_, '_>, wanted: &str, reply: &str) -> Outcome {
    if !with_entry(ctx, ctx.args.at(2), |e| encoding(e).starts_with(wanted))? {
        return Err(Error::text(format!("ERR Not a {wanted} encoded object.")));
    }
    ctx.out.simple(reply);
    Ok(())
}

fn htstats(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let db = usize::try_from(args::int(ctx.args.at(2))?).unwrap_or(usize::MAX);
    if db >= ctx.server.keyspace.databases() {
        return Err(Error::Static("ERR Out of range database"));
    }
    let (mut places, mut keys, mut expires) = (0, 0, 0);
    ctx.each_shard(|shard| {
        if let Some(part) = shard.db(db) {
            places += part.places();
            keys += part.len();
            expires += part.expires();
        }
    });
    let table = |places, n| match n {
        0 => String::new(),
        _ => format!("Hash table 0 stats (main hash table):\n table size: {places}\n number of elements: {n}\n"),
    };
    let text = format!("[Dictionary HT]\n{}[Expires HT]\n{}", table(places, keys), table(expires, expires));
    ctx.out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn htstats_key(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (size, table) = with_entry(ctx, ctx.args.at(2), |e| {
        (if let ValueRef::Object(o) = e.value { o.len() } else { 0 }, encoding(e) == "hashtable")
    })?;
    if !table {
        return Err(Error::Static("ERR The value stored at the specified key is not represented using an hash table"));
    }
    let text = format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {size}\n",
        size.next_power_of_two()
    );
    ctx.out.verbatim("txt", text.as_bytes());
    Ok(())
}

fn digest(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let databases = ctx.server.keyspace.databases();
    let all = ctx.with_keys(0, |keys| {
        let mut all = Digest::default();
        for db in (0..databases).filter(|db| keys.db_len(*db) > 0).collect::<Vec<_>>() {
            all.mix(&(db as u32).to_be_bytes());
            for (_, shard) in keys.guards().iter_mut() {
                let Some(part) = shard.db_mut(db) else { continue };
                part.for_each(|e| {
                    let mut one = Digest::default();
                    one.mix(e.key);
                    one.value(&e);
                    all.add_digest(one);
                });
            }
        }
        all
    });
    ctx.out.simple(&all.hex());
    Ok(())
}

fn digest_value(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let wanted = ctx.args.from(2);
    let db = ctx.session.db;
    let digests: Vec<Digest> = ctx.with_keys(db, |keys| {
        let digest = |key| {
            let mut d = Digest::default();
            keys.peek(key).iter().for_each(|e| d.value(e));
            d
        };
        wanted.iter().map(digest).collect()
    });
    ctx.out.array(digests.len());
    for d in digests {
        ctx.out.simple(&d.hex());
    }
    Ok(())
}

fn populate(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let count = |i: usize| {
        let n = args::int(ctx.args.at(i)).ok().and_then(|n| usize::try_from(n).ok());
        n.ok_or(Error::Static("ERR value is out of range, must be positive"))
    };
    let n = count(2)?;
    let prefix = String::from_utf8_lossy(ctx.args.get(3).unwrap_or(b"key")).into_owned();
    let size = if ctx.args.len() == 5 { Some(count(4)?) } else { None };
    if size.is_some_and(|s| s as u64 > ctx.cfg().proto_max_bulk_len) {
        return Err(Error::TooLong);
    }
    let db = ctx.session.db;
    ctx.with_keys_mut(db, |keys| {
        for i in 0..n {
            let key = format!("{prefix}:{i}");
            if keys.exists(key.as_bytes()) {
                continue;
            }
            let mut value = format!("value:{i}").into_bytes();
            if let Some(size) = size {
                value.resize(size, 0);
            }
            keys.set(key.as_bytes(), NewValue::Str { bytes: &value, raw: false }, Expiry::Clear);
        }
    });
    ok(ctx)
}

fn replybuffer(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (what, value) = (ctx.args.at(2), ctx.args.at(3));
    if args::is(what, "peak-reset-time") {
        if !args::is(value, "never") && !args::is(value, "reset") {
            args::int(value)?;
        }
    } else if !args::is(what, "resizing") {
        return Err(bad_subcommand(ctx.args));
    }
    // reply buffers are the workers', not the clients'
    ok(ctx)
}

fn protocol(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(2)).to_ascii_lowercase();
    let out = &mut *ctx.out;
    match name.as_str() {
        "string" => out.bulk(b"Hello World"),
        "integer" => out.int(12345),
        "double" => out.double("3.141"),
        "null" => out.null(),
        "array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        "set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        "map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.bool(n == 1);
            }
        }
        "attrib" => {
            if out.resp3() {
                out.attribute(1);
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            // an attribute comes before a real reply
            out.bulk(b"Some real reply following the attribute");
        }
        "push" => {
            if !out.resp3() {
                return Err(Error::Static("ERR RESP2 is not supported by this command"));
            }
            // a push message does not come within a reply: the reply first
            out.bulk(b"Some real reply following the push reply");
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
        }
        "true" => out.bool(true),
        "false" => out.bool(false),
        "verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        "bignum" => out.big_number("1234567999999999999999999999999999999"),
        _ => {
            return Err(Error::Static(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn debug_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "DEBUG",
        &[
            "ASSERT",
            "    Crash by assertion failed.",
            "CHANGE-REPL-ID",
            "    Change the replication IDs of the instance.",
            "    Dangerous: should be used only for testing the replication subsystem.",
            "CONFIG-REWRITE-FORCE-ALL",
            "    Like CONFIG REWRITE but writes all configuration options, including",
            "    keywords not listed in original configuration file or default values.",
            "DICT-RESIZING <0|1>",
            "    Taken without effect: no table of this server is resized step by step.",
            "DIGEST",
            "    Output a hex signature representing the current DB content.",
            "DIGEST-VALUE <key> [<key> ...]",
            "    Output a hex signature of the values of all the specified keys.",
            "ERROR <string>",
            "    Return a Redis protocol error with <string> as message. Useful for clients",
            "    unit tests to simulate Redis errors.",
            "HTSTATS <dbid> [full]",
            "    Return hash table statistics of the specified Redis database.",
            "HTSTATS-KEY <key> [full]",
            "    Like HTSTATS but for the hash table stored at <key>'s value.",
            "KEYSIZES-HIST-ASSERT <0|1>",
            "    Count the sizes of all keys again after every command, and end the server if",
            "    what INFO keysizes tells is not so.",
            "LISTPACK <key>",
            "    Check that <key> is a listpack.",
            "LOG <message>",
            "    Write <message> to the server log.",
            "OBJECT <key>",
            "    Show low level info about `key` and associated value.",
            "PANIC",
            "    Crash the server simulating a panic.",
            "PAUSE-CRON <0|1>",
            "    Stop periodic cron job processing.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Create <count> string keys named key:<num>. If <prefix> is specified then",
            "    it is used instead of the 'key' prefix. These are not propagated to",
            "    replicas.",
            "PROTOCOL <type>",
            "    Reply with a test value of the specified type. <type> can be: string,",
            "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
            "    true, false.",
            "QUICKLIST <key> [<0|1>]",
            "    Check that <key> is a quicklist.",
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "    Taken without effect: lists of this server decide by the size of a node.",
            "RELOAD [option ...]",
            "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
            "    * MERGE: conflicting keys will be loaded from RDB.",
            "    * NOFLUSH: the existing database will not be removed before load, but",
            "      conflicting keys will generate an exception and kill the server.",
            "    * NOSAVE: the database will be loaded from an existing RDB file.",
            "    Examples:",
            "    * DEBUG RELOAD: verify that the server is able to persist, flush and reload",
            "      the database.",
            "    * DEBUG RELOAD NOSAVE: replace the current database with the contents of an",
            "      existing RDB file.",
            "    * DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB",
            "      file to the database.",
            "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
            "    Taken without effect: clients of this server have no reply buffers of their own.",
            "REPLYBUFFER RESIZING <0|1>",
            "    Taken without effect, likewise.",
            "SDSLEN <key>",
            "    Show low level string info representing `key` and value.",
            "SEGFAULT",
            "    Crash the server.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys (and hash-fields) in background",
            "    when they are not accessed (otherwise the Redis behavior). Setting it",
            "    to 1 reenables back the default.",
            "SET-DISABLE-DENY-SCRIPTS <0|1>",
            "    Setting it to 1 lets scripts call commands that they may not call.",
            "SET-SKIP-CHECKSUM-VALIDATION <0|1>",
            "    Enables or disables checksum checks for RDB files and RESTORE's payload.",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    );
    Ok(())
}
