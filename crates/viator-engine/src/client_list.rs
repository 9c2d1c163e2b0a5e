//! The lines of CLIENT LIST, and the kinds of clients that it and others tell apart.

use crate::client::{ClientShared, flag};
use crate::server::Server;
use std::sync::atomic::Ordering::Relaxed;

/// Kinds of clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientType {
    /// Plain; MONITOR clients are, too.
    Normal,
    /// A replica.
    Replica,
    /// In a subscription.
    Pubsub,
    /// The link to the master.
    Master,
}

impl ClientType {
    /// By its name in commands, in any case.
    pub fn parse(name: &[u8]) -> Option<ClientType> {
        Some(match name.to_ascii_lowercase().as_slice() {
            b"normal" => ClientType::Normal,
            b"slave" | b"replica" => ClientType::Replica,
            b"pubsub" => ClientType::Pubsub,
            b"master" => ClientType::Master,
            _ => return None,
        })
    }

    /// The kind of a client.
    pub fn of(c: &ClientShared) -> ClientType {
        if c.has_flag(flag::REPLICA) {
            ClientType::Replica
        } else if c.has_flag(flag::PUBSUB) {
            ClientType::Pubsub
        } else {
            ClientType::Normal
        }
    }
}

/// The letters of `flags=`, in Redis's order.
const LETTERS: &[(u32, char)] = &[
    (flag::PUBSUB, 'P'),
    (flag::MULTI, 'x'),
    (flag::BLOCKED, 'b'),
    (flag::TRACKING, 't'),
    (flag::TRACKING_BROKEN, 'R'),
    (flag::TRACKING_BCAST, 'B'),
    (flag::DIRTY_CAS, 'd'),
    (flag::CLOSE_AFTER_REPLY, 'c'),
    (flag::CLOSE_ASAP, 'A'),
    (flag::UNIX, 'U'),
    (flag::READONLY, 'r'),
    (flag::NO_EVICT, 'e'),
    (flag::NO_TOUCH, 'T'),
];

fn letters(bits: u32) -> String {
    let mut s = String::new();
    if bits & flag::MONITOR != 0 {
        s.push('O');
    } else if bits & flag::REPLICA != 0 {
        s.push('S');
    }
    s.extend(LETTERS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, letter)| letter));
    if s.is_empty() {
        s.push('N');
    }
    s
}

/// The line of a client, without line break. `now`: Unix milliseconds. `argv`: bytes of the arguments of the command that
/// the client runs, given for the client that asks.
pub fn describe(c: &ClientShared, server: &Server, now: i64, argv: Option<usize>) -> Vec<u8> {
    let bits = c.flags.load(Relaxed);
    let identity = c.identity.lock().clone();
    let command = (c.last_command.load(Relaxed) as usize)
        .checked_sub(1)
        .and_then(|id| server.table.entries().get(id))
        .map_or("NULL", |e| e.name.as_str());
    let seconds = |since: i64| (now - since).max(0) / 1000;
    let idle = if argv.is_some() { 0 } else { seconds(c.last.load(Relaxed)) };
    // a client whose EXEC will fail watches no more
    let watch = if bits & flag::DIRTY_CAS != 0 { 0 } else { c.watch.load(Relaxed) };
    let multi = i64::from(c.multi.load(Relaxed)) - 1;
    let multi_mem = c.multi_args.load(Relaxed);
    let argv_mem = argv.map_or_else(|| c.argv_mem.load(Relaxed), |n| n as u64);
    let omem = c.omem.load(Relaxed);
    let redir = if bits & flag::TRACKING != 0 { c.redirect.load(Relaxed) as i64 } else { -1 };
    let mut line = format!("id={} addr={} laddr={} fd={} name=", c.id, c.addr, c.laddr, c.fd).into_bytes();
    line.extend_from_slice(&identity.name);
    line.extend_from_slice(
        format!(
            " age={} idle={idle} flags={} db={} sub={} psub={} ssub={} multi={multi} watch={watch} qbuf={} qbuf-free={} \
             argv-mem={argv_mem} multi-mem={multi_mem} rbs=0 rbp={} obl=0 oll={} omem={omem} tot-mem={} events={} \
             cmd={command} user={} redir={redir} resp={} lib-name=",
            seconds(c.created),
            letters(bits),
            identity.db,
            c.sub.load(Relaxed),
            c.psub.load(Relaxed),
            c.ssub.load(Relaxed),
            c.qbuf.load(Relaxed),
            c.qbuf_free.load(Relaxed),
            c.peak_out.load(Relaxed),
            u8::from(omem > 0),
            c.memory(),
            if omem > 0 { "rw" } else { "r" },
            identity.user,
            identity.resp,
        )
        .as_bytes(),
    );
    line.extend_from_slice(&identity.lib_name);
    line.extend_from_slice(b" lib-ver=");
    line.extend_from_slice(&identity.lib_ver);
    line.extend_from_slice(
        format!(
            " io-thread={} tot-net-in={} tot-net-out={} tot-cmds={}",
            c.worker,
            c.net_in.load(Relaxed),
            c.net_out.load(Relaxed),
            c.commands.load(Relaxed),
        )
        .as_bytes(),
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_letters_in_redis_s_order() {
        assert_eq!(letters(0), "N");
        assert_eq!(letters(flag::MONITOR), "O");
        assert_eq!(letters(flag::NO_TOUCH | flag::NO_EVICT | flag::MULTI), "xeT");
        assert_eq!(letters(flag::UNIX | flag::PUBSUB | flag::BLOCKED), "PbU");
        assert_eq!(letters(flag::MAY_UNBLOCK), "N");
    }

    #[test]
    fn types_by_name() {
        assert_eq!(ClientType::parse(b"Slave"), Some(ClientType::Replica));
        assert_eq!(ClientType::parse(b"replica"), Some(ClientType::Replica));
        assert_eq!(ClientType::parse(b"normals"), None);
    }
}
