//! CLIENT: client-side caching (TRACKING, CACHING, GETREDIR, TRACKINGINFO).

use viator_engine::args;
use viator_engine::client::flag;
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::tracking::{self, Mode};
use viator_resp::reply::shown;

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

fn client_caching(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let Some(mode) = &mut ctx.session.tracking else {
        return Err(Error::Static(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let fits = match ctx.args.at(2) {
        word if args::is(word, "yes") => mode.optin,
        word if args::is(word, "no") => mode.optout,
        _ => return Err(Error::Syntax),
    };
    if !fits {
        return Err(Error::Static(if args::is(ctx.args.at(2), "yes") {
            "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
        } else {
            "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
        }));
    }
    mode.caching = true;
    ctx.out.ok();
    Ok(())
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
    ctx.out.int(ctx.session.tracking.as_ref().map_or(-1, |m| m.redirect as i64));
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
    let mut mode = Mode::default();
    let mut i = 3;
    while let Some(option) = ctx.args.get(i) {
        i += 1;
        if args::is(option, "redirect") && ctx.args.get(i).is_some() {
            if mode.redirect != 0 {
                return Err(Error::Static("ERR A client can only redirect to a single other client"));
            }
            let id = u64::try_from(args::int(ctx.args.at(i))?).ok();
            let there = id.filter(|id| ctx.server.clients.get(*id).is_some());
            mode.redirect = there.ok_or(Error::Static("ERR The client ID you want redirect to does not exist"))?;
            i += 1;
        } else if args::is(option, "prefix") && ctx.args.get(i).is_some() {
            mode.prefixes.push(ctx.args.at(i).to_vec());
            i += 1;
        } else if args::is(option, "bcast") {
            mode.bcast = true;
        } else if args::is(option, "optin") {
            mode.optin = true;
        } else if args::is(option, "optout") {
            mode.optout = true;
        } else if args::is(option, "noloop") {
            mode.noloop = true;
        } else {
            return Err(Error::Syntax);
        }
    }
    if args::is(ctx.args.at(2), "off") {
        tracking::disable(ctx.server, ctx.session);
    } else if args::is(ctx.args.at(2), "on") {
        compatible(&mode, ctx.session.tracking.as_deref())?;
        tracking::enable(ctx.server, ctx.session, mode);
    } else {
        return Err(Error::Syntax);
    }
    ctx.out.ok();
    Ok(())
}

/// Whether a mode makes sense, and may follow the one of `before`.
fn compatible(mode: &Mode, before: Option<&Mode>) -> Outcome {
    if !mode.bcast && !mode.prefixes.is_empty() {
        return Err(Error::Static("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if before.is_some_and(|b| b.bcast != mode.bcast) {
        return Err(Error::Static(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    if mode.bcast && (mode.optin || mode.optout) {
        return Err(Error::Static("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if mode.optin && mode.optout {
        return Err(Error::Static("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    if before.is_some_and(|b| (mode.optin && b.optout) || (mode.optout && b.optin)) {
        return Err(Error::Static(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    let overlap = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(x, y)| x == y);
    for (i, new) in mode.prefixes.iter().enumerate() {
        let existing = before.map_or(&[][..], |b| &b.prefixes);
        if let Some(old) = existing.iter().find(|old| overlap(old, new)) {
            return Err(Error::text(format!(
                "ERR Prefix '{}' overlaps with an existing prefix '{}'. Prefixes for a single client must not overlap.",
                shown(new),
                shown(old)
            )));
        }
        if let Some(other) = mode.prefixes.iter().skip(i + 1).find(|other| overlap(other, new)) {
            return Err(Error::text(format!(
                "ERR Prefix '{}' overlaps with another provided prefix '{}'. Prefixes for a single client must not \
                 overlap.",
                shown(new),
                shown(other)
            )));
        }
    }
    Ok(())
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
        "CLIENT ID",
        "CLIENT TRACKINGINFO",
        "GET key",
        "CLIENT TRACKINGINFO",
    ],
    handler: Handler::Admin(client_trackinginfo),
    ..Command::BASE
};

fn client_trackinginfo(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let off = Mode::default();
    let (on, mode) = (ctx.session.tracking.is_some(), ctx.session.tracking.as_deref().unwrap_or(&off));
    let flags = [
        (on, "on"),
        (!on, "off"),
        (mode.bcast, "bcast"),
        (mode.optin, "optin"),
        (mode.optin && mode.caching, "caching-yes"),
        (mode.optout, "optout"),
        (mode.optout && mode.caching, "caching-no"),
        (mode.noloop, "noloop"),
        (ctx.session.shared.has_flag(flag::TRACKING_BROKEN), "broken_redirect"),
    ];
    let out = &mut *ctx.out;
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.iter().filter(|(is, _)| *is).count());
    flags.iter().filter(|(is, _)| *is).for_each(|(_, name)| out.bulk(name.as_bytes()));
    out.bulk(b"redirect");
    out.int(if on { mode.redirect as i64 } else { -1 });
    out.bulk(b"prefixes");
    out.array(mode.prefixes.len());
    mode.prefixes.iter().for_each(|p| out.bulk(p));
    Ok(())
}
