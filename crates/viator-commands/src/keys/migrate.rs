//! MIGRATE: moving keys to another server.
//!
//! The other server is spoken to without a lock: what is sent is a copy, and the keys are watched meanwhile, as WATCH does.
//! Only when the other server has acknowledged a key, and nobody has changed it since it was copied, is it deleted here,
//! under its lock. If somebody has, it is sent again, in place of what was sent before; a key that is gone by then is deleted
//! there. So a client that writes meanwhile sees its write either refused by nobody and moved, and no failure at any
//! moment loses a key: at worst both servers have it, as in Redis. After some attempts in vain, and within a transaction,
//! the locks are held until the answer is there: that is what Redis does always.

use crate::declare::{RW_ACCESS_DELETE, one_key};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::args::{self, Args, OwnedArgs};
use viator_engine::client::ClientShared;
use viator_engine::command::{
    Acl, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec, Outcome, Scope,
};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_engine::server::{ExchangeError, Peer, Watcher};
use viator_keyspace::Footprint;

/// MIGRATE.
pub static MIGRATE: Command = Command {
    name: "migrate",
    arity: -6,
    flags: Flags::WRITE,
    acl: Acl::KEYSPACE.or(Acl::DANGEROUS),
    keys: &[
        one_key(3, RW_ACCESS_DELETE),
        KeySpec {
            flags: RW_ACCESS_DELETE.or(KeyFlags::INCOMPLETE),
            begin: Begin::Keyword { keyword: "KEYS", start_from: -2 },
            find: Find::Range { last: -1, step: 1, limit: 0 },
            notes: "",
        },
    ],
    find_keys: Some(find_keys),
    scope: Scope::Keys,
    group: Group::Generic,
    since: "2.6.0",
    summary: "Atomically transfers a key from one Redis instance to another.",
    complexity: "This command actually executes a DUMP+DEL in the source instance, and a RESTORE in the target instance. \
        See the pages of these commands for time complexity. Also an O(N) data transfer between the two instances is \
        performed.",
    history: &[
        ("3.0.0", "Added the `COPY` and `REPLACE` options."),
        ("3.0.6", "Added the `KEYS` option."),
        ("4.0.7", "Added the `AUTH` option."),
        ("6.0.0", "Added the `AUTH2` option."),
    ],
    args: &[
        ArgSpec::string("host"),
        ArgSpec::integer("port"),
        ArgSpec::oneof("key-selector", &[ArgSpec::key("key", 0), ArgSpec::token("empty-string", "")]),
        ArgSpec::integer("destination-db"),
        ArgSpec::integer("timeout"),
        ArgSpec::token("copy", "COPY").since("3.0.0").opt(),
        ArgSpec::token("replace", "REPLACE").since("3.0.0").opt(),
        ArgSpec::oneof(
            "authentication",
            &[
                ArgSpec::string("auth").shown("password").after("AUTH").since("4.0.7"),
                ArgSpec::block("auth2", &[ArgSpec::string("username"), ArgSpec::string("password")])
                    .after("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .opt(),
        ArgSpec::key("keys", 1).shown("key").after("KEYS").since("3.0.6").opt().multi(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "MIGRATE 127.0.0.1 1 missing 0 100",
        "MIGRATE 127.0.0.1 1 key 0 notanumber",
        "MIGRATE 127.0.0.1 1 key 0 100 KEYS a b",
        r#"MIGRATE 127.0.0.1 1 "" 0 100 KEYS a b"#,
        "MIGRATE 127.0.0.1 1 key 0 100 AUTH",
    ],
    handler: Handler::Admin(migrate),
    ..Command::BASE
};

/// Attempts to move keys that others change, before they are kept from it.
const FREE_ATTEMPTS: usize = 8;

struct Request<'a> {
    peer: Peer,
    keys: Vec<&'a [u8]>,
    db: i64,
    copy: bool,
    replace: bool,
    /// AUTH with its arguments.
    auth: Vec<&'a [u8]>,
}

/// The one key, or those after KEYS, where that is empty.
fn find_keys(a: Args<'_>) -> Option<Vec<(usize, KeyFlags)>> {
    let mut i = 6;
    while let Some(option) = a.get(i) {
        if args::is(option, "keys") {
            return a.at(3).is_empty().then(|| (i + 1..a.len()).map(|k| (k, RW_ACCESS_DELETE)).collect());
        }
        i += if args::is(option, "auth") { 2 } else { 1 + 2 * usize::from(args::is(option, "auth2")) };
    }
    Some(vec![(3, RW_ACCESS_DELETE)])
}

impl<'a> Request<'a> {
    fn parse(a: Args<'a>) -> Result<Request<'a>, Error> {
        let (mut copy, mut replace, mut auth, mut listed) = (false, false, Vec::new(), None);
        let mut i = 6;
        while let Some(option) = a.get(i) {
            let left = a.len() - i - 1;
            if args::is(option, "copy") {
                copy = true;
            } else if args::is(option, "replace") {
                replace = true;
            } else if args::is(option, "auth") && left >= 1 {
                auth = vec![&b"AUTH"[..], a.at(i + 1)];
                i += 1;
            } else if args::is(option, "auth2") && left >= 2 {
                auth = vec![&b"AUTH"[..], a.at(i + 1), a.at(i + 2)];
                i += 2;
            } else if args::is(option, "keys") {
                if !a.at(3).is_empty() {
                    return Err(Error::Static(
                        "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                    ));
                }
                listed = Some(a.from(i + 1));
                break;
            } else {
                return Err(Error::Syntax);
            }
            i += 1;
        }
        let timeout = args::int(a.at(5))?;
        let db = args::int(a.at(4))?;
        let peer = Peer {
            host: String::from_utf8_lossy(a.at(1)).into_owned(),
            port: args::int(a.at(2)).ok().and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
            timeout_ms: if timeout <= 0 { 1000 } else { timeout as u64 },
        };
        let keys = listed.map_or_else(|| vec![a.at(3)], |l| l.iter().collect());
        Ok(Request { peer, keys, db, copy, replace, auth })
    }
}

/// What is sent for a key.
struct Item<'a> {
    key: &'a [u8],
    /// Its DUMP payload and the milliseconds it has left (0: for ever); `None`: it is gone, and so it is to be there.
    value: Option<(Vec<u8>, i64)>,
}

/// The other server's answer.
struct Answer<'a> {
    /// The keys that it has taken.
    taken: Vec<&'a [u8]>,
    /// What the client is told if that is not "OK".
    error: Option<Error>,
}

fn migrate(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let request = Request::parse(ctx.args)?;
    let server = ctx.server;
    let db = ctx.session.db;
    let shards = request.keys.iter().fold(Footprint::NONE, |f, k| f.with(server.keyspace.locate(k).shard()));
    let mut sent: Vec<&[u8]> = Vec::new();
    for attempt in 0.. {
        let (locked, watch) = (ctx.in_exec() || attempt >= FREE_ATTEMPTS, watcher());
        let asking = ctx.cfg().cluster_enabled;
        let (items, answer) = ctx.with_footprint_mut(shards, db, |keys| {
            let items = collect(keys, &request.keys, &sent);
            if !locked {
                items.iter().filter(|_| !request.copy).for_each(|i| watch_key(keys, i.key, &watch));
                return (items, None);
            }
            let answer = send(keys, &request, &items, !sent.is_empty(), asking);
            remove(keys, &request, &answer.taken);
            (items, Some(answer))
        });
        if items.is_empty() {
            ctx.out.simple("NOKEY");
            return Ok(());
        }
        let answer = match answer {
            Some(a) => a,
            None => {
                let answer = transfer(ctx.server, &request, &items, !sent.is_empty(), asking);
                let changed = ctx.with_footprint_mut(shards, db, |keys| {
                    items.iter().for_each(|i| unwatch_key(keys, i.key, &watch));
                    let changed = watch.watch_dirty.load(Relaxed);
                    if !changed {
                        remove(keys, &request, &answer.taken);
                    }
                    changed
                });
                if changed && !answer.taken.is_empty() {
                    sent.extend(&answer.taken);
                    continue;
                }
                answer
            }
        };
        answer.error.map_or(Ok(()), Err)?;
        ctx.out.ok();
        return Ok(());
    }
    Ok(())
}

/// Copies what is there of the keys. Of those that were sent before and are gone now, the other server is told.
fn collect<'a>(keys: &mut WriteKeys<'_, '_>, names: &[&'a [u8]], sent: &[&[u8]]) -> Vec<Item<'a>> {
    let now = keys.now();
    let mut items = Vec::new();
    for key in names {
        let expire = keys.peek(key).map(|e| e.expire);
        let value = match (expire, keys.dump(key)) {
            (Some(expire), Some(payload)) => Some((payload, expire.map_or(0, |at| (at - now).max(1)))),
            _ if sent.contains(key) => None,
            _ => continue,
        };
        items.push(Item { key, value });
    }
    items
}

fn send<'a>(
    keys: &WriteKeys<'_, '_>,
    request: &Request<'_>,
    items: &[Item<'a>],
    again: bool,
    asking: bool,
) -> Answer<'a> {
    transfer(keys.server, request, items, again, asking)
}

