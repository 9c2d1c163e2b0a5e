//! CLIENT: identity of connections; listing and killing them.

use viator_engine::args;
use viator_engine::auth;
use viator_engine::client::ClientShared;
use viator_engine::client_list::{ClientType, describe};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;

use super::{client_modes, client_tracking};
use crate::help;
use std::sync::atomic::Ordering::Relaxed;

/// CLIENT.
pub static CLIENT: Command = Command {
    name: "client",
    arity: -2,
    group: Group::Connection,
    since: "2.4.0",
    summary: "A container for client connection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &client_tracking::CLIENT_CACHING,
        &CLIENT_GETNAME,
        &client_tracking::CLIENT_GETREDIR,
        &CLIENT_HELP,
        &CLIENT_ID,
        &CLIENT_INFO,
        &CLIENT_KILL,
        &CLIENT_LIST,
        &client_modes::CLIENT_NO_EVICT,
        &client_modes::CLIENT_NO_TOUCH,
        &client_modes::CLIENT_PAUSE,
        &client_modes::CLIENT_REPLY,
        &CLIENT_SETINFO,
        &CLIENT_SETNAME,
        &client_tracking::CLIENT_TRACKING,
        &client_tracking::CLIENT_TRACKINGINFO,
        &client_modes::CLIENT_UNBLOCK,
        &client_modes::CLIENT_UNPAUSE,
    ],
    ..Command::BASE
};

/// CLIENT GETNAME.
pub static CLIENT_GETNAME: Command = Command {
    name: "getname",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "2.6.9",
    summary: "Returns the name of the connection.",
    complexity: "O(1)",
    examples: &["CLIENT GETNAME", "CLIENT SETNAME name", "CLIENT GETNAME"],
    handler: Handler::Admin(client_getname),
    ..Command::BASE
};

fn client_getname(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let identity = ctx.session.shared.identity.lock();
    if identity.name.is_empty() {
        ctx.out.null();
    } else {
        ctx.out.bulk(&identity.name);
    }
    Ok(())
}

/// CLIENT HELP.
pub static CLIENT_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["CLIENT HELP", "CLIENT UNKNOWN"],
    handler: Handler::Admin(client_help),
    ..Command::BASE
};

fn client_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help::help(ctx.out, "CLIENT", super::client_help::LINES);
    Ok(())
}

/// CLIENT ID.
pub static CLIENT_ID: Command = Command {
    name: "id",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "5.0.0",
    summary: "Returns the unique client ID of the connection.",
    complexity: "O(1)",
    examples: &["CLIENT ID extra"],
    handler: Handler::Admin(client_id),
    ..Command::BASE
};

fn client_id(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(ctx.session.id().cast_signed());
    Ok(())
}

/// CLIENT INFO.
pub static CLIENT_INFO: Command = Command {
    name: "info",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Returns information about the connection.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    examples: &["CLIENT INFO extra"],
    handler: Handler::Admin(client_info),
    ..Command::BASE
};

fn client_info(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut line = line_of(ctx, &ctx.session.shared);
    line.push(b'\n');
    ctx.out.verbatim("txt", &line);
    Ok(())
}

/// The line of a client in CLIENT LIST.
fn line_of(ctx: &AdminCtx<'_, '_>, c: &ClientShared) -> Vec<u8> {
    let argv = (c.id == ctx.session.id()).then(|| {
        let queued = if ctx.session.in_exec { c.multi_args.load(Relaxed) as usize } else { 0 };
        queued.max(ctx.args.bytes())
    });
    describe(c, ctx.server, ctx.local.now, argv)
}

/// CLIENT KILL.
pub static CLIENT_KILL: Command = Command {
    name: "kill",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "2.4.0",
    summary: "Terminates open connections.",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        ("5.0.0", "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."),
        ("6.2.0", "`LADDR` option."),
        ("7.4.0", "`MAXAGE` option."),
    ],
    args: &[ArgSpec::oneof(
        "filter",
        &[
            ArgSpec::string("old-format").shown("ip:port").deprecated("2.8.12"),
            ArgSpec::oneof(
                "new-format",
                &[
                    ArgSpec::integer("client-id").after("ID").since("2.8.12").opt(),
                    ArgSpec::oneof(
                        "client-type",
                        &[
                            ArgSpec::token("normal", "NORMAL"),
                            ArgSpec::token("master", "MASTER").since("3.2.0"),
                            ArgSpec::token("slave", "SLAVE"),
                            ArgSpec::token("replica", "REPLICA").since("5.0.0"),
                            ArgSpec::token("pubsub", "PUBSUB"),
                        ],
                    )
                    .after("TYPE")
                    .since("2.8.12")
                    .opt(),
                    ArgSpec::string("username").after("USER").opt(),
                    ArgSpec::string("addr").after("ADDR").shown("ip:port").opt(),
                    ArgSpec::string("laddr").after("LADDR").shown("ip:port").since("6.2.0").opt(),
                    ArgSpec::oneof("skipme", &[ArgSpec::token("yes", "YES"), ArgSpec::token("no", "NO")])
                        .after("SKIPME")
                        .opt(),
                    ArgSpec::integer("maxage").after("MAXAGE").since("7.4.0").opt(),
                ],
            )
            .multi(),
        ],
    )],
    examples: &[
        "CLIENT KILL 127.0.0.1:1",
        "CLIENT KILL ID 9999999999",
        "CLIENT KILL TYPE pubsub",
        "CLIENT KILL ADDR 127.0.0.1:1 SKIPME no",
        "CLIENT KILL USER nobody",
        "CLIENT KILL TYPE nothing",
        "CLIENT KILL ID zero",
        "CLIENT KILL SKIPME perhaps",
    ],
    handler: Handler::Admin(client_kill),
    ..Command::BASE
};

