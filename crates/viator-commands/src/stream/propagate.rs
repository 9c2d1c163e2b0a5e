//! What reading by groups tells replicas and the append-only file: who has which entry, and where the group stands.

use viator_data::stream::{Pending, StreamId};
use viator_engine::args::OwnedArgs;
use viator_engine::keys::WriteKeys;

use super::entry::IdText;

/// The group that is told about.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) key: &'a [u8],
    pub(super) group: &'a [u8],
}

/// What is told after the group was changed, in its order. Nothing is collected where nobody listens.
pub(super) struct Told<'a> {
    place: Place<'a>,
    listening: bool,
    commands: Vec<OwnedArgs>,
}

impl<'a> Told<'a> {
    /// Nothing yet.
    pub(super) fn new(place: Place<'a>, keys: &WriteKeys<'_, '_>) -> Told<'a> {
        Told { place, listening: keys.is_propagating(), commands: Vec::new() }
    }

    /// An entry as it is pending now. `last_id`: of the group, which the receiver's must reach.
    pub(super) fn pending(&mut self, id: StreamId, pending: &Pending, last_id: StreamId) {
        if !self.listening {
            return;
        }
        let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        self.commands.push(OwnedArgs::from_slices([
            &b"XCLAIM"[..],
            self.place.key,
            self.place.group,
            &pending.consumer,
            b"0",
            IdText::new(id).as_ref(),
            b"TIME",
            time.format(pending.delivery_time).as_bytes(),
            b"RETRYCOUNT",
            count.format(pending.delivery_count).as_bytes(),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            IdText::new(last_id).as_ref(),
        ]));
    }

    /// A consumer that is new, and has nothing pending that would tell of it.
    pub(super) fn consumer(&mut self, name: &[u8]) {
        if self.listening {
            let Place { key, group } = self.place;
            self.commands.push(OwnedArgs::from_slices([&b"XGROUP"[..], b"CREATECONSUMER", key, group, name]));
        }
    }

    /// Where the group stands.
    pub(super) fn position(&mut self, last_id: StreamId, entries_read: Option<u64>) {
        if !self.listening {
            return;
        }
        let Place { key, group } = self.place;
        let read = entries_read.map_or_else(|| "-1".to_owned(), |n| n.to_string());
        self.commands.push(OwnedArgs::from_slices([
            &b"XGROUP"[..],
            b"SETID",
            key,
            group,
            IdText::new(last_id).as_ref(),
            b"ENTRIESREAD",
            read.as_bytes(),
        ]));
    }

    /// Whether nothing was told (or nobody listens).
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Hands it over.
    pub(super) fn propagate(self, keys: &mut WriteKeys<'_, '_>) {
        for command in self.commands {
            keys.propagate_as(|| command);
        }
    }
}
