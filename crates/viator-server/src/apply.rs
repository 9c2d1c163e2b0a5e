//! Directives that touch what the process owns: sockets, the log, limits.

use crate::host::Process;
use crate::net::Listener;
use crate::worker::Message;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use viator_engine::config::Config;

/// Opens the listening sockets of a configuration.
///
/// # Errors
/// (address, error) of the first that cannot be opened and is not optional.
pub fn listeners(cfg: &Config) -> Result<Vec<Listener>, (String, std::io::Error)> {
    let mut out = Vec::new();
    let backlog = i32::try_from(cfg.tcp_backlog).unwrap_or(511);
    if cfg.port != 0 {
        for bind in &cfg.bind {
            let (optional, host) = match bind.strip_prefix('-') {
                Some(h) => (true, h),
                None => (false, bind.as_str()),
            };
            let port = cfg.port;
            let addrs: Vec<SocketAddr> = match host {
                "*" => vec![(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into()],
                "::*" => vec![(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into()],
                _ => match (host, port).to_socket_addrs() {
                    Ok(a) => a.take(1).collect(),
                    Err(_) if optional => continue,
                    Err(e) => return Err((format!("{host}:{port}"), e)),
                },
            };
            for a in addrs {
                match Listener::tcp(a, backlog) {
                    Ok(l) => out.push(l),
                    Err(e) => {
                        // an optional address may be unavailable, never taken
                        let unavailable =
                            matches!(e.kind(), std::io::ErrorKind::AddrNotAvailable | std::io::ErrorKind::Unsupported)
                                || e.raw_os_error() == Some(97);
                        if !(optional && unavailable) {
                            return Err((format!("{host}:{port}"), e));
                        }
                    }
                }
            }
        }
    }
    if !cfg.unixsocket.is_empty() {
        let l = Listener::unix(&cfg.unixsocket, cfg.unixsocketperm as u32, backlog)
            .map_err(|e| (cfg.unixsocket.clone(), e))?;
        out.push(l);
    }
    Ok(out)
}

/// Applies changed directives.
///
/// # Errors
/// (directive, text) of what could not be applied.
pub fn apply(process: &Process, old: &Config, new: &Config, changed: &[&'static str]) -> Result<(), (String, String)> {
    if changed.iter().any(|c| matches!(*c, "port" | "bind")) {
        // the old sockets close when the worker has the new ones; the same address can be taken twice only then
        let same_port = old.port == new.port;
        if same_port && let Some(first) = process.inboxes.first() {
            first.send(Message::Listen(Vec::new()));
        }
        let mut last = None;
        for _ in 0..50 {
            match listeners(new) {
                Ok(l) => {
                    if let Some(first) = process.inboxes.first() {
                        first.send(Message::Listen(l));
                    }
                    return apply_log(process, new, changed);
                }
                Err((addr, e)) => last = Some((addr, e)),
            }
            if !same_port {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if same_port && let (Some(first), Ok(l)) = (process.inboxes.first(), listeners(old)) {
            first.send(Message::Listen(l));
        }
        if let Some((addr, e)) = last {
            tracing::warn!("Failed listening on port {} ({addr}: {e}), aborting.", new.port);
            let which = if changed.contains(&"port") { "port" } else { "bind" };
            let text = if which == "port" {
                "Unable to listen on this port. Check server logs."
            } else {
                "Failed to bind to specified addresses."
            };
            return Err((which.into(), text.into()));
        }
    }
    if changed.contains(&"maxclients") {
        raise_file_limit(new.maxclients).map_err(|got| {
            (
                "maxclients".to_owned(),
                format!("The operating system is not able to handle the specified number of clients, try with {got}"),
            )
        })?;
    }
    apply_log(process, new, changed)
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