/// Whom CLIENT KILL is to kill.
#[derive(Default)]
struct Filter<'a> {
    ids: Vec<u64>,
    kind: Option<ClientType>,
    user: Option<&'a [u8]>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    /// Seconds.
    max_age: Option<i64>,
    skip_me: bool,
}

impl<'a> Filter<'a> {
    /// Option and value, from argument 2 on.
    fn parse(ctx: &AdminCtx<'a, '_>) -> Result<Filter<'a>, Error> {
        let mut f = Filter { skip_me: true, ..Filter::default() };
        let mut i = 2;
        while let Some(option) = ctx.args.get(i) {
            let value = ctx.args.get(i + 1).ok_or(Error::Syntax)?;
            if args::is(option, "id") {
                let id = args::int(value).ok().filter(|&n| n > 0);
                f.ids.push(id.ok_or(Error::Static("ERR client-id should be greater than 0"))?.unsigned_abs());
            } else if args::is(option, "maxage") {
                let age =
                    args::int(value).map_err(|_| Error::Static("ERR maxage is not an integer or out of range"))?;
                if age <= 0 {
                    return Err(Error::Static("ERR maxage should be greater than 0"));
                }
                f.max_age = Some(age);
            } else if args::is(option, "type") {
                f.kind = Some(client_type(value)?);
            } else if args::is(option, "addr") {
                f.addr = Some(value);
            } else if args::is(option, "laddr") {
                f.laddr = Some(value);
            } else if args::is(option, "user") {
                if value != auth::DEFAULT_USER.as_bytes() {
                    return Err(Error::text(format!("ERR No such user '{}'", String::from_utf8_lossy(value))));
                }
                f.user = Some(value);
            } else if args::is(option, "skipme") && args::is(value, "yes") {
                f.skip_me = true;
            } else if args::is(option, "skipme") && args::is(value, "no") {
                f.skip_me = false;
            } else {
                return Err(Error::Syntax);
            }
            i += 2;
        }
        Ok(f)
    }

    fn matches(&self, c: &ClientShared, me: u64, now: i64) -> bool {
        (self.ids.is_empty() || self.ids.contains(&c.id))
            && self.kind.is_none_or(|k| k == ClientType::of(c))
            && self.user.is_none_or(|u| u == c.identity.lock().user.as_bytes())
            && self.addr.is_none_or(|a| a == c.addr.as_bytes())
            && self.laddr.is_none_or(|a| a == c.laddr.as_bytes())
            && self.max_age.is_none_or(|age| (now - c.created) / 1000 >= age)
            && !(self.skip_me && c.id == me)
    }
}

fn client_kill(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() == 3 {
        let filter = Filter { addr: Some(ctx.args.at(2)), ..Filter::default() };
        if kill(ctx, &filter) == 0 {
            return Err(Error::Static("ERR No such client"));
        }
        ctx.out.ok();
        return Ok(());
    }
    let filter = Filter::parse(ctx)?;
    let killed = kill(ctx, &filter);
    ctx.out.int(killed);
    Ok(())
}

/// Kills those whom the filter matches: they are gone at once, except for this client, which gets its reply. Returns how
/// many they were.
fn kill(ctx: &mut AdminCtx<'_, '_>, filter: &Filter<'_>) -> i64 {
    let (me, now) = (ctx.session.id(), ctx.local.now);
    let mut killed = 0;
    for c in ctx.server.clients.all().iter().filter(|c| filter.matches(c, me, now)) {
        if c.id == me {
            ctx.session.close_after_reply = true;
        } else {
            ctx.server.clients.remove(c.id);
            c.close();
        }
        killed += 1;
    }
    killed
}

fn client_type(name: &[u8]) -> Result<ClientType, Error> {
    ClientType::parse(name)
        .ok_or_else(|| Error::text(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name))))
}

