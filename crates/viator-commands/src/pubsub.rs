//! Publish and subscribe.

use viator_engine::command::{ArgKind, ArgSpec, Command, Flags, Group, Handler, Outcome, Traits};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::pubsub::{self, Kind};
use viator_engine::session::{ReplyMode, Session};
use viator_resp::reply::Reply;

use crate::declare::{NOT_KEY, keys, one_key};
use crate::help::{bad_subcommand, help};

/// The family.
pub static COMMANDS: &[&Command] =
    &[&SUBSCRIBE, &UNSUBSCRIBE, &PSUBSCRIBE, &PUNSUBSCRIBE, &SSUBSCRIBE, &SUNSUBSCRIBE, &PUBLISH, &SPUBLISH, &PUBSUB];

/// SUBSCRIBE.
pub static SUBSCRIBE: Command = Command {
    name: "subscribe",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.0.0",
    summary: "Listens for messages published to channels.",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    args: &[ArgSpec::string("channel").multi()],
    examples: &["SUBSCRIBE news", "SUBSCRIBE weather", "SUBSCRIBE news", "SUBSCRIBE"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(subscribe),
    ..Command::BASE
};

fn subscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.session.in_script {
        return Err(Error::Static("ERR SUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    begin(ctx, Kind::Channel, "subscribe");
    Ok(())
}

/// Subscribes to every argument, and confirms each.
fn begin(ctx: &mut AdminCtx<'_, '_>, kind: Kind, verb: &str) {
    for name in ctx.args.from(1).iter() {
        pubsub::subscribe(ctx.server, ctx.session, kind, name);
        confirm(ctx, kind, verb, Some(name));
    }
}

/// Unsubscribes from every argument, or from all of the kind, and confirms each; all of none is confirmed once.
fn end(ctx: &mut AdminCtx<'_, '_>, kind: Kind, verb: &str) {
    if ctx.args.len() > 1 {
        for name in ctx.args.from(1).iter() {
            end_one(ctx, kind, verb, name);
        }
        return;
    }
    let names = ctx.session.subscriptions.of(kind).clone();
    for name in &names {
        end_one(ctx, kind, verb, name);
    }
    if names.is_empty() {
        confirm(ctx, kind, verb, None);
    }
}

fn end_one(ctx: &mut AdminCtx<'_, '_>, kind: Kind, verb: &str, name: &[u8]) {
    pubsub::unsubscribe(ctx.server, ctx.session, kind, name);
    if !ctx.in_exec() && ctx.session.reply_mode == ReplyMode::On && ctx.session.shared.has_mail() {
        // what other threads sent before the end comes before its confirmation
        ctx.out.raw(&ctx.session.shared.take_mail());
    }
    confirm(ctx, kind, verb, Some(name));
}

fn confirm(ctx: &mut AdminCtx<'_, '_>, kind: Kind, verb: &str, name: Option<&[u8]>) {
    if ctx.session.reply_mode == ReplyMode::On {
        write_confirmation(ctx.out, ctx.session, kind, verb, name);
    } else {
        // CLIENT REPLY silences replies, not messages
        let mut message = Reply::new();
        message.set_resp3(ctx.session.resp3);
        write_confirmation(&mut message, ctx.session, kind, verb, name);
        ctx.session.shared.send(message.since((0, 0)));
    }
}

fn write_confirmation(out: &mut Reply, session: &Session, kind: Kind, verb: &str, name: Option<&[u8]>) {
    out.push(3);
    out.bulk(verb.as_bytes());
    match name {
        Some(n) => out.bulk(n),
        None => out.null(),
    }
    out.int(session.subscriptions.count(kind) as i64);
}

/// UNSUBSCRIBE.
pub static UNSUBSCRIBE: Command = Command {
    name: "unsubscribe",
    arity: -1,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.0.0",
    summary: "Stops listening to messages posted to channels.",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    args: &[ArgSpec::string("channel").multi().opt()],
    examples: &["SUBSCRIBE news", "UNSUBSCRIBE weather", "UNSUBSCRIBE news", "UNSUBSCRIBE"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(unsubscribe),
    ..Command::BASE
};

fn unsubscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    end(ctx, Kind::Channel, "unsubscribe");
    Ok(())
}

/// PSUBSCRIBE.
pub static PSUBSCRIBE: Command = Command {
    name: "psubscribe",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.0.0",
    summary: "Listens for messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern).multi()],
    examples: &["PSUBSCRIBE news.*", "PSUBSCRIBE n?ws.[ab]", "PSUBSCRIBE news.*"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(psubscribe),
    ..Command::BASE
};

fn psubscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.session.in_script {
        return Err(Error::Static("ERR PSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    begin(ctx, Kind::Pattern, "psubscribe");
    Ok(())
}

/// PUNSUBSCRIBE.
pub static PUNSUBSCRIBE: Command = Command {
    name: "punsubscribe",
    arity: -1,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.0.0",
    summary: "Stops listening to messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern).multi().opt()],
    examples: &["PSUBSCRIBE news.*", "PUNSUBSCRIBE other.*", "PUNSUBSCRIBE", "PUNSUBSCRIBE"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(punsubscribe),
    ..Command::BASE
};

fn punsubscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    end(ctx, Kind::Pattern, "punsubscribe");
    Ok(())
}

/// SSUBSCRIBE.
pub static SSUBSCRIBE: Command = Command {
    name: "ssubscribe",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    keys: &[keys(1, -1, 1, NOT_KEY)],
    group: Group::Pubsub,
    since: "7.0.0",
    summary: "Listens for messages published to shard channels.",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    args: &[ArgSpec::string("shardchannel").multi()],
    examples: &["SSUBSCRIBE orders", "SSUBSCRIBE orders", "SSUBSCRIBE"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(ssubscribe),
    ..Command::BASE
};

fn ssubscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.session.in_exec {
        return Err(Error::Static("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    begin(ctx, Kind::Shard, "ssubscribe");
    Ok(())
}

/// SUNSUBSCRIBE.
pub static SUNSUBSCRIBE: Command = Command {
    name: "sunsubscribe",
    arity: -1,
    flags: Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    keys: &[keys(1, -1, 1, NOT_KEY)],
    group: Group::Pubsub,
    since: "7.0.0",
    summary: "Stops listening to messages posted to shard channels.",
    complexity: "O(N) where N is the number of shard channels to unsubscribe.",
    args: &[ArgSpec::string("shardchannel").multi().opt()],
    examples: &["SSUBSCRIBE orders", "SUNSUBSCRIBE other", "SUNSUBSCRIBE", "SUNSUBSCRIBE"],
    traits: Traits::WHILE_SUBSCRIBED,
    handler: Handler::Admin(sunsubscribe),
    ..Command::BASE
};

fn sunsubscribe(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    end(ctx, Kind::Shard, "sunsubscribe");
    Ok(())
}

/// PUBLISH.
pub static PUBLISH: Command = Command {
    name: "publish",
    arity: 3,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
    group: Group::Pubsub,
    since: "2.0.0",
    summary: "Posts a message to a channel.",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number \
        of subscribed patterns (by any client).",
    args: &[ArgSpec::string("channel"), ArgSpec::string("message")],
    examples: &["PUBLISH news hello", "PUBLISH news"],
    traits: Traits::MAY_REPLICATE,
    handler: Handler::Admin(publish),
    ..Command::BASE
};

fn publish(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let n = ctx.server.pubsub.publish(ctx.args.at(1), ctx.args.at(2));
    ctx.out.int(n as i64);
    Ok(())
}

/// SPUBLISH.
pub static SPUBLISH: Command = Command {
    name: "spublish",
    arity: 3,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
    keys: &[one_key(1, NOT_KEY)],
    group: Group::Pubsub,
    since: "7.0.0",
    summary: "Post a message to a shard channel",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    args: &[ArgSpec::string("shardchannel"), ArgSpec::string("message")],
    examples: &["SPUBLISH orders hello", "SPUBLISH orders"],
    traits: Traits::MAY_REPLICATE,
    handler: Handler::Admin(spublish),
    ..Command::BASE
};

fn spublish(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let n = ctx.server.pubsub.publish_shard(ctx.args.at(1), ctx.args.at(2));
    ctx.out.int(n as i64);
    Ok(())
}

/// PUBSUB.
pub static PUBSUB: Command = Command {
    name: "pubsub",
    arity: -2,
    group: Group::Pubsub,
    since: "2.8.0",
    summary: "A container for Pub/Sub commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &PUBSUB_CHANNELS,
        &PUBSUB_HELP,
        &PUBSUB_NUMPAT,
        &PUBSUB_NUMSUB,
        &PUBSUB_SHARDCHANNELS,
        &PUBSUB_SHARDNUMSUB,
    ],
    ..Command::BASE
};

/// PUBSUB CHANNELS.
pub static PUBSUB_CHANNELS: Command = Command {
    name: "channels",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.8.0",
    summary: "Returns the active channels.",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching \
        (relatively short channels and patterns)",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern).opt()],
    examples: &[
        "PUBSUB CHANNELS",
        "SUBSCRIBE news.today",
        "PUBSUB CHANNELS",
        "PUBSUB CHANNELS news.*",
        "PUBSUB CHANNELS other.*",
    ],
    handler: Handler::Admin(pubsub_channels),
    ..Command::BASE
};

fn pubsub_channels(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    reply_names(ctx, Kind::Channel)
}

fn reply_names(ctx: &mut AdminCtx<'_, '_>, kind: Kind) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(bad_subcommand(ctx.args));
    }
    let names = ctx.server.pubsub.names(kind, ctx.args.get(2));
    ctx.out.array(names.len());
    for n in &names {
        ctx.out.bulk(n);
    }
    Ok(())
}

fn reply_listeners(ctx: &mut AdminCtx<'_, '_>, kind: Kind) {
    let channels = ctx.args.from(2);
    ctx.out.array(2 * channels.len());
    for name in channels.iter() {
        ctx.out.bulk(name);
        ctx.out.int(ctx.server.pubsub.listeners(kind, name) as i64);
    }
}

/// PUBSUB HELP.
pub static PUBSUB_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Pubsub,
    since: "6.2.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["PUBSUB HELP", "PUBSUB UNKNOWN"],
    handler: Handler::Admin(pubsub_help),
    ..Command::BASE
};

fn pubsub_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}

/// PUBSUB NUMPAT.
pub static PUBSUB_NUMPAT: Command = Command {
    name: "numpat",
    arity: 2,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.8.0",
    summary: "Returns a count of unique pattern subscriptions.",
    complexity: "O(1)",
    examples: &["PUBSUB NUMPAT", "PUBSUB NUMPAT extra", "PSUBSCRIBE news.*", "PUBSUB NUMPAT"],
    handler: Handler::Admin(pubsub_numpat),
    ..Command::BASE
};

fn pubsub_numpat(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.out.int(ctx.server.pubsub.count(Kind::Pattern) as i64);
    Ok(())
}

/// PUBSUB NUMSUB.
pub static PUBSUB_NUMSUB: Command = Command {
    name: "numsub",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "2.8.0",
    summary: "Returns a count of subscribers to channels.",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    args: &[ArgSpec::string("channel").multi().opt()],
    examples: &["PUBSUB NUMSUB", "PUBSUB NUMSUB news weather", "SUBSCRIBE news", "PUBSUB NUMSUB news weather"],
    handler: Handler::Admin(pubsub_numsub),
    ..Command::BASE
};

fn pubsub_numsub(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    reply_listeners(ctx, Kind::Channel);
    Ok(())
}

/// PUBSUB SHARDCHANNELS.
pub static PUBSUB_SHARDCHANNELS: Command = Command {
    name: "shardchannels",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "7.0.0",
    summary: "Returns the active shard channels.",
    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
        (relatively short shard channels).",
    args: &[ArgSpec::new("pattern", ArgKind::Pattern).opt()],
    examples: &["PUBSUB SHARDCHANNELS", "PUBSUB SHARDCHANNELS orders*"],
    handler: Handler::Admin(pubsub_shardchannels),
    ..Command::BASE
};

fn pubsub_shardchannels(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    reply_names(ctx, Kind::Shard)
}

/// PUBSUB SHARDNUMSUB.
pub static PUBSUB_SHARDNUMSUB: Command = Command {
    name: "shardnumsub",
    arity: -2,
    flags: Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE),
    group: Group::Pubsub,
    since: "7.0.0",
    summary: "Returns the count of subscribers of shard channels.",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    args: &[ArgSpec::string("shardchannel").multi().opt()],
    examples: &["PUBSUB SHARDNUMSUB", "PUBSUB SHARDNUMSUB orders"],
    handler: Handler::Admin(pubsub_shardnumsub),
    ..Command::BASE
};

fn pubsub_shardnumsub(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    reply_listeners(ctx, Kind::Shard);
    Ok(())
}
