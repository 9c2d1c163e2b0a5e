//! What happens between the configuration and the first thread: background, directory, pid file, supervisor.

use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::config::{Config, Loaded, ShutdownFlags, Supervised};
use viator_engine::local::Local;
use viator_engine::persistence::{Duplicates, load_file};
use viator_engine::server::{Server, ShutdownRequest};
use viator_persist::Fault;

/// The version of Redis whose behaviour this is.
use viator_engine::REDIS_VERSION;

/// What `--version` prints: test tools of clients parse it.
pub fn version_line() -> String {
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=viator-{}",
        env!("CARGO_PKG_VERSION")
    )
}

/// Set in the environment of the process that a daemon's start leaves behind.
const DAEMON: &str = "VIATOR_DAEMON";

/// `daemonize`: starts the program again without a terminal. `Some`: this process is done.
pub fn daemonize(input: &[u8]) -> Option<ExitCode> {
    if std::env::var_os(DAEMON).is_some() {
        if let Err(e) = rustix::process::setsid() {
            tracing::warn!("setsid: {e}");
        }
        return None;
    }
    let started = std::env::current_exe().and_then(|exe| {
        let mut child = Command::new(exe)
            .args(std::env::args_os().skip(1))
            .env(DAEMON, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        match child.stdin.take() {
            Some(mut pipe) => pipe.write_all(input),
            None => Ok(()),
        }
    });
    Some(match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("Can't start in the background: {e}");
            ExitCode::FAILURE
        }
    })
}

/// Directives whose features do not exist: better no server than one that loses data its user believes safe.
///
/// # Errors
/// The text for the log.
pub fn refuse_missing(cfg: &Config) -> Result<(), String> {
    let missing = [
        (cfg.cluster_enabled, "cluster-enabled yes"),
        (cfg.replicaof.is_some(), "replicaof"),
        (cfg.tls_port != 0, "tls-port"),
        (!cfg.aclfile.is_empty(), "aclfile"),
        (!cfg.users.is_empty(), "user"),
    ];
    match missing.iter().find(|m| m.0) {
        Some((_, name)) => {
            Err(format!("'{name}' is configured, but this version of Viator does not have that feature"))
        }
        None => Ok(()),
    }
}

/// Enters the configured directory.
///
/// # Errors
/// Redis's text, with the line of the configuration.
pub fn enter_dir(loaded: &mut Loaded) -> Result<(), String> {
    if !loaded.config.dir.is_empty() {
        std::env::set_current_dir(&loaded.config.dir).map_err(|e| {
            loaded.provenance.error("dir", format!("Can't chdir to '{}': {}", loaded.config.dir, plain(&e))).to_string()
        })?;
    }
    loaded.config.dir = std::env::current_dir().map(|d| d.display().to_string()).unwrap_or_default();
    Ok(())
}

fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

/// Writes the pid file, where one is configured or a daemon needs one. Returns its path.
pub fn write_pidfile(cfg: &Config) -> Option<String> {
    let path = match (cfg.pidfile.as_str(), cfg.daemonize) {
        ("", false) => return None,
        ("", true) => "/var/run/redis.pid",
        (p, _) => p,
    };
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(path.to_owned()),
        Err(e) => {
            tracing::warn!("Failed to write PID file: {e}");
            None
        }
    }
}

/// What a server leaves in the file system that others could take for one that runs.
pub struct Leftovers {
    /// Path of the pid file, if there is one.
    pub pidfile: Option<String>,
    /// Path of the unix socket; empty: there is none.
    pub socket: String,
}

impl Leftovers {
    /// Removes it.
    pub fn remove(self) {
        if !self.socket.is_empty() {
            tracing::info!("Removing the unix socket file.");
            drop(std::fs::remove_file(&self.socket)); // it may be gone already
        }
        if let Some(path) = self.pidfile {
            tracing::info!("Removing the pid file.");
            drop(std::fs::remove_file(path)); // it may be gone already
        }
    }
}

/// Loads the dataset from the configured file, if there is one.
///
/// # Errors
/// The text for the log.
pub fn load(server: &Server) -> Result<(), String> {
    let cfg = server.config.load();
    let began = std::time::Instant::now();
    match load_file(server, None, &cfg.dbfilename, Duplicates::Refused, crate::now_ms()) {
        Ok(_) => {
            viator_engine::persistence::install_functions(server, &mut Local::new(server))?;
            server.dirty_at_save.store(server.sum(|c| &c.dirty), Relaxed);
            tracing::info!("DB loaded from disk: {:.3} seconds", began.elapsed().as_secs_f64());
            Ok(())
        }
        Err(Fault::Io(e)) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => {
            if !matches!(e, Fault::Io(_) | Fault::Signature | Fault::Version(_)) {
                tracing::warn!("Terminating server after rdb file reading failure.");
            }
            Err("Fatal error loading the DB, check server logs. Exiting.".into())
        }
    }
}

/// What a signal asks for, by the configuration.
pub fn shutdown_by(flags: ShutdownFlags) -> ShutdownRequest {
    let save = if flags.save { Some(true) } else { flags.nosave.then_some(false) };
    ShutdownRequest { save, now: flags.now, force: flags.force, client: None }
}

/// Tells the supervisor that the server is ready.
pub fn notify_supervisor(cfg: &Config, state: &str) {
    let systemd = match cfg.supervised {
        Supervised::Systemd => true,
        Supervised::Auto => std::env::var_os("NOTIFY_SOCKET").is_some(),
        Supervised::Upstart | Supervised::No => false,
    };
    if !systemd {
        return;
    }
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        tracing::warn!("systemd supervision requested or auto-detected, but Redis is not running under systemd");
        return;
    };
    let socket = std::os::unix::net::UnixDatagram::unbound();
    let path = path.to_string_lossy().into_owned();
    let sent = socket.and_then(|s| match path.strip_prefix('@') {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let addr = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            s.send_to_addr(state.as_bytes(), &addr)
        }
        None => s.send_to(state.as_bytes(), &path),
    });
    if let Err(e) = sent {
        tracing::warn!("Can't send to systemd socket: {e}");
    }
}

/// The number of a syslog facility.
pub fn facility(cfg: &Config) -> u8 {
    match cfg.syslog_facility.name() {
        "user" => 1,
        name => name.strip_prefix("local").and_then(|n| n.parse::<u8>().ok()).map_or(16, |n| 16 + n),
    }
}
