//! CLIENT: client-side caching (TRACKING, CACHING, GETREDIR, TRACKINGINFO).

use viator_engine::args;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;

/// CLIENT CACHING.
pub static CLIENT_CACHING: Command = Command {
    name: "caching",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.0.0",
    summary: "Instructs the server whether to track the keys in the next request.",
    complexity: "O(1)",
    args: &[ArgSpec::oneof("mode", &[ArgSpec::token("yes", "YES"), ArgSpec::token("no", "NO")])],
    examples: &[
        "CLIENT CACHING YES",
        "CLIENT TRACKING ON OPTIN",
        "CLIENT CACHING YES",
        "CLIENT CACHING NO",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON OPTOUT",
        "CLIENT CACHING NO",
        "CLIENT CACHING PERHAPS",
    ],
    handler: Handler::Admin(client_caching),
    ..Command::BASE
};

fn client_caching(_ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    Err(Error::Static(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))
}

/// CLIENT GETREDIR.
pub static CLIENT_GETREDIR: Command = Command {
    name: "getredir",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.0.0",
    summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
    complexity: "O(1)",
    examples: &["CLIENT GETREDIR", "CLIENT TRACKING ON", "CLIENT GETREDIR"],
    handler: Handler::Admin(client_getredir),
    ..Command::BASE
};

/// -1: without tracking there is no redirection.
fn client_getredir(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(-1);
    Ok(())
}

/// CLIENT TRACKING.
pub static CLIENT_TRACKING: Command = Command {
    name: "tracking",
    arity: -3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.0.0",
    summary: "Controls server-assisted client-side caching for the connection.",
    complexity: "O(1). Some options may introduce additional complexity.",
    args: &[
        ArgSpec::oneof("status", &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF")]),
        ArgSpec::integer("client-id").after("REDIRECT").opt(),
        ArgSpec::string("prefix").after("PREFIX").multi_token().opt(),
        ArgSpec::token("bcast", "BCAST").opt(),
        ArgSpec::token("optin", "OPTIN").opt(),
        ArgSpec::token("optout", "OPTOUT").opt(),
        ArgSpec::token("noloop", "NOLOOP").opt(),
    ],
    examples: &[
        "CLIENT TRACKING ON",
        "CLIENT TRACKING ON BCAST",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:",
        "CLIENT TRACKING ON BCAST PREFIX user:1",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON PREFIX user:",
        "CLIENT TRACKING ON OPTIN OPTOUT",
        "CLIENT TRACKING ON REDIRECT 9999999999",
        "CLIENT TRACKING PERHAPS",
    ],
    handler: Handler::Admin(client_tracking),
    ..Command::BASE
};

fn client_tracking(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (mut bcast, mut optin, mut optout, mut prefixes, mut redirect) = (false, false, false, false, 0);
    let mut i = 3;
    while let Some(option) = ctx.args.get(i) {
        i += 1;
        if args::is(option, "redirect") && ctx.args.get(i).is_some() {
            if redirect != 0 {
                return Err(Error::Static("ERR A client can only redirect to a single other client"));
            }
            redirect = args::int(ctx.args.at(i))?;
            if u64::try_from(redirect).ok().and_then(|id| ctx.server.clients.get(id)).is_none() {
                return Err(Error::Static("ERR The client ID you want redirect to does not exist"));
            }
            i += 1;
        } else if args::is(option, "prefix") && ctx.args.get(i).is_some() {
            prefixes = true;
            i += 1;
        } else if args::is(option, "bcast") {
            bcast = true;
        } else if args::is(option, "optin") {
            optin = true;
        } else if args::is(option, "optout") {
            optout = true;
        } else if !args::is(option, "noloop") {
            return Err(Error::Syntax);
        }
    }
    if args::is(ctx.args.at(2), "off") {
        // it never is on
        ctx.out.ok();
        return Ok(());
    }
    if !args::is(ctx.args.at(2), "on") {
        return Err(Error::Syntax);
    }
    Err(Error::Static(if prefixes && !bcast {
        "ERR PREFIX option requires BCAST mode to be enabled"
    } else if bcast && (optin || optout) {
        "ERR OPTIN and OPTOUT are not compatible with BCAST"
    } else if optin && optout {
        "ERR You can't specify both OPTIN mode and OPTOUT mode"
    } else {
        "ERR CLIENT TRACKING is not supported yet"
    }))
}

/// CLIENT TRACKINGINFO.
pub static CLIENT_TRACKINGINFO: Command = Command {
    name: "trackinginfo",
    arity: 2,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Returns information about server-assisted client-side caching for the connection.",
    complexity: "O(1)",
    examples: &[
        "CLIENT TRACKINGINFO",
        "CLIENT TRACKING ON BCAST PREFIX user: NOLOOP",
        "CLIENT TRACKINGINFO",
        "CLIENT TRACKING OFF",
        "CLIENT TRACKING ON OPTIN",
        "CLIENT CACHING YES",
        "CLIENT TRACKINGINFO",
    ],
    handler: Handler::Admin(client_trackinginfo),
    ..Command::BASE
};

fn client_trackinginfo(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.map(3);
    ctx.out.bulk(b"flags");
    ctx.out.set(1);
    ctx.out.bulk(b"off");
    ctx.out.bulk(b"redirect");
    ctx.out.int(-1);
    ctx.out.bulk(b"prefixes");
    ctx.out.array(0);
    Ok(())
}