/// Sends the copies, and waits for what the other server says.
fn transfer<'a>(
    server: &viator_engine::server::Server,
    request: &Request<'_>,
    items: &[Item<'a>],
    again: bool,
    asking: bool,
) -> Answer<'a> {
    let mut commands = Vec::new();
    if !request.auth.is_empty() {
        commands.push(OwnedArgs::from_slices(&request.auth));
    }
    commands.push(OwnedArgs::from_slices([b"SELECT", request.db.to_string().as_bytes()]));
    let first = commands.len();
    for i in items {
        commands.push(match &i.value {
            None => OwnedArgs::from_slices([b"DEL", i.key]),
            Some((payload, ttl)) => {
                let name = if asking { &b"RESTORE-ASKING"[..] } else { b"RESTORE" };
                let mut c = OwnedArgs::from_slices([name, i.key, ttl.to_string().as_bytes(), payload]);
                // what is there may be what was sent before
                if request.replace || again {
                    c.push(b"REPLACE");
                }
                c
            }
        });
    }
    let (replies, failure) = match server.host.exchange(&request.peer, &commands) {
        Ok(replies) => (replies, None),
        Err(ExchangeError::Connecting) => (Vec::new(), Some("connecting to the client")),
        Err(ExchangeError::Writing) => (Vec::new(), Some("writing to target instance")),
        Err(ExchangeError::Reading(replies)) => (replies, Some("reading to target instance")),
    };
    let mut answer = Answer { taken: Vec::new(), error: None };
    let mut refused = false;
    for (i, reply) in replies.iter().enumerate() {
        let error = reply.strip_prefix(b"-");
        if let Some(text) = error
            && answer.error.is_none()
        {
            let text = String::from_utf8_lossy(text);
            answer.error = Some(Error::text(format!("ERR Target instance replied with error: {text}")));
        }
        if i < first {
            // what follows went to somebody else, or to another database
            refused |= error.is_some();
        } else if error.is_none()
            && !refused
            && let Some(item) = items.get(i - first)
        {
            answer.taken.push(item.key);
        }
    }
    if let Some(what) = failure
        && answer.error.is_none()
    {
        answer.error = Some(Error::text(format!("IOERR error or timeout {what}")));
    }
    answer
}

