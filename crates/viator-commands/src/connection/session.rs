//! The session: AUTH, HELLO, SELECT, RESET, QUIT, ECHO, PING.

use viator_engine::args;
use viator_engine::auth;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Traits};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::pubsub;
use viator_engine::session::{Session, gate};

use super::client::check_word;

/// AUTH.
pub static AUTH: Command = Command {
    name: "auth",
    arity: -2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::NO_AUTH).or(Flags::ALLOW_BUSY),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "1.0.0",
    summary: "Authenticates the connection.",
    complexity: "O(N) where N is the number of passwords defined for the user",
    history: &[("6.0.0", "Added ACL style (username and password).")],
    args: &[ArgSpec::string("username").since("6.0.0").opt(), ArgSpec::string("password")],
    examples: &["AUTH password", "AUTH nobody password", "AUTH default anything", "AUTH one two three"],
    handler: Handler::Admin(auth),
    ..Command::BASE
};

fn auth(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (user, password) = match ctx.args.len() {
        2 => {
            if ctx.cfg().requirepass.is_empty() {
                return Err(Error::Static(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure \
                     your configuration is correct?",
                ));
            }
            ctx.local.redact.push(1);
            (auth::DEFAULT_USER.as_bytes(), ctx.args.at(1))
        }
        3 => {
            ctx.local.redact.extend([1, 2]);
            (ctx.args.at(1), ctx.args.at(2))
        }
        _ => return Err(Error::Syntax),
    };
    auth::authenticate(ctx.session, ctx.server, &ctx.local.cfg, user, password)?;
    ctx.out.ok();
    Ok(())
}

/// HELLO.
pub static HELLO: Command = Command {
    name: "hello",
    arity: -1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::NO_AUTH).or(Flags::ALLOW_BUSY),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.0.0",
    summary: "Handshakes with the Redis server.",
    complexity: "O(1)",
    history: &[(
        "6.2.0",
        "`protover` made optional; when called without arguments the command reports the current \
            connection's context.",
    )],
    args: &[ArgSpec::block(
        "arguments",
        &[
            ArgSpec::integer("protover"),
            ArgSpec::block("auth", &[ArgSpec::string("username"), ArgSpec::string("password")]).after("AUTH").opt(),
            ArgSpec::string("clientname").after("SETNAME").opt(),
        ],
    )
    .opt()],
    examples: &[
        "HELLO 4",
        "HELLO two",
        "HELLO 3 AUTH default",
        r#"HELLO 3 SETNAME "a name""#,
        "HELLO 3 AUTH nobody password",
    ],
    handler: Handler::Admin(hello),
    ..Command::BASE
};

