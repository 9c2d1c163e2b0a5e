//! Streams in the RDB format.

use crate::decode::{Limits, at_most};
use crate::reader::Reader;
use crate::source::Source;
use crate::writer::Writer;
use crate::{Fault, types};
use std::collections::HashMap;
use viator_data::packed::Packed;
use viator_data::stream::{Stream, StreamId};

impl Writer<'_> {
    fn id(&mut self, id: StreamId) {
        self.length(id.ms);
        self.length(id.seq);
    }

    pub(crate) fn stream(&mut self, stream: &Stream) {
        let log = stream.log();
        self.length(log.node_count() as u64);
        for (master, node) in log.nodes() {
            self.string(&master.to_bytes());
            self.string(node.as_bytes());
        }
        self.length(log.len() as u64);
        self.id(log.last_id());
        self.id(log.first_id());
        self.id(log.max_deleted_id());
        self.length(log.entries_added());
        self.length(stream.group_count() as u64);
        for (name, group) in stream.groups() {
            self.string(name);
            self.id(group.last_id());
            self.length(group.entries_read().unwrap_or(u64::MAX));
            self.length(group.pending_len() as u64);
            for (id, pending) in group.pending_range(StreamId::MIN, StreamId::MAX) {
                self.raw(&id.to_bytes());
                self.millis(pending.delivery_time);
                self.length(pending.delivery_count);
            }
            self.length(group.consumer_count() as u64);
            for (name, consumer) in group.consumers() {
                self.string(name);
                self.millis(consumer.seen_time);
                self.millis(consumer.active_time.unwrap_or(u64::MAX));
                self.length(consumer.pending_len() as u64);
                for id in consumer.pending_from(StreamId::MIN) {
                    self.raw(&id.to_bytes());
                }
            }
        }
    }
}

impl<S: Source> Reader<S> {
    fn id(&mut self) -> Result<StreamId, Fault> {
        Ok(StreamId::new(self.length()?, self.length()?))
    }

    fn raw_id(&mut self) -> Result<StreamId, Fault> {
        Ok(StreamId::from_bytes(self.bytes()?))
    }

    pub(crate) fn stream(&mut self, kind: u8, _: &Limits) -> Result<Stream, Fault> {
        let mut stream = Stream::new();
        for _ in 0..self.length()? {
            let master = self.string()?;
            let master = <[u8; 16]>::try_from(master.as_slice())
                .map_err(|_| Fault::Data("Stream node key entry is not the size of a stream ID"))?;
            let node = Packed::from_bytes(self.string()?)
                .map_err(|_| Fault::Data("Stream listpack integrity check failed."))?;
            if node.is_empty() {
                return Err(Fault::Data("Empty listpack inside stream"));
            }
            stream
                .push_node(StreamId::from_bytes(master), node)
                .map_err(|_| Fault::Data("Stream listpack integrity check failed."))?;
        }
        let len = self.length()?;
        if len != stream.len() as u64 {
            return Err(Fault::Data("Stream length inconsistent with its entries"));
        }
        let last = self.id()?;
        let (mut max_deleted, mut added) = (StreamId::MIN, len);
        if kind >= types::STREAM_LISTPACKS_2 {
            self.id()?; // the first id, which the entries tell
            max_deleted = self.id()?;
            added = self.length()?;
        }
        if last < stream.log().last_id() {
            return Err(Fault::Data("Stream's last ID is below that of its last entry"));
        }
        stream.set_counters(last, max_deleted, added);
        for _ in 0..self.length()? {
            self.group(kind, &mut stream)?;
        }
        if kind >= types::STREAM_LISTPACKS_4 {
            self.producers()?;
        }
        Ok(stream)
    }

    fn group(&mut self, kind: u8, stream: &mut Stream) -> Result<(), Fault> {
        let name = self.string()?;
        let last = self.id()?;
        let read = if kind >= types::STREAM_LISTPACKS_2 {
            Some(self.length()?).filter(|n| *n != u64::MAX)
        } else {
            stream.log().entries_read_at(last)
        };
        if !stream.create_group(&name, last, read) {
            return Err(Fault::Data("Duplicated consumer group name loading stream consumer group"));
        }
        let pending = self.length()?;
        let mut waiting = HashMap::with_capacity(at_most(pending));
        for _ in 0..pending {
            let id = self.raw_id()?;
            let nack = (self.millis()?, self.length()?);
            if waiting.insert(id, nack).is_some() {
                return Err(Fault::Data("Duplicated global PEL entry loading stream consumer group"));
            }
        }
        for _ in 0..self.length()? {
            let consumer = self.string()?;
            let seen = self.millis()?;
            let active = if kind >= types::STREAM_LISTPACKS_3 {
                Some(self.millis()?).filter(|t| *t != u64::MAX)
            } else {
                Some(seen)
            };
            {
                let (_, group) = stream.group_mut(&name).ok_or(Fault::Data("Consumer group went away"))?;
                if !group.create_consumer(&consumer, seen) {
                    return Err(Fault::Data("Duplicate stream consumer detected"));
                }
            }
            for _ in 0..self.length()? {
                let id = self.raw_id()?;
                let (time, count) =
                    waiting.remove(&id).ok_or(Fault::Data("Consumer entry not found in group global PEL"))?;
                if let Some((_, group)) = stream.group_mut(&name) {
                    group.assign(id, &consumer, time, count);
                }
            }
            if let Some((_, group)) = stream.group_mut(&name) {
                group.touch_consumer(&consumer, seen, active);
            }
        }
        if !waiting.is_empty() {
            return Err(Fault::Data("NACK entry without consumer"));
        }
        Ok(())
    }

    /// What version 13 keeps about producers, to know messages that come again: nothing here asks for it.
    fn producers(&mut self) -> Result<(), Fault> {
        self.length()?;
        self.length()?;
        for _ in 0..self.length()? {
            self.skip_string()?;
            for _ in 0..self.length()? {
                self.skip_string()?;
                self.id()?;
            }
        }
        self.length()?;
        self.length()?;
        Ok(())
    }
}
