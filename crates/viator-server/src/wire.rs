//! A client's socket in the hands of the script debugger, which reads and writes it from the depth of a command.

use crate::net::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use viator_engine::client::ClientShared;
use viator_engine::scripting::{Console, Heard};

/// Longest time that a client may not read.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks at other clients.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// See the module.
pub(crate) struct Wire {
    /// The socket, which does not block.
    fd: OwnedFd,
    client: Arc<ClientShared>,
}

impl Wire {
    /// To a client.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn new(stream: &Stream, client: Arc<ClientShared>) -> io::Result<Wire> {
        Ok(Wire { fd: stream.try_clone()?, client })
    }

    /// Waits a while for the socket.
    fn wait(&self, flags: PollFlags) {
        // whatever came of it, the socket is tried next
        poll(&mut [PollFd::new(&self.fd, flags)], Some(&TURN)).ok();
    }
}

impl Console for Wire {
    fn send(&mut self, mut bytes: &[u8]) -> bool {
        let until = Instant::now() + PATIENCE;
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(n) => {
                    self.client.net_out.fetch_add(n as u64, Relaxed);
                    bytes = bytes.get(n..).unwrap_or_default();
                }
                Err(Errno::AGAIN) if Instant::now() < until => self.wait(PollFlags::OUT),
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn receive(&mut self, input: &mut Vec<u8>, ends: &mut dyn FnMut() -> bool) -> Heard {
        let mut buf = [0; 4096];
        loop {
            if self.client.kill.load(Relaxed) {
                return Heard::Gone;
            }
            match rustix::io::read(&self.fd, &mut buf) {
                Ok(n) if n > 0 => {
                    self.client.net_in.fetch_add(n as u64, Relaxed);
                    input.extend_from_slice(buf.get(..n).unwrap_or_default());
                    return Heard::Bytes;
                }
                Err(Errno::AGAIN) => {
                    if ends() {
                        return Heard::End;
                    }
                    self.wait(PollFlags::IN);
                }
                Err(Errno::INTR) => {}
                Ok(_) | Err(_) => return Heard::Gone,
            }
        }
    }
}