fn hello(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut protocol = None;
    if let Some(version) = ctx.args.get(1) {
        let version =
            args::int(version).map_err(|_| Error::Static("ERR Protocol version is not an integer or out of range"))?;
        if !(2..=3).contains(&version) {
            return Err(Error::Static("NOPROTO unsupported protocol version"));
        }
        protocol = Some(version == 3);
    }
    let (mut credentials, mut name) = (None, None);
    let mut i = 2;
    while let Some(option) = ctx.args.get(i) {
        if args::is(option, "auth")
            && let (Some(user), Some(password)) = (ctx.args.get(i + 1), ctx.args.get(i + 2))
        {
            ctx.local.redact.extend([i + 1, i + 2]);
            credentials = Some((user, password));
            i += 3;
        } else if args::is(option, "setname")
            && let Some(n) = ctx.args.get(i + 1)
        {
            check_word(n, "Client names")?;
            name = Some(n);
            i += 2;
        } else {
            return Err(Error::text(format!(
                "ERR Syntax error in HELLO option '{}'",
                String::from_utf8_lossy(option.get(..128).unwrap_or(option))
            )));
        }
    }
    if let Some((user, password)) = credentials {
        auth::authenticate(ctx.session, ctx.server, &ctx.local.cfg, user, password)?;
    }
    if auth::required(ctx.session, &ctx.local.cfg) {
        return Err(Error::Static(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(n) = name {
        n.clone_into(&mut ctx.session.shared.identity.lock().name);
    }
    if let Some(resp3) = protocol {
        speak(ctx, resp3);
    }
    let out = &mut *ctx.out;
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(viator_engine::REDIS_VERSION.as_bytes());
    out.bulk(b"proto");
    out.int(if ctx.session.resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.int(ctx.session.id().cast_signed());
    out.bulk(b"mode");
    out.bulk(if ctx.local.cfg.cluster_enabled { b"cluster" } else { b"standalone" });
    out.bulk(b"role");
    out.bulk(b"master");
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

/// Changes the protocol of the session; this command's reply is the first in it.
fn speak(ctx: &mut AdminCtx<'_, '_>, resp3: bool) {
    ctx.out.set_resp3(resp3);
    if ctx.session.resp3 != resp3 {
        ctx.session.resp3 = resp3;
        ctx.session.shared.identity.lock().resp = if resp3 { 3 } else { 2 };
        pubsub::protocol_changed(ctx.server, ctx.session);
    }
}

/// SELECT.
pub static SELECT: Command = Command {
    name: "select",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "1.0.0",
    summary: "Changes the selected database.",
    complexity: "O(1)",
    args: &[ArgSpec::integer("index")],
    examples: &["SELECT 1", "SET key value", "SELECT 0", "EXISTS key", "SELECT 16", "SELECT one"],
    handler: Handler::Admin(select),
    ..Command::BASE
};

fn select(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let n = args::int(ctx.args.at(1))?;
    if i32::try_from(n).is_err() {
        return Err(Error::Static("ERR value is out of range, value must between -2147483648 and 2147483647"));
    }
    if ctx.cfg().cluster_enabled && n != 0 {
        return Err(Error::Static("ERR SELECT is not allowed in cluster mode"));
    }
    let db = usize::try_from(n).ok().filter(|&db| db < ctx.server.keyspace.databases()).ok_or(Error::DbIndex)?;
    ctx.session.select(db);
    ctx.out.ok();
    Ok(())
}

/// RESET.
pub static RESET: Command = Command {
    name: "reset",
    arity: 1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::NO_AUTH).or(Flags::ALLOW_BUSY),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Resets the connection.",
    complexity: "O(1)",
    examples: &["SELECT 1", "CLIENT SETNAME name", "MULTI", "RESET", "CLIENT GETNAME", "EXEC"],
    traits: Traits::NOW_IN_MULTI.or(Traits::WHILE_SUBSCRIBED),
    handler: Handler::Admin(reset),
    ..Command::BASE
};

fn reset(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.session.reset(ctx.server, &ctx.local.cfg);
    ctx.out.set_resp3(false);
    ctx.out.simple("RESET");
    Ok(())
}

/// QUIT.
pub static QUIT: Command = Command {
    name: "quit",
    arity: -1,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::NO_AUTH).or(Flags::ALLOW_BUSY),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "1.0.0",
    summary: "Closes the connection.",
    complexity: "O(1)",
    deprecated: Some(("7.2.0", "just closing the connection")),
    examples: &["QUIT"],
    traits: Traits::NOW_IN_MULTI.or(Traits::WHILE_SUBSCRIBED),
    handler: Handler::Admin(quit),
    ..Command::BASE
};

fn quit(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.session.close_after_reply = true;
    ctx.out.ok();
    Ok(())
}

/// ECHO.
pub static ECHO: Command = Command {
    name: "echo",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "1.0.0",
    summary: "Returns the given string.",
    complexity: "O(1)",
    args: &[ArgSpec::string("message")],
    examples: &[r#"ECHO "hello world""#, r#"ECHO """#, "ECHO"],
    handler: Handler::Admin(echo),
    ..Command::BASE
};

fn echo(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.bulk(ctx.args.at(1));
    Ok(())
}

/// PING.
pub static PING: Command = Command {
    name: "ping",
    arity: -1,
    flags: Flags::FAST,
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "1.0.0",
    summary: "Returns the server's liveliness response.",
    complexity: "O(1)",
    args: &[ArgSpec::string("message").opt()],
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    examples: &["PING", r#"PING "hello world""#, "PING one two"],
    traits: Traits::WHILE_SUBSCRIBED.or(Traits::REFUSED_WITH_WRITES),
    handler: Handler::Admin(ping),
    ..Command::BASE
};

fn ping(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.args.len() > 2 {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    if in_resp2_subscription(ctx.session) {
        ctx.out.array(2);
        ctx.out.bulk(b"pong");
        ctx.out.bulk(ctx.args.at(1));
        return Ok(());
    }
    match ctx.args.get(1) {
        Some(message) => ctx.out.bulk(message),
        None => ctx.out.simple("PONG"),
    }
    Ok(())
}

/// Whether everything that the client reads must look like a message.
fn in_resp2_subscription(session: &Session) -> bool {
    session.gate & gate::SUBSCRIBED != 0 && !session.resp3
}