/// Deletes what was taken.
fn remove(keys: &mut WriteKeys<'_, '_>, request: &Request<'_>, taken: &[&[u8]]) {
    if request.copy || taken.is_empty() {
        return;
    }
    let mut command = OwnedArgs::from_slices([b"DEL"]);
    let mut n = 0;
    for key in taken {
        if keys.delete(key, false) {
            keys.notify(NotifyFlags::GENERIC, "del", key);
            command.push(key);
            n += 1;
        }
    }
    if n > 0 {
        keys.dirty(n);
        keys.propagate_as(|| command);
    }
}

/// One who watches, and is no client.
fn watcher() -> Arc<ClientShared> {
    Arc::new(ClientShared::new(0, String::new(), String::new(), false, -1, 0, 0, Arc::new(|_| {})))
}

fn watch_key(keys: &mut WriteKeys<'_, '_>, key: &[u8], watch: &Arc<ClientShared>) {
    let (db, shard) = (keys.db, keys.locate(key).shard());
    let watcher = Watcher { client: watch.clone(), expired: false };
    keys.shard(shard).ext.watchers.entry((db, key.into())).or_default().push(watcher);
}

fn unwatch_key(keys: &mut WriteKeys<'_, '_>, key: &[u8], watch: &Arc<ClientShared>) {
    let (db, shard) = (keys.db, keys.locate(key).shard());
    let watchers = &mut keys.shard(shard).ext.watchers;
    let id = (db, key.into());
    if let Some(list) = watchers.get_mut(&id) {
        list.retain(|w| !Arc::ptr_eq(&w.client, watch));
        if list.is_empty() {
            watchers.remove(&id);
        }
    }
}
