//! Serving a worker's other connections while a script takes long: those who ask are told that the server is busy, and
//! SCRIPT KILL and SHUTDOWN get through.
//!
//! The script's Lua state calls [`Pump::turn`] every few milliseconds from the depth of a command. What belongs to the
//! other connections lies on loan meanwhile; the pump has everything else for itself.

use crate::worker::{Desk, Inbox, Listeners, Place};
use mio::Registry;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use viator_engine::local::Local;
use viator_engine::server::Server;
use viator_resp::reply::Reply;

/// Bytes read at once.
const READ: usize = 16 * 1024;

/// See the module.
pub struct Pump {
    pub(crate) loan: Rc<RefCell<Option<Desk>>>,
    pub(crate) registry: Rc<Registry>,
    pub(crate) server: Arc<Server>,
    pub(crate) inbox: Arc<Inbox>,
    /// Of the worker that accepts.
    pub(crate) listeners: Option<Arc<Listeners>>,
    pub(crate) index: usize,
    /// What commands need, beside that of the script that is running.
    pub(crate) own: RefCell<Option<Own>>,
}

/// See [`Pump::own`].
pub struct Own {
    local: Local,
    out: Reply,
    buf: Vec<u8>,
}

impl Pump {
    /// One look at every connection.
    pub fn turn(&self) {
        // a pump within a pump has nothing to do
        let Ok(mut loan) = self.loan.try_borrow_mut() else { return };
        let Some(desk) = loan.as_mut() else { return };
        let server: &Server = &self.server;
        let mut own = self.own.borrow_mut();
        let own = own.get_or_insert_with(|| {
            let mut local = Local::new(server);
            local.pumped = true;
            Own { local, out: Reply::new(), buf: vec![0; READ] }
        });
        own.local.begin_batch(server);
        own.out.clear();
        let place = Place { registry: &self.registry, inbox: &self.inbox, index: self.index };
        if let Some(listeners) = &self.listeners {
            for i in 0..listeners.len() {
                while let Some(new) = listeners.accept(i, server) {
                    self.inbox.connections.fetch_add(1, Relaxed);
                    desk.adopt(&place, &own.local, server, new);
                }
            }
        }
        desk.pump(&place, &mut own.local, server, &mut own.buf, &mut own.out);
    }
}
