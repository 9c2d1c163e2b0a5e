//! The sockets that wait for connections.

use super::LISTENERS;
use crate::net::{Listener, Stream};
use mio::{Interest, Poll, Registry, Token};
use parking_lot::Mutex;
use std::io;

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

    pub(crate) fn accept(&self, index: usize, keepalive: u64) -> io::Result<(Stream, String, String, bool)> {
        match self.list.lock().get(index) {
            Some(l) => l.accept(keepalive),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}
