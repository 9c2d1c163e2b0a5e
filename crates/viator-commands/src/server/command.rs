//! COMMAND: what the server knows about its commands.

use viator_engine::command::{Acl, ArgKind, ArgSpec, Command, Flags, Group, Handler};

/// COMMAND.
pub static COMMAND: Command = Command {
    name: "command",
    arity: -1,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns detailed information about all commands.",
    complexity: "O(N) where N is the total number of Redis commands",
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND UNKNOWN"],
    subcommands: &[
        &COMMAND_COUNT,
        &COMMAND_DOCS,
        &COMMAND_GETKEYS,
        &COMMAND_GETKEYSANDFLAGS,
        &COMMAND_HELP,
        &COMMAND_INFO,
        &COMMAND_LIST,
    ],
    handler: Handler::Admin(command),
    ..Command::BASE
};

/// COMMAND COUNT.
pub static COMMAND_COUNT: Command = Command {
    name: "count",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns a count of commands.",
    complexity: "O(1)",
    examples: &["COMMAND COUNT extra"],
    handler: Handler::Admin(command_count),
    ..Command::BASE
};

/// COMMAND DOCS.
pub static COMMAND_DOCS: Command = Command {
    name: "docs",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns documentary information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    args: &[ArgSpec::string("command-name").multi().opt()],
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND DOCS get", "COMMAND DOCS SET nothing", "COMMAND DOCS nothing"],
    handler: Handler::Admin(command_docs),
    ..Command::BASE
};

/// COMMAND GETKEYS.
pub static COMMAND_GETKEYS: Command = Command {
    name: "getkeys",
    arity: -3,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Extracts the key names from an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    args: &[ArgSpec::string("command"), ArgSpec::string("arg").multi().opt()],
    examples: &[
        "COMMAND GETKEYS GET key",
        "COMMAND GETKEYS MSET a 1 b 2 c 3",
        "COMMAND GETKEYS SORT list BY weight_* STORE other",
        "COMMAND GETKEYS MSETEX 2 a 1 b 2 EX 10",
        "COMMAND GETKEYS BITOP AND dest a b",
        "COMMAND GETKEYS PING",
        "COMMAND GETKEYS GET",
        "COMMAND GETKEYS nothing key",
    ],
    handler: Handler::Admin(command_getkeys),
    ..Command::BASE
};

/// COMMAND GETKEYSANDFLAGS.
pub static COMMAND_GETKEYSANDFLAGS: Command = Command {
    name: "getkeysandflags",
    arity: -3,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Extracts the key names and access flags for an arbitrary command.",
    complexity: "O(N) where N is the number of arguments to the command",
    args: &[ArgSpec::string("command"), ArgSpec::string("arg").multi().opt()],
    examples: &[
        "COMMAND GETKEYSANDFLAGS GET key",
        "COMMAND GETKEYSANDFLAGS SET key value",
        "COMMAND GETKEYSANDFLAGS SET key value GET",
        "COMMAND GETKEYSANDFLAGS RENAME a b",
        "COMMAND GETKEYSANDFLAGS COPY a b",
        "COMMAND GETKEYSANDFLAGS PING",
    ],
    handler: Handler::Admin(command_getkeysandflags),
    ..Command::BASE
};

/// COMMAND HELP.
pub static COMMAND_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["COMMAND HELP"],
    handler: Handler::Admin(command_help),
    ..Command::BASE
};

/// COMMAND INFO.
pub static COMMAND_INFO: Command = Command {
    name: "info",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "2.8.13",
    summary: "Returns information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
    args: &[ArgSpec::string("command-name").multi().opt()],
    tips: &["nondeterministic_output_order"],
    examples: &["COMMAND INFO get nothing set", "COMMAND INFO bitfield mget", "COMMAND INFO nothing"],
    handler: Handler::Admin(command_info),
    ..Command::BASE
};

/// COMMAND LIST.
pub static COMMAND_LIST: Command = Command {
    name: "list",
    arity: -2,
    flags: Flags::LOADING.or(Flags::STALE),
    acl: Acl::CONNECTION,
    group: Group::Server,
    since: "7.0.0",
    summary: "Returns a list of command names.",
    complexity: "O(N) where N is the total number of Redis commands",
    args: &[ArgSpec::oneof(
        "filterby",
        &[
            ArgSpec::string("module-name").after("MODULE"),
            ArgSpec::string("category").after("ACLCAT"),
            ArgSpec::new("pattern", ArgKind::Pattern).after("PATTERN"),
        ],
    )
    .after("FILTERBY")
    .opt()],
    tips: &["nondeterministic_output_order"],
    examples: &[
        "COMMAND LIST FILTERBY PATTERN ech*",
        "COMMAND LIST FILTERBY PATTERN nothing*",
        "COMMAND LIST FILTERBY ACLCAT nothing",
        "COMMAND LIST FILTERBY MODULE nothing",
        "COMMAND LIST FILTERBY OTHER x",
    ],
    handler: Handler::Admin(command_list),
    ..Command::BASE
};
