//! Connections to other servers, kept for a while: MIGRATE.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use viator_engine::args::OwnedArgs;
use viator_engine::server::{ExchangeError, Peer};

/// Connections kept.
const MAX_KEPT: usize = 64;
/// How long one is kept unused.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// Longest line of a reply.
const MAX_LINE: u64 = 64 << 10;

/// See the module.
#[derive(Default)]
pub struct Peers {
    kept: Mutex<HashMap<(String, u16), (TcpStream, Instant)>>,
}

impl Peers {
    /// Sends commands, and reads the line that answers each.
    ///
    /// # Errors
    /// How far it got.
    pub fn exchange(&self, peer: &Peer, commands: &[OwnedArgs]) -> Result<Vec<Vec<u8>>, ExchangeError> {
        let mut bytes = Vec::new();
        for c in commands {
            let args: Vec<&[u8]> = c.args().iter().collect();
            viator_persist::aof::commands::command(&mut bytes, &args);
        }
        let id = (peer.host.clone(), peer.port);
        let timeout = Duration::from_millis(peer.timeout_ms.max(1));
        let kept = {
            let mut kept = self.kept.lock();
            kept.retain(|_, (_, at)| at.elapsed() < KEPT_FOR);
            kept.remove(&id)
        };
        if let Some((stream, _)) = kept {
            match talk(&stream, timeout, &bytes, commands.len()) {
                Ok(replies) => {
                    self.keep(id, stream);
                    return Ok(replies);
                }
                // it was closed since: nothing of this was heard
                Err((ExchangeError::Writing, _)) => {}
                Err((ExchangeError::Reading(r), timed_out)) if r.is_empty() && !timed_out => {}
                Err((e, _)) => return Err(e),
            }
        }
        let stream = connect(peer, timeout)?;
        let replies = talk(&stream, timeout, &bytes, commands.len()).map_err(|e| e.0)?;
        self.keep(id, stream);
        Ok(replies)
    }

    fn keep(&self, id: (String, u16), stream: TcpStream) {
        let mut kept = self.kept.lock();
        if kept.len() >= MAX_KEPT {
            let oldest = kept.iter().min_by_key(|(_, (_, at))| *at).map(|(id, _)| id.clone());
            oldest.map(|id| kept.remove(&id));
        }
        kept.insert(id, (stream, Instant::now()));
    }

    /// How many are kept.
    pub fn kept(&self) -> u64 {
        self.kept.lock().len() as u64
    }

    /// Closes what nobody has used for a while.
    pub fn tick(&self) {
        self.kept.lock().retain(|_, (_, at)| at.elapsed() < KEPT_FOR);
    }
}

fn connect(peer: &Peer, timeout: Duration) -> Result<TcpStream, ExchangeError> {
    let address = (peer.host.as_str(), peer.port).to_socket_addrs().ok().and_then(|mut a| a.next());
    let address = address.ok_or(ExchangeError::Connecting)?;
    let stream = TcpStream::connect_timeout(&address, timeout).map_err(|e| match e.kind() {
        // Redis learns of a refusal when it writes
        io::ErrorKind::ConnectionRefused => ExchangeError::Writing,
        _ => ExchangeError::Connecting,
    })?;
    stream.set_nodelay(true).map_err(|_| ExchangeError::Connecting)?;
    Ok(stream)
}

/// The error, and whether it was for time.
fn talk(
    mut stream: &TcpStream,
    timeout: Duration,
    bytes: &[u8],
    replies: usize,
) -> Result<Vec<Vec<u8>>, (ExchangeError, bool)> {
    let late = |e: &io::Error| matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    let sent = stream
        .set_read_timeout(Some(timeout))
        .and_then(|()| stream.set_write_timeout(Some(timeout)))
        .and_then(|()| stream.write_all(bytes));
    sent.map_err(|e| (ExchangeError::Writing, late(&e)))?;
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::with_capacity(replies.min(1024));
    while lines.len() < replies {
        let mut line = Vec::new();
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(_) if line.ends_with(b"\r\n") => {
                line.truncate(line.len() - 2);
                lines.push(line);
            }
            Ok(_) => return Err((ExchangeError::Reading(lines), false)),
            Err(e) => return Err((ExchangeError::Reading(lines), late(&e))),
        }
    }
    Ok(lines)
}
