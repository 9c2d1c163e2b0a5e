//! A dataset as commands: what a base in the log's own format consists of.

use viator_data::hash::Hash;
use viator_data::num::format_f64;
use viator_data::packed::{Entry, IntBuf};
use viator_data::stream::{Stream, StreamId};
use viator_keyspace::{EntryRef, Object, ValueRef};

/// Most elements of one command.
const ITEMS: usize = 64;

/// Appends a command in RESP.
pub fn command<T: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[T]) {
    header(out, b'*', args.len());
    args.iter().for_each(|a| bulk(out, a.as_ref()));
}

fn header(out: &mut Vec<u8>, mark: u8, n: usize) {
    out.push(mark);
    out.extend_from_slice(n.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Commands of one name and key that take elements, so many at once.
struct Batches<'a> {
    out: &'a mut Vec<u8>,
    head: [&'a [u8]; 2],
    /// Arguments of one element.
    width: usize,
    args: Vec<Vec<u8>>,
}

impl Batches<'_> {
    fn push(&mut self, arg: Vec<u8>) {
        self.args.push(arg);
        if self.args.len() == ITEMS * self.width {
            self.flush();
        }
    }

    fn push_entry(&mut self, e: Entry<'_>) {
        self.push(e.bytes(&mut IntBuf::new()).to_vec());
    }

    fn flush(&mut self) {
        if !self.args.is_empty() {
            header(self.out, b'*', 2 + self.args.len());
            self.head.iter().for_each(|h| bulk(self.out, h));
            self.args.iter().for_each(|a| bulk(self.out, a));
            self.args.clear();
        }
    }
}

/// Appends the commands that make a key.
pub fn key(out: &mut Vec<u8>, e: &EntryRef<'_>) {
    value(out, e.key, e.value);
    if let Some(at) = e.expire {
        command(out, &[&b"PEXPIREAT"[..], e.key, at.to_string().as_bytes()]);
    }
}

fn value(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>) {
    let object = match value {
        ValueRef::Int(n) => return command(out, &[&b"SET"[..], key, n.to_string().as_bytes()]),
        ValueRef::Str { bytes, .. } => return command(out, &[&b"SET"[..], key, bytes]),
        ValueRef::Object(o) => o,
    };
    let batches = |out, name, width| Batches { out, head: [name, key], width, args: Vec::new() };
    match object {
        Object::Str(s) => command(out, &[&b"SET"[..], key, s.as_slice()]),
        Object::List(l) => {
            let mut b = batches(out, b"RPUSH", 1);
            l.for_each(|e| b.push_entry(e));
            b.flush();
        }
        Object::Set(s) => {
            let mut b = batches(out, b"SADD", 1);
            s.iter().for_each(|e| b.push_entry(e));
            b.flush();
        }
        Object::Zset(z) => {
            let mut b = batches(out, b"ZADD", 2);
            for (member, score) in z.iter() {
                let mut text = Vec::new();
                format_f64(score, &mut text);
                b.push(text);
                b.push_entry(member);
            }
            b.flush();
        }
        Object::Hash(h) => {
            let mut b = batches(out, b"HMSET", 2);
            for f in h.iter() {
                b.push_entry(f.name);
                b.push_entry(f.value);
            }
            b.flush();
            field_expirations(out, key, h);
        }
        Object::Stream(s) => stream(out, key, s),
    }
}

fn field_expirations(out: &mut Vec<u8>, key: &[u8], h: &Hash) {
    if h.expiring_len() == 0 {
        return;
    }
    for f in h.iter() {
        if let Some(at) = f.expire {
            let name = f.name.to_vec();
            command(out, &[&b"HPEXPIREAT"[..], key, at.to_string().as_bytes(), b"FIELDS", b"1", &name]);
        }
    }
}

fn id(id: StreamId) -> Vec<u8> {
    format!("{}-{}", id.ms, id.seq).into_bytes()
}

fn stream(out: &mut Vec<u8>, key: &[u8], s: &Stream) {
    let log = s.log();
    if log.is_empty() {
        // an empty stream: an entry that is trimmed at once
        command(out, &[&b"XADD"[..], key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]);
    } else {
        for item in log.range(StreamId::MIN, StreamId::MAX, false) {
            let mut args = vec![b"XADD".to_vec(), key.to_vec(), id(item.id)];
            for (name, value) in item.fields {
                args.push(name.to_vec());
                args.push(value.to_vec());
            }
            command(out, &args);
        }
    }
    let added = log.entries_added().to_string();
    let (last, deleted) = (id(log.last_id()), id(log.max_deleted_id()));
    command(out, &[&b"XSETID"[..], key, &last, b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", &deleted]);
    for (name, group) in s.groups() {
        let read = group.entries_read().map_or(-1, |n| n as i64).to_string();
        let position = id(group.last_id());
        command(out, &[&b"XGROUP"[..], b"CREATE", key, name, &position, b"ENTRIESREAD", read.as_bytes()]);
        for (consumer, c) in group.consumers() {
            command(out, &[&b"XGROUP"[..], b"CREATECONSUMER", key, name, consumer]);
            for pending in c.pending_from(StreamId::MIN) {
                let Some(p) = group.pending(pending) else { continue };
                let (time, count) = (p.delivery_time.to_string(), p.delivery_count.to_string());
                command(
                    out,
                    &[
                        &b"XCLAIM"[..],
                        key,
                        name,
                        consumer,
                        b"0",
                        &id(pending),
                        b"TIME",
                        time.as_bytes(),
                        b"RETRYCOUNT",
                        count.as_bytes(),
                        b"JUSTID",
                        b"FORCE",
                    ],
                );
            }
        }
    }
}
