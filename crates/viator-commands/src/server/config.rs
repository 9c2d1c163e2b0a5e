//! CONFIG: the configuration at run time.

use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};

/// CONFIG.
pub static CONFIG: Command = Command {
    name: "config",
    arity: -2,
    group: Group::Server,
    since: "2.0.0",
    summary: "A container for server configuration commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&CONFIG_GET, &CONFIG_HELP, &CONFIG_RESETSTAT, &CONFIG_REWRITE, &CONFIG_SET],
    ..Command::BASE
};

/// CONFIG GET.
pub static CONFIG_GET: Command = Command {
    name: "get",
    arity: -3,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.0.0",
    summary: "Returns the effective values of configuration parameters.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
    args: &[ArgSpec::string("parameter").multi()],
    examples: &[
        "CONFIG GET maxmemory-samples",
        "CONFIG GET list-max-listpack-*",
        "CONFIG GET nothing",
        "CONFIG GET nothing lfu-log-*",
    ],
    handler: Handler::Admin(config_get),
    ..Command::BASE
};

/// CONFIG HELP.
pub static CONFIG_HELP: Command = Command {
    name: "help",
    arity: 2,
    flags: Flags::LOADING.or(Flags::STALE),
    group: Group::Server,
    since: "5.0.0",
    summary: "Returns helpful text about the different subcommands.",
    complexity: "O(1)",
    examples: &["CONFIG HELP", "CONFIG UNKNOWN"],
    handler: Handler::Admin(config_help),
    ..Command::BASE
};

/// CONFIG RESETSTAT.
pub static CONFIG_RESETSTAT: Command = Command {
    name: "resetstat",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.0.0",
    summary: "Resets the server's statistics.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &["CONFIG RESETSTAT", "CONFIG RESETSTAT extra"],
    handler: Handler::Admin(config_resetstat),
    ..Command::BASE
};

/// CONFIG REWRITE.
pub static CONFIG_REWRITE: Command = Command {
    name: "rewrite",
    arity: 2,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.8.0",
    summary: "Persists the effective configuration to file.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &["CONFIG REWRITE extra"],
    handler: Handler::Admin(config_rewrite),
    ..Command::BASE
};

/// CONFIG SET.
pub static CONFIG_SET: Command = Command {
    name: "set",
    arity: -4,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    group: Group::Server,
    since: "2.0.0",
    summary: "Sets configuration parameters in-flight.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
    args: &[ArgSpec::block("data", &[ArgSpec::string("parameter"), ArgSpec::string("value")]).multi()],
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    examples: &[
        "CONFIG SET slowlog-max-len 100",
        "CONFIG GET slowlog-max-len",
        "CONFIG SET slowlog-max-len 128 maxmemory-samples 5",
        "CONFIG SET maxmemory-samples 0",
        "CONFIG SET nothing 1",
        "CONFIG SET appendfsync sometimes",
        "CONFIG SET maxmemory-samples 5 maxmemory-samples 6",
        "CONFIG SET maxmemory-samples",
        "CONFIG SET port",
    ],
    handler: Handler::Admin(config_set),
    ..Command::BASE
};
