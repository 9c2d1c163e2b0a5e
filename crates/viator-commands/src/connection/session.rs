//! The session: AUTH, HELLO, SELECT, RESET, QUIT, ECHO, PING.

use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler};

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
    handler: Handler::Admin(reset),
    ..Command::BASE
};

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
    handler: Handler::Admin(quit),
    ..Command::BASE
};

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
    handler: Handler::Admin(ping),
    ..Command::BASE
};
