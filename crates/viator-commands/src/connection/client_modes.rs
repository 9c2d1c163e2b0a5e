//! CLIENT: what changes how connections are served (PAUSE, REPLY, UNBLOCK, NO-EVICT, NO-TOUCH).

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler};

/// Shared by CLIENT NO-EVICT and CLIENT NO-TOUCH.
const ENABLED: ArgSpec = ArgSpec::oneof("enabled", &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF")]);

/// CLIENT NO-EVICT.
pub static CLIENT_NO_EVICT: Command = Command {
    name: "no-evict",
    arity: 3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "7.0.0",
    summary: "Sets the client eviction mode of the connection.",
    complexity: "O(1)",
    args: &[ENABLED],
    examples: &["CLIENT NO-EVICT on", "CLIENT NO-EVICT off", "CLIENT NO-EVICT perhaps"],
    handler: Handler::Admin(client_no_evict),
    ..Command::BASE
};

/// CLIENT NO-TOUCH.
pub static CLIENT_NO_TOUCH: Command = Command {
    name: "no-touch",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "7.2.0",
    summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    complexity: "O(1)",
    args: &[ENABLED],
    examples: &["CLIENT NO-TOUCH on", "CLIENT NO-TOUCH off", "CLIENT NO-TOUCH perhaps"],
    handler: Handler::Admin(client_no_touch),
    ..Command::BASE
};

/// CLIENT PAUSE.
pub static CLIENT_PAUSE: Command = Command {
    name: "pause",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "3.0.0",
    summary: "Suspends commands processing.",
    complexity: "O(1)",
    history: &[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")],
    args: &[
        ArgSpec::integer("timeout"),
        ArgSpec::oneof("mode", &[ArgSpec::token("write", "WRITE"), ArgSpec::token("all", "ALL")]).since("6.2.0").opt(),
    ],
    examples: &[
        "CLIENT PAUSE 1 WRITE",
        "CLIENT PAUSE 1",
        "CLIENT UNPAUSE",
        "CLIENT PAUSE -1",
        "CLIENT PAUSE soon",
        "CLIENT PAUSE 1 READ",
    ],
    handler: Handler::Admin(client_pause),
    ..Command::BASE
};

/// CLIENT REPLY.
pub static CLIENT_REPLY: Command = Command {
    name: "reply",
    arity: 3,
    flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "3.2.0",
    summary: "Instructs the server whether to reply to commands.",
    complexity: "O(1)",
    args: &[ArgSpec::oneof(
        "action",
        &[ArgSpec::token("on", "ON"), ArgSpec::token("off", "OFF"), ArgSpec::token("skip", "SKIP")],
    )],
    examples: &["CLIENT REPLY ON", "CLIENT REPLY PERHAPS"],
    handler: Handler::Admin(client_reply),
    ..Command::BASE
};

/// CLIENT UNBLOCK.
pub static CLIENT_UNBLOCK: Command = Command {
    name: "unblock",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "5.0.0",
    summary: "Unblocks a client blocked by a blocking command from a different connection.",
    complexity: "O(log N) where N is the number of client connections",
    args: &[
        ArgSpec::integer("client-id"),
        ArgSpec::oneof("unblock-type", &[ArgSpec::token("timeout", "TIMEOUT"), ArgSpec::token("error", "ERROR")]).opt(),
    ],
    examples: &[
        "CLIENT UNBLOCK 9999999999",
        "CLIENT UNBLOCK 9999999999 ERROR",
        "CLIENT UNBLOCK 9999999999 PERHAPS",
        "CLIENT UNBLOCK zero",
    ],
    handler: Handler::Admin(client_unblock),
    ..Command::BASE
};

/// CLIENT UNPAUSE.
pub static CLIENT_UNPAUSE: Command = Command {
    name: "unpause",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Connection,
    since: "6.2.0",
    summary: "Resumes processing commands from paused clients.",
    complexity: "O(N) Where N is the number of paused clients",
    examples: &["CLIENT PAUSE 1 WRITE", "CLIENT UNPAUSE", "CLIENT UNPAUSE"],
    handler: Handler::Admin(client_unpause),
    ..Command::BASE
};
