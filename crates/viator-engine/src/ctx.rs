//! What handlers work with: arguments, reply, session, and the keys under the command's locks.

use crate::args::Args;
use crate::batch::Located;
use crate::config::Config;
use crate::error::Error;
use crate::keys::{ReadKeys, WriteKeys};
use crate::local::Local;
use crate::scripting;
use crate::server::{Held, Server, ShardExt};
use crate::session::Session;
use crate::table::Entry;
use viator_keyspace::{Footprint, SHARDS, Shard, ValueRef};
use viator_resp::reply::Reply;

/// Context of a command that only reads keys.
pub struct ReadCtx<'a, 's> {
    /// Arguments, the name first.
    pub args: Args<'a>,
    /// The keys.
    pub keys: ReadKeys<'a, 's>,
    /// The reply.
    pub out: &'a mut Reply,
    /// The client.
    pub session: &'a mut Session,
    /// The command.
    pub entry: &'s Entry,
    /// The server.
    pub server: &'s Server,
}

/// Context of a command that may write keys.
pub struct WriteCtx<'a, 's> {
    /// Arguments, the name first.
    pub args: Args<'a>,
    /// The keys.
    pub keys: WriteKeys<'a, 's>,
    /// The reply.
    pub out: &'a mut Reply,
    /// The client.
    pub session: &'a mut Session,
    /// The command.
    pub entry: &'s Entry,
    /// The server.
    pub server: &'s Server,
}

/// Context of a command that touches the session and the server.
pub struct AdminCtx<'a, 's> {
    /// Arguments, the name first.
    pub args: Args<'a>,
    /// The thread's own.
    pub local: &'a mut Local,
    /// The reply.
    pub out: &'a mut Reply,
    /// The client.
    pub session: &'a mut Session,
    /// The command.
    pub entry: &'s Entry,
    /// The server.
    pub server: &'s Server,
    /// Locks that are held already: those of the transaction it runs in.
    pub(crate) held: Option<&'a mut Held<'s>>,
    /// The keys among its arguments, located.
    pub(crate) located: &'a [Located],
}

impl<'s> AdminCtx<'_, 's> {
    /// Runs `f` with reading access to all keys of a database. The command must declare `Scope::All`, so that a
    /// transaction holds all locks for it.
    pub fn with_keys<R>(&mut self, db: usize, f: impl FnOnce(&mut ReadKeys<'_, 's>) -> R) -> R {
        self.with_shards(Footprint::ALL, db, f)
    }

    /// As [`AdminCtx::with_keys`], for the keys of some shards only: those are locked for the time of `f`, so that a
    /// command may look at all keys shard after shard without holding everybody else up. The command must declare
    /// `Scope::All` all the same, so that a transaction holds the locks for it.
    pub fn with_shards<R>(&mut self, shards: Footprint, db: usize, f: impl FnOnce(&mut ReadKeys<'_, 's>) -> R) -> R {
        self.with_guards(shards, |guards, server, local| {
            let r = f(&mut ReadKeys::new(guards, server, local, db, true, &[]));
            // what expired on the way is told before the locks are released
            crate::dispatch::settle(local, server);
            r
        })
    }

    /// As [`AdminCtx::with_keys`], for writing.
    pub fn with_keys_mut<R>(&mut self, db: usize, f: impl FnOnce(&mut WriteKeys<'_, 's>) -> R) -> R {
        let args = self.args;
        self.with_guards(Footprint::ALL, |guards, server, local| {
            let r = f(&mut WriteKeys::new(ReadKeys::new(guards, server, local, db, true, &[])));
            crate::dispatch::commit(local, server, db, args);
            r
        })
    }

    /// As [`AdminCtx::with_keys_mut`], for the keys of some shards only, which the command's own keys are in: a transaction
    /// holds these.
    pub fn with_footprint_mut<R>(
        &mut self,
        shards: Footprint,
        db: usize,
        f: impl FnOnce(&mut WriteKeys<'_, 's>) -> R,
    ) -> R {
        let (server, args) = (self.server, self.args);
        let mut own = None;
        let guards = match &mut self.held {
            Some(g) => &mut **g,
            None => own.insert(scripting::lock(self.local, server, shards)),
        };
        let r = f(&mut WriteKeys::new(ReadKeys::new(guards, server, self.local, db, true, &[])));
        crate::dispatch::commit(self.local, server, db, args);
        r
    }

    fn with_guards<R>(&mut self, shards: Footprint, f: impl FnOnce(&mut Held<'s>, &'s Server, &mut Local) -> R) -> R {
        match &mut self.held {
            Some(g) => {
                assert!(g.held() == Footprint::ALL, "a command that looks at all keys declares Scope::All");
                f(g, self.server, self.local)
            }
            None => {
                let mut guards = scripting::lock(self.local, self.server, shards);
                f(&mut guards, self.server, self.local)
            }
        }
    }

    /// Visits every shard, each under its own lock: for long work that need not see all at one moment. The command must
    /// declare `Scope::All`, so that a transaction holds all locks for it.
    pub fn each_shard(&mut self, mut f: impl FnMut(&mut Shard<ShardExt>)) {
        match &mut self.held {
            Some(g) => {
                assert!(g.held() == Footprint::ALL, "a command that looks at all keys declares Scope::All");
                g.iter_mut().for_each(|(_, shard)| f(shard));
            }
            None => {
                for n in 0..SHARDS {
                    f(scripting::lock(self.local, self.server, Footprint::NONE.with(n)).shard(n));
                }
            }
        }
    }

    /// The configuration.
    pub fn cfg(&self) -> &Config {
        &self.local.cfg
    }

    /// Whether the command runs inside EXEC.
    pub fn in_exec(&self) -> bool {
        self.held.is_some()
    }
}

/// Writes a string value, or nil for a key that is not there.
///
/// # Errors
/// [`Error::WrongType`] for other types.
#[inline]
pub fn reply_string(out: &mut Reply, value: Option<ValueRef<'_>>) -> Result<(), Error> {
    match value {
        None => out.null(),
        Some(ValueRef::Str { bytes, .. }) => out.bulk(bytes),
        Some(ValueRef::Int(n)) => out.bulk_int(n),
        Some(ValueRef::Object(o)) => match o {
            viator_keyspace::Object::Str(s) => out.bulk_shared(s),
            _ => return Err(Error::WrongType),
        },
    }
    Ok(())
}
