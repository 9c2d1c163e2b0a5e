//! A worker's connections.

use crate::conn::Conn;

/// Connections by token.
#[derive(Default)]
pub(super) struct Slab {
    conns: Vec<Option<Box<Conn>>>,
    vacant: Vec<usize>,
}

impl Slab {
    /// A token that is free.
    pub(super) fn vacant(&mut self) -> usize {
        self.vacant.pop().unwrap_or_else(|| {
            self.conns.push(None);
            self.conns.len() - 1
        })
    }

    /// Gives a token back that was not used.
    pub(super) fn give_back(&mut self, token: usize) {
        self.vacant.push(token);
    }

    /// All tokens are below this.
    pub(super) fn tokens(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn insert(&mut self, token: usize, conn: Box<Conn>) {
        if let Some(slot) = self.conns.get_mut(token) {
            *slot = Some(conn);
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, token: usize) -> Option<&mut Conn> {
        self.conns.get_mut(token)?.as_deref_mut()
    }

    /// Takes a connection out for a while; its token stays its own.
    #[inline]
    pub(super) fn take_out(&mut self, token: usize) -> Option<Box<Conn>> {
        self.conns.get_mut(token)?.take()
    }

    pub(super) fn remove(&mut self, token: usize) -> Option<Box<Conn>> {
        let conn = self.conns.get_mut(token)?.take();
        if conn.is_some() {
            self.vacant.push(token);
        }
        conn
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (usize, &mut Conn)> {
        self.conns.iter_mut().enumerate().filter_map(|(t, c)| Some((t, c.as_deref_mut()?)))
    }
}
