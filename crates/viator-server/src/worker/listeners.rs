//! The sockets that wait for connections.

use super::LISTENERS;
use crate::net::{Accepted, Listener};
use mio::{Interest, Poll, Registry, Token};
use parking_lot::Mutex;
use std::io::{self, Write};
use viator_engine::server::Server;

/// The listening sockets. The first worker accepts; CONFIG SET replaces them from whatever thread.
pub struct Listeners {
    list: Mutex<Vec<Listener>>,
    registry: Registry,
}

impl Listeners {
    /// None yet; they will be waited for by this poll.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new(poll: &Poll) -> io::Result<Listeners> {
        Ok(Listeners { list: Mutex::default(), registry: poll.registry().try_clone()? })
    }

    /// Waits for connections on these.
    pub fn set(&self, listeners: Vec<Listener>) {
        *self.list.lock() = listeners;
        self.register();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.list.lock().len()
    }

    fn register(&self) {
        for (i, l) in self.list.lock().iter_mut().enumerate() {
            // those that stay get their new number, those that came are added
            let token = Token(LISTENERS + i);
            let registered = self
                .registry
                .reregister(l, token, Interest::READABLE)
                .or_else(|_| self.registry.register(l, token, Interest::READABLE));
            if let Err(e) = registered {
                tracing::warn!("cannot wait for connections: {e}");
            }
        }
    }

    /// Replaces the TCP sockets by what `open` gives; when that fails, by what `reopen` gives if the old ones had to be
    /// closed first.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn replace_tcp<E>(
        &self,
        close_first: bool,
        open: impl FnOnce() -> Result<Vec<Listener>, E>,
        reopen: impl FnOnce() -> Result<Vec<Listener>, E>,
    ) -> Result<(), E> {
        let result = {
            let mut list = self.list.lock();
            if close_first {
                list.retain(|l| matches!(l, Listener::Unix(..)));
            }
            match open() {
                Ok(new) => {
                    list.retain(|l| matches!(l, Listener::Unix(..)));
                    list.extend(new);
                    Ok(())
                }
                Err(e) => {
                    if close_first && let Ok(again) = reopen() {
                        list.extend(again);
                    }
                    Err(e)
                }
            }
        };
        self.register();
        result
    }

    /// The next connection to one of them that is let in; others are told why not, and closed. `None`: there is none now.
    pub(crate) fn accept(&self, index: usize, server: &Server) -> Option<Accepted> {
        loop {
            let keepalive = server.config.load().tcp_keepalive.max(0) as u64;
            let accepted = self.list.lock().get(index)?.accept(keepalive);
            let mut new = match accepted {
                Ok(new) => new,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => continue,
                Err(e) => {
                    tracing::warn!("Accepting client connection: {e}");
                    return None;
                }
            };
            // as it is now: who connects after a CONFIG SET was answered finds what that set
            let cfg = server.config.load();
            let refusal = if server.clients.len() as i64 >= cfg.maxclients {
                "-ERR max number of clients reached\r\n"
            } else if !new.near && cfg.protected_mode && cfg.requirepass.is_empty() {
                PROTECTED
            } else {
                server.totals.connections_received.add_shared(1);
                return Some(new);
            };
            server.totals.rejected_connections.add_shared(1);
            // a stranger that is turned away may not read why
            drop(new.stream.write(refusal.as_bytes()));
        }
    }
}

/// What a stranger is told in protected mode, as Redis words it.
const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the \
command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server \
is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this \
change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and \
setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. \
NOTE: You only need to do one of the above things in order for the server to start accepting connections from the \
outside.\r\n";
