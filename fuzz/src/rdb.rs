//! Values and files in the RDB format, from anybody.

use viator_data::{hash, list, set, zset};
use viator_keyspace::{Object, ValueRef};
use viator_persist::file::Part;
use viator_persist::{Limits, Loaded, Reader, Streamed, Writer, types};

/// The first byte chooses: a value of a type, or a file. A value that is taken can be read, changed, written, and read
/// again.
pub fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let limits = Limits { distinct: choice & 0x80 != 0, ..Limits::default() };
    match choice & 0x3F {
        kind @ ..=types::STREAM_LISTPACKS_4 => {
            if let Ok(Loaded::Object(object)) = Reader::of_bytes(rest).content(kind, &limits) {
                used(*object, &limits);
            }
        }
        _ => file(rest, &limits),
    }
}

fn used(mut object: Object, limits: &Limits) {
    let mut w = Writer::new(None);
    w.value(ValueRef::Object(&object));
    let again = Reader::of_bytes(&w.finish()).value(limits);
    assert!(again.is_ok() || object.is_empty(), "what was written is read: {again:?}");
    let copy = object.share();
    match &mut object {
        Object::Str(_) => {}
        Object::List(l) => {
            let limits = list::Limits::default();
            l.push(list::End::Front, &[b"new"], &limits);
            l.for_each(|e| drop(e.to_vec()));
            while l.pop(list::End::Back, &limits, |_| ()).is_some() {}
        }
        Object::Set(s) => {
            s.add(b"new", &set::Limits::default());
            let all: Vec<_> = s.iter().map(|e| e.to_vec()).collect();
            all.iter().for_each(|m| {
                s.remove(m);
            });
        }
        Object::Zset(z) => {
            z.insert(b"new", 1.5, &zset::Limits::default());
            while z.pop_min().is_some() {}
        }
        Object::Hash(h) => {
            h.set(b"new", b"value", hash::Ttl::At(9), &hash::Limits::default());
            h.take_expired(u64::MAX, usize::MAX, |_| ());
            let all: Vec<_> = h.iter().map(|f| f.name.to_vec()).collect();
            all.iter().for_each(|m| {
                h.remove(m);
            });
        }
        Object::Stream(s) => {
            let ids: Vec<_> =
                s.log().range(Default::default(), viator_data::stream::StreamId::MAX, true).map(|i| i.id).collect();
            ids.into_iter().for_each(|id| {
                s.delete(id);
            });
        }
    }
    drop(copy);
}

/// Reads a file to its end, or to what is wrong with it.
fn file(bytes: &[u8], limits: &Limits) {
    let mut r = Reader::new(Streamed::new(bytes, true));
    if r.header().is_err() {
        return;
    }
    while let Ok(part) = r.part() {
        let read = match part {
            Part::Key(kind) => r.skip_string().and_then(|()| r.content(kind, limits).map(drop)),
            Part::ModuleAux(_) => r.skip_module(),
            Part::End => break,
            _ => Ok(()),
        };
        if read.is_err() {
            break;
        }
    }
    r.source().checksum();
}
