//! CLIENT: identity of connections; listing and killing them.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler};

use super::{client_modes, client_tracking};

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
