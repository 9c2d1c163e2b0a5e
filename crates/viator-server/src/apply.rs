//! Directives that touch what the process owns: sockets, the log, limits.

use crate::host::Process;
use crate::net::Listener;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::{fs, io};
use viator_engine::config::{Config, OomScoreAdj};

/// Why a listening socket cannot be had: the address, and the system's error.
type Unavailable = (String, std::io::Error);

/// The addresses to listen on, and whether each may be unavailable.
fn addresses(cfg: &Config) -> Result<Vec<(SocketAddr, bool)>, Unavailable> {
    let port = cfg.port;
    let mut out = Vec::new();
    if port == 0 {
        return Ok(out);
    }
    for bind in &cfg.bind {
        let (optional, host) = match bind.strip_prefix('-') {
            Some(h) => (true, h),
            None => (false, bind.as_str()),
        };
        match host {
            "*" => out.push(((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into(), optional)),
            "::*" => out.push(((IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into(), optional)),
            _ => match (host, port).to_socket_addrs() {
                Ok(found) => out.extend(found.take(1).map(|a| (a, optional))),
                Err(_) if optional => {}
                Err(e) => return Err((format!("{host}:{port}"), e)),
            },
        }
    }
    Ok(out)
}

/// Opens the TCP sockets of a configuration.
fn tcp(cfg: &Config, addresses: &[(SocketAddr, bool)]) -> Result<Vec<Listener>, Unavailable> {
    let mut out = Vec::new();
    for &(address, optional) in addresses {
        match Listener::tcp(address, i32::try_from(cfg.tcp_backlog).unwrap_or(511)) {
            Ok(l) => out.push(l),
            Err(e) => {
                // an optional address may be unavailable, never taken
                let unavailable =
                    matches!(e.kind(), std::io::ErrorKind::AddrNotAvailable | std::io::ErrorKind::Unsupported)
                        || e.raw_os_error() == Some(97);
                if !(optional && unavailable) {
                    return Err((address.to_string(), e));
                }
            }
        }
    }
    Ok(out)
}

/// Opens the listening sockets of a configuration.
///
/// # Errors
/// (address, error) of the first that cannot be opened and is not optional.
pub fn listeners(cfg: &Config) -> Result<Vec<Listener>, Unavailable> {
    let mut out = tcp(cfg, &addresses(cfg)?)?;
    if !cfg.unixsocket.is_empty() {
        let backlog = i32::try_from(cfg.tcp_backlog).unwrap_or(511);
        let l = Listener::unix(&cfg.unixsocket, cfg.unixsocketperm as u32, backlog)
            .map_err(|e| (cfg.unixsocket.clone(), e))?;
        out.push(l);
    }
    Ok(out)
}

/// Listens on other TCP addresses; if that fails, on the old ones as before.
fn rebind(process: &Process, old: &Config, new: &Config) -> Result<(), Unavailable> {
    let wanted = addresses(new)?;
    process.listeners.replace_tcp(old.port == new.port, || tcp(new, &wanted), || tcp(old, &addresses(old)?))
}

/// Applies changed directives.
///
/// # Errors
/// (directive, text) of what could not be applied.
pub fn apply(process: &Process, old: &Config, new: &Config, changed: &[&'static str]) -> Result<(), (String, String)> {
    if changed.iter().any(|c| matches!(*c, "port" | "bind"))
        && let Err((address, e)) = rebind(process, old, new)
    {
        tracing::warn!("Failed listening on port {} ({address}: {e}), aborting.", new.port);
        let (which, text) = if changed.contains(&"port") {
            ("port", "Unable to listen on this port. Check server logs.")
        } else {
            ("bind", "Failed to bind to specified addresses.")
        };
        return Err((which.into(), text.into()));
    }
    if changed.contains(&"maxclients") {
        raise_file_limit(new.maxclients).map_err(|got| {
            (
                "maxclients".to_owned(),
                format!("The operating system is not able to handle the specified number of clients, try with {got}"),
            )
        })?;
    }
    process.aof.configure(old, new, changed).map_err(|e| ("appendonly".to_owned(), e))?;
    if changed.iter().any(|c| matches!(*c, "oom-score-adj" | "oom-score-adj-values"))
        && let Err(e) = process.oom_score.adjust(new)
    {
        tracing::warn!("Unable to write oom_score_adj: {e}");
        let which = if changed.contains(&"oom-score-adj") { "oom-score-adj" } else { "oom-score-adj-values" };
        return Err((which.into(), "Failed to apply new oom_score_adj configuration, check server logs.".into()));
    }
    apply_log(process, new, changed)
}

/// The score by which the kernel chooses what it kills when memory runs out.
#[derive(Default)]
pub struct OomScore {
    /// What it was before it was adjusted, while it is.
    base: Mutex<Option<i64>>,
}

impl OomScore {
    /// Adjusts the score as the configuration says, or takes the adjustment back.
    ///
    /// # Errors
    /// Those of the system.
    pub fn adjust(&self, cfg: &Config) -> io::Result<()> {
        const FILE: &str = "/proc/self/oom_score_adj";
        let mut base = self.base.lock();
        if cfg.oom_score_adj == OomScoreAdj::No {
            let Some(before) = base.take() else { return Ok(()) };
            return fs::write(FILE, before.to_string());
        }
        let before = match *base {
            Some(b) => b,
            None => fs::read_to_string(FILE)?.trim().parse().map_err(io::Error::other)?,
        };
        // nothing here is a replica or a forked child
        let [server, ..] = cfg.oom_score_adj_values;
        let score = if cfg.oom_score_adj == OomScoreAdj::Absolute { server } else { before + server };
        fs::write(FILE, score.clamp(-1000, 1000).to_string())?;
        *base = Some(before);
        Ok(())
    }
}

fn apply_log(process: &Process, new: &Config, changed: &[&'static str]) -> Result<(), (String, String)> {
    if changed.iter().any(|c| matches!(*c, "loglevel" | "logfile")) {
        process.log.configure(&new.logfile, crate::log::level(new.loglevel));
    }
    Ok(())
}

/// Descriptors that are not clients.
const RESERVED: u64 = 32;

/// Raises the limit of open files for so many clients.
///
/// # Errors
/// How many clients are possible instead.
pub fn raise_file_limit(maxclients: i64) -> Result<(), i64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let want = maxclients.max(1) as u64 + RESERVED;
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|c| c >= want) {
        return Ok(());
    }
    if setrlimit(Resource::Nofile, Rlimit { current: Some(want), maximum: now.maximum.map(|m| m.max(want)) }).is_ok() {
        return Ok(());
    }
    // as far as it goes
    if let Some(max) = now.maximum
        && setrlimit(Resource::Nofile, Rlimit { current: Some(max.min(want)), maximum: now.maximum }).is_ok()
        && max >= want
    {
        return Ok(());
    }
    let got = getrlimit(Resource::Nofile).current.unwrap_or(want);
    Err(got.saturating_sub(RESERVED) as i64)
}
