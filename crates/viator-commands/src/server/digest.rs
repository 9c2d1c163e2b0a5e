//! DEBUG DIGEST and DEBUG DIGEST-VALUE: the same 40 digits that Redis gives for the same data, so that datasets of two
//! servers can be compared.

use sha1::{Digest as _, Sha1};
use viator_data::hash::Hash;
use viator_data::num::format_digits;
use viator_data::packed::IntBuf;
use viator_data::stream::{Stream, StreamId};
use viator_keyspace::{EntryRef, Object, Type, ValueRef};

/// A digest under construction: 20 bytes, into which bytes are mixed in order, or added without order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds bytes; the order of additions does not matter.
    pub fn add(&mut self, bytes: &[u8]) {
        let hash = Sha1::digest(bytes);
        self.0.iter_mut().zip(hash.iter()).for_each(|(mine, theirs)| *mine ^= theirs);
    }

    /// Mixes bytes in; the order matters.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        let hash = Sha1::digest(self.0);
        self.0.copy_from_slice(&hash);
    }

    /// Adds another digest's own digest: a part of something without order.
    pub fn add_digest(&mut self, other: Digest) {
        self.add(&other.0);
    }

    /// Mixes a value in: its type, its content, whether it expires.
    pub fn value(&mut self, e: &EntryRef<'_>) {
        match e.value {
            ValueRef::Int(n) => self.string(itoa::Buffer::new().format(n).as_bytes()),
            ValueRef::Str { bytes, .. } => self.string(bytes),
            ValueRef::Object(o) => match o {
                Object::Str(s) => self.string(s),
                Object::List(l) => {
                    self.kind(Type::List);
                    l.for_each(|e| self.mix(e.bytes(&mut IntBuf::new())));
                }
                Object::Set(s) => {
                    self.kind(Type::Set);
                    s.iter().for_each(|e| self.add(e.bytes(&mut IntBuf::new())));
                }
                Object::Zset(z) => {
                    self.kind(Type::Zset);
                    z.iter().for_each(|(member, score)| {
                        let mut part = Digest::default();
                        part.mix(member.bytes(&mut IntBuf::new()));
                        let mut text = Vec::new();
                        format_digits(score, &mut text);
                        part.mix(&text);
                        self.add_digest(part);
                    });
                }
                Object::Hash(h) => self.hash(h),
                Object::Stream(s) => self.stream(s),
            },
        }
        if e.expire.is_some() {
            self.add(b"!!expire!!");
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        self.kind(Type::String);
        self.mix(bytes);
    }

    fn hash(&mut self, hash: &Hash) {
        self.kind(Type::Hash);
        for field in hash.iter() {
            let mut part = Digest::default();
            part.mix(field.name.bytes(&mut IntBuf::new()));
            part.mix(field.value.bytes(&mut IntBuf::new()));
            if field.expire.is_some() {
                part.add(b"!!hexpire!!");
            }
            self.add_digest(part);
        }
    }

    fn stream(&mut self, stream: &Stream) {
        self.kind(Type::Stream);
        for item in stream.log().range(StreamId::MIN, StreamId::MAX, false) {
            self.mix(format!("{}.{}", item.id.ms, item.id.seq).as_bytes());
            for (name, value) in item.fields {
                self.mix(name.bytes(&mut IntBuf::new()));
                self.mix(value.bytes(&mut IntBuf::new()));
            }
        }
    }

    /// Mixes a type in, by the number it has in Redis.
    fn kind(&mut self, kind: Type) {
        let number: u32 = match kind {
            Type::String => 0,
            Type::List => 1,
            Type::Set => 2,
            Type::Zset => 3,
            Type::Hash => 4,
            Type::Stream => 6,
        };
        self.mix(&number.to_be_bytes());
    }

    /// The 40 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(key: &'a [u8], value: &'a [u8], expire: Option<i64>) -> EntryRef<'a> {
        EntryRef { key, value: ValueRef::Str { bytes: value, raw: false }, expire, lru: 0, len: 0, within: false }
    }

    #[test]
    fn strings_as_redis_digests_them() {
        let of = |e: &EntryRef<'_>| {
            let mut d = Digest::default();
            d.value(e);
            d.hex()
        };
        assert_eq!(of(&entry(b"foo", b"bar", None)), "68467c70ae30376e7ce005bcc8827f5ba7fd67dc");
        assert_eq!(of(&entry(b"x:1", b"v", Some(1))), "311b17018163335616e089f6b951c82c477335ac");
        let int = EntryRef { value: ValueRef::Int(1), ..entry(b"a", b"", None) };
        assert_eq!(of(&int), "b4fc66738120fba0b5aa500ab5c2bf89cea1c5da");
    }
}