/// CLIENT LIST.
pub static CLIENT_LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "2.4.0",
    summary: "Lists open connections.",
    complexity: "O(N) where N is the number of client connections",
    history: &[
        ("2.8.12", "Added unique client `id` field."),
        ("5.0.0", "Added optional `TYPE` filter."),
        ("6.0.0", "Added `user` field."),
        ("6.2.0", "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."),
        ("7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."),
        ("7.0.3", "Added `ssub` field."),
        ("7.2.0", "Added `lib-name` and `lib-ver` fields."),
        ("7.4.0", "Added `watch` field."),
        ("8.0.0", "Added `io-thread` field."),
    ],
    args: &[
        ArgSpec::oneof(
            "client-type",
            &[
                ArgSpec::token("normal", "NORMAL"),
                ArgSpec::token("master", "MASTER"),
                ArgSpec::token("replica", "REPLICA"),
                ArgSpec::token("pubsub", "PUBSUB"),
            ],
        )
        .after("TYPE")
        .since("5.0.0")
        .opt(),
        ArgSpec::integer("client-id").after("ID").since("6.2.0").multi().opt(),
    ],
    tips: &["nondeterministic_output"],
    examples: &[
        "CLIENT LIST TYPE pubsub",
        "CLIENT LIST ID 9999999999",
        "CLIENT LIST TYPE nothing",
        "CLIENT LIST ID zero",
        "CLIENT LIST extra",
    ],
    handler: Handler::Admin(client_list),
    ..Command::BASE
};

fn client_list(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let first = ctx.args.get(2);
    let mut clients = if ctx.args.len() == 4 && first.is_some_and(|a| args::is(a, "type")) {
        let kind = client_type(ctx.args.at(3))?;
        let mut all = ctx.server.clients.all();
        all.retain(|c| ClientType::of(c) == kind);
        all
    } else if ctx.args.len() > 3 && first.is_some_and(|a| args::is(a, "id")) {
        let mut found = Vec::new();
        for id in ctx.args.from(3).iter() {
            let id = args::int(id).map_err(|_| Error::Static("ERR Invalid client ID"))?;
            found.extend(u64::try_from(id).ok().and_then(|id| ctx.server.clients.get(id)));
        }
        found
    } else if ctx.args.len() == 2 {
        ctx.server.clients.all()
    } else {
        return Err(Error::Syntax);
    };
    clients.retain(|c| !c.kill.load(Relaxed));
    let mut text = Vec::new();
    for c in &clients {
        text.extend_from_slice(&line_of(ctx, c));
        text.push(b'\n');
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}

/// CLIENT SETINFO.
pub static CLIENT_SETINFO: Command = Command {
    name: "setinfo",
    arity: 4,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "7.2.0",
    summary: "Sets information specific to the client or connection.",
    complexity: "O(1)",
    args: &[ArgSpec::oneof(
        "attr",
        &[ArgSpec::string("libname").after("LIB-NAME"), ArgSpec::string("libver").after("LIB-VER")],
    )],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &[
        "CLIENT SETINFO LIB-NAME client",
        "CLIENT SETINFO LIB-VER 1.2.3",
        r#"CLIENT SETINFO lib-name """#,
        r#"CLIENT SETINFO LIB-NAME "a name""#,
        "CLIENT SETINFO OTHER value",
    ],
    handler: Handler::Admin(client_setinfo),
    ..Command::BASE
};

fn client_setinfo(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (option, value) = (ctx.args.at(2), ctx.args.at(3));
    let shown = String::from_utf8_lossy(option);
    let name = args::is(option, "lib-name");
    if !name && !args::is(option, "lib-ver") {
        return Err(Error::text(format!("ERR Unrecognized option '{shown}'")));
    }
    check_word(value, &shown)?;
    let mut identity = ctx.session.shared.identity.lock();
    value.clone_into(if name { &mut identity.lib_name } else { &mut identity.lib_ver });
    ctx.out.ok();
    Ok(())
}

/// Checks that a name has no character that would break CLIENT LIST's format.
///
/// # Errors
/// Redis's text, which begins with `what`.
pub(super) fn check_word(value: &[u8], what: &str) -> Result<(), Error> {
    if value.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    Err(Error::text(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}

/// CLIENT SETNAME.
pub static CLIENT_SETNAME: Command = Command {
    name: "setname",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "2.6.9",
    summary: "Sets the connection name.",
    complexity: "O(1)",
    args: &[ArgSpec::string("connection-name")],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &[
        "CLIENT SETNAME name",
        "CLIENT GETNAME",
        r#"CLIENT SETNAME """#,
        "CLIENT GETNAME",
        r#"CLIENT SETNAME "a name""#,
    ],
    handler: Handler::Admin(client_setname),
    ..Command::BASE
};

fn client_setname(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let name = ctx.args.at(2);
    check_word(name, "Client names")?;
    name.clone_into(&mut ctx.session.shared.identity.lock().name);
    ctx.out.ok();
    Ok(())
}
