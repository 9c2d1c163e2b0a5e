//! Publish and subscribe.

use viator_engine::command::{ArgKind, ArgSpec, Command, Flags, Group, Handler};

use crate::declare::{NOT_KEY, keys, one_key};

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
    handler: Handler::Admin(subscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(unsubscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(psubscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(punsubscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(ssubscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(sunsubscribe),
    ..Command::BASE
};

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
    handler: Handler::Admin(publish),
    ..Command::BASE
};

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
    handler: Handler::Admin(spublish),
    ..Command::BASE
};

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
