//! CONFIG: the configuration at run time.

use crate::help::help;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::command::Outcome;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};
use viator_engine::config::{self as configuration, Config, Directive, SetContext};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::server::gate;

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

fn config_get(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let patterns: Vec<&[u8]> = ctx.args.from(2).iter().collect();
    let found = configuration::config_get(&ctx.local.cfg, &patterns);
    ctx.out.map(found.len());
    for (name, value) in found {
        ctx.out.bulk(name.as_bytes());
        ctx.out.bulk(&value);
    }
    Ok(())
}

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

fn config_help(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    help(
        ctx.out,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}

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

fn config_resetstat(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    ctx.server.reset_stats();
    ctx.out.ok();
    Ok(())
}

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

fn config_rewrite(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    if ctx.server.config_file.is_empty() {
        return Err(Error::Static("ERR The server is running without a config file"));
    }
    rewrite_file(ctx, false).map_err(|e| Error::text(format!("ERR Rewriting config file: {}", system_text(&e))))?;
    ctx.out.ok();
    Ok(())
}

/// Writes the configuration into its file; `all`: every directive, also those that are as by default.
pub(super) fn rewrite_file(ctx: &AdminCtx<'_, '_>, all: bool) -> io::Result<()> {
    let path = Path::new(&ctx.server.config_file);
    let rewritten = (|| {
        let original = match fs::read(path) {
            Ok(text) => Some(text),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(e),
        };
        // what the server fills in if it is not given
        let io_threads = std::thread::available_parallelism().map_or(1, |n| n.get() as i64);
        let defaults = Config { io_threads, ..Config::default() };
        let text = if all {
            configuration::rewrite_all(original.as_deref(), ctx.cfg(), &defaults, &[])
        } else {
            configuration::rewrite(original.as_deref(), ctx.cfg(), &defaults, &[])
        };
        replace_file(path, &text)
    })();
    match &rewritten {
        Ok(()) => tracing::warn!("CONFIG REWRITE executed with success."),
        Err(e) => tracing::warn!("CONFIG REWRITE failed: {e}"),
    }
    rewritten
}

/// The system's own words for an error.
pub(super) fn system_text(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Puts a file in the place of another, so that after a crash there is the old one or the new one, whole.
fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    // a link stays a link
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temp: PathBuf = dir.join(name);
    let written = (|| {
        let mut f = File::create(&temp)?;
        f.write_all(text)?;
        if let Ok(old) = fs::metadata(&path) {
            f.set_permissions(old.permissions())?;
        }
        f.sync_all()?;
        fs::rename(&temp, &path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // it may not even have come to be
        drop(fs::remove_file(&temp));
    }
    written
}

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

fn config_set(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let words: Vec<&[u8]> = ctx.args.from(2).iter().collect();
    for (i, name) in words.iter().enumerate().step_by(2) {
        if Directive::find(name).is_some_and(|d| d.flags.contains(configuration::Flags::SENSITIVE)) {
            ctx.local.redact.push(i + 3);
        }
    }
    let pairs: Vec<(&[u8], &[u8])> = words
        .chunks(2)
        .map(|c| if let [name, value] = c { Some((*name, *value)) } else { None })
        .collect::<Option<_>>()
        .ok_or(Error::Syntax)?;
    let server = ctx.server;
    server.config.update(|old| {
        let context = SetContext {
            loading: server.gate.load(Relaxed) & gate::LOADING != 0,
            protected_allowed: old.enable_protected_configs.allows(ctx.session.local),
        };
        let updated = configuration::config_set(old, &pairs, context).map_err(Error::text)?;
        // what touches the system comes first: if it fails, nothing has changed
        server
            .host
            .apply_config(old, &updated.config, &updated.changed)
            .map_err(|(name, text)| Error::text(configuration::set_failed(&name, &text)))?;
        Ok::<_, Error>(updated.config)
    })?;
    server.refresh_gates();
    ctx.local.refresh_config(server);
    server.host.wake_all();
    ctx.out.ok();
    Ok(())
}
