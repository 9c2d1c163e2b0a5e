//! Values of every type and encoding that a Redis has ever written.
//!
//! What is read is checked as far as anything here depends on it, so that no payload brings a structure into a state that
//! it does not have by itself.

use crate::encode::{PACKED, PLAIN};
use crate::legacy;
use crate::reader::Reader;
use crate::source::Source;
use crate::{Fault, types};
use std::collections::HashSet;
use std::sync::Arc;
use viator_data::hash::{self, Hash, Ttl};
use viator_data::intset::IntSet;
use viator_data::list::{self, List};
use viator_data::num;
use viator_data::packed::{Entry, IntBuf, Packed};
use viator_data::set::{self, Set};
use viator_data::zset::{self, Inserted, ZSet};
use viator_keyspace::{Content, MAX_INLINE, NewValue, Object, Type};

/// The latest point in time at which a field may expire.
const MAX_FIELD_EXPIRE: u64 = (1 << 48) - 1;
/// What is reserved ahead for a number of elements that is only claimed.
const MAX_AHEAD: u64 = 1024;

/// How structures are to be built, by the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Of hashes.
    pub hash: hash::Limits,
    /// Of lists.
    pub list: list::Limits,
    /// Of sets.
    pub set: set::Limits,
    /// Of sorted sets.
    pub zset: zset::Limits,
    /// Whether elements of listpacks are looked at for duplicates.
    pub distinct: bool,
}

impl Limits {
    /// The same, and duplicates are looked for: so is done with all that is converted.
    fn distinct(&self) -> Limits {
        Limits { distinct: true, ..*self }
    }
}

/// A value as it was read.
#[derive(Debug)]
pub enum Loaded {
    /// An integer, a string by type.
    Int(i64),
    /// A string.
    Str(Vec<u8>),
    /// Anything larger.
    Object(Box<Object>),
}

impl Loaded {
    /// A string by type.
    fn text(text: Vec<u8>) -> Loaded {
        match num::parse_i64(&text) {
            Some(n) => Loaded::Int(n),
            None if text.len() > MAX_INLINE => Loaded::Object(Box::new(Object::Str(Arc::new(text)))),
            None => Loaded::Str(text),
        }
    }

    /// Its type.
    pub fn kind(&self) -> Type {
        if let Loaded::Object(o) = self { o.kind() } else { Type::String }
    }

    /// Hands it on, to be stored.
    pub fn store<R>(self, with: impl FnOnce(NewValue<'_>) -> R) -> R {
        match self {
            Loaded::Int(n) => with(NewValue::Int(n)),
            Loaded::Str(bytes) => with(NewValue::Str { bytes: &bytes, raw: false }),
            Loaded::Object(o) => with(NewValue::Object(o)),
        }
    }
}

/// What may be reserved for a claimed number of elements.
pub(crate) fn at_most(claimed: u64) -> usize {
    claimed.min(MAX_AHEAD) as usize
}

fn claimed(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn object(content: impl Content) -> Result<Loaded, Fault> {
    let object = content.into_object();
    if object.is_empty() && object.kind() != Type::Stream {
        return Err(Fault::Empty);
    }
    Ok(Loaded::Object(Box::new(object)))
}

impl<S: Source> Reader<S> {
    /// A value: type byte and content.
    ///
    /// # Errors
    /// Any [`Fault`] but the footer's and the file's.
    pub fn value(&mut self, limits: &Limits) -> Result<Loaded, Fault> {
        let kind = self.byte()?;
        self.content(kind, limits)
    }

    /// The content of a value of this type.
    ///
    /// # Errors
    /// As [`Reader::value`].
    pub fn content(&mut self, kind: u8, limits: &Limits) -> Result<Loaded, Fault> {
        match kind {
            types::STRING => Ok(Loaded::text(self.string()?)),
            types::LIST => object(self.linked_list(limits)?),
            types::LIST_ZIPLIST => {
                let mut list = List::from_packed(&ziplist(&self.string()?, "List ziplist integrity check failed.")?);
                list.fit(&limits.list);
                object(list)
            }
            types::LIST_QUICKLIST | types::LIST_QUICKLIST_2 => object(self.quicklist(kind, limits)?),
            types::SET => object(self.set(limits)?),
            types::SET_INTSET => {
                let ints =
                    IntSet::from_bytes(self.string()?).map_err(|_| Fault::Data("Intset integrity check failed."))?;
                let mut set = Set::from_intset(ints);
                set.expect_members(set.len(), &limits.set);
                object(set)
            }
            types::SET_LISTPACK => {
                let members = Packed::from_bytes(self.string()?)?;
                distinct(&members, 1, "Set listpack integrity check failed.", limits)?;
                let mut set = Set::from_packed(members);
                set.expect_members(set.len(), &limits.set);
                object(set)
            }
            types::ZSET | types::ZSET_2 => object(self.zset(kind, limits)?),
            types::ZSET_ZIPLIST => {
                let pairs = ziplist(&self.string()?, "Zset ziplist integrity check failed.")?;
                object(packed_zset(pairs, &limits.distinct())?)
            }
            types::ZSET_LISTPACK => object(packed_zset(Packed::from_bytes(self.string()?)?, limits)?),
            types::HASH => object(self.hash(kind, limits)?),
            types::HASH_METADATA | types::HASH_METADATA_PRE_GA => object(self.hash(kind, limits)?),
            types::HASH_ZIPMAP => object(packed_hash(legacy::zipmap(&self.string()?)?, 2, true, &limits.distinct())?),
            types::HASH_ZIPLIST => {
                let pairs = ziplist(&self.string()?, "Hash ziplist integrity check failed.")?;
                object(packed_hash(pairs, 2, false, &limits.distinct())?)
            }
            types::HASH_LISTPACK => object(packed_hash(Packed::from_bytes(self.string()?)?, 2, false, limits)?),
            types::HASH_LISTPACK_EX | types::HASH_LISTPACK_EX_PRE_GA => {
                if kind == types::HASH_LISTPACK_EX {
                    self.millis()?;
                }
                object(packed_hash(Packed::from_bytes(self.string()?)?, 3, false, limits)?)
            }
            types::STREAM_LISTPACKS
            | types::STREAM_LISTPACKS_2
            | types::STREAM_LISTPACKS_3
            | types::STREAM_LISTPACKS_4 => object(self.stream(kind, limits)?),
            types::MODULE_2 => Err(Fault::Module(module_name(self.length()?))),
            types::MODULE_PRE_GA => Err(Fault::Data("Pre-release module format not supported")),
            _ => Err(Fault::Kind(kind)),
        }
    }

    fn linked_list(&mut self, limits: &Limits) -> Result<List, Fault> {
        let mut list = List::new();
        let mut element = Vec::new();
        for _ in 0..self.length()? {
            self.string_into(&mut element)?;
            list.push(list::End::Back, &[&element], &limits.list);
        }
        Ok(list)
    }

    fn quicklist(&mut self, kind: u8, limits: &Limits) -> Result<List, Fault> {
        let mut list = List::new();
        for _ in 0..self.length()? {
            let container = if kind == types::LIST_QUICKLIST_2 { self.length()? } else { PACKED };
            let bytes = match container {
                PLAIN | PACKED => self.string()?,
                _ => return Err(Fault::Data("Quicklist integrity check failed.")),
            };
            if bytes.is_empty() {
                return Err(Fault::Data("Quicklist integrity check failed."));
            }
            if container == PLAIN {
                list.push_plain_node(bytes);
            } else if kind == types::LIST_QUICKLIST_2 {
                list.push_packed_node(&Packed::from_bytes(bytes)?);
            } else {
                list.push_packed_node(&legacy::ziplist(&bytes)?);
            }
        }
        list.fit(&limits.list);
        Ok(list)
    }

    fn set(&mut self, limits: &Limits) -> Result<Set, Fault> {
        let len = self.length()?;
        let encoding =
            if claimed(len) > limits.set.intset_entries { set::Encoding::Hashtable } else { set::Encoding::Intset };
        let mut set = Set::empty(encoding);
        let mut member = Vec::new();
        for _ in 0..len {
            self.string_into(&mut member)?;
            if !set.add(&member, &limits.set) {
                return Err(Fault::Data("Duplicate set members detected"));
            }
        }
        Ok(set)
    }

    fn zset(&mut self, kind: u8, limits: &Limits) -> Result<ZSet, Fault> {
        let len = self.length()?;
        let mut zset = ZSet::for_members(claimed(len), 0, &limits.zset);
        let mut member = Vec::new();
        for _ in 0..len {
            self.string_into(&mut member)?;
            let score = if kind == types::ZSET_2 { self.binary_double()? } else { self.text_double()? };
            if score.is_nan() {
                return Err(Fault::Data("Zset with NAN score detected"));
            }
            if zset.insert(&member, score, &limits.zset) != Inserted::Added {
                return Err(Fault::Data("Duplicate zset fields detected"));
            }
        }
        Ok(zset)
    }

    fn hash(&mut self, kind: u8, limits: &Limits) -> Result<Hash, Fault> {
        let min = if kind == types::HASH_METADATA { self.millis()? } else { 0 };
        let len = self.length()?;
        let mut hash = Hash::new();
        hash.expect(claimed(len), 0, 0, &limits.hash);
        let (mut name, mut value) = (Vec::new(), Vec::new());
        for _ in 0..len {
            let ttl = if kind == types::HASH { 0 } else { self.length()? };
            let expire = match ttl {
                0 => Ttl::Clear,
                ttl if kind == types::HASH_METADATA_PRE_GA => Ttl::At(ttl),
                ttl => Ttl::At(min.saturating_add(ttl - 1)),
            };
            if matches!(expire, Ttl::At(at) if at > MAX_FIELD_EXPIRE) {
                return Err(Fault::Data("invalid expireAt time"));
            }
            self.string_into(&mut name)?;
            self.string_into(&mut value)?;
            if !hash.set(&name, &value, expire, &limits.hash).created {
                return Err(Fault::Data("Duplicate hash fields detected"));
            }
        }
        Ok(hash)
    }

    /// Passes over a value of this type without building it.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Data`].
    pub fn skip(&mut self, kind: u8) -> Result<(), Fault> {
        match kind {
            types::MODULE_2 => {
                self.length()?;
                self.skip_module()
            }
            types::STRING
            | types::LIST_ZIPLIST
            | types::SET_INTSET
            | types::SET_LISTPACK
            | types::ZSET_ZIPLIST
            | types::ZSET_LISTPACK
            | types::HASH_ZIPMAP
            | types::HASH_ZIPLIST
            | types::HASH_LISTPACK
            | types::HASH_LISTPACK_EX_PRE_GA => self.skip_string(),
            _ => match self.content(kind, &Limits::default()) {
                Ok(_) | Err(Fault::Empty) => Ok(()),
                Err(e) => Err(e),
            },
        }
    }

    /// Passes over what stands between a module's name and its data that belong to no key: when these are meant to be read.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Data`].
    pub fn skip_moment(&mut self) -> Result<(), Fault> {
        let opcode = self.length()?;
        self.length()?;
        if opcode == 2 { Ok(()) } else { Err(Fault::Data("bad when_opcode")) }
    }

    /// Passes over what a module wrote, its name read.
    ///
    /// # Errors
    /// [`Fault::Short`], [`Fault::Data`].
    pub fn skip_module(&mut self) -> Result<(), Fault> {
        loop {
            match self.length()? {
                0 => return Ok(()),
                1 | 2 => self.length().map(|_| ())?,
                3 => self.take(4).map(|_| ())?,
                4 => self.take(8).map(|_| ())?,
                5 => self.skip_string()?,
                _ => return Err(Fault::Data("Unknown module opcode")),
            }
        }
    }
}

/// The nine characters of a module type's name, from its number.
pub(crate) fn module_name(id: u64) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |i: u32| ALPHABET.get((id >> (10 + 6 * i)) as usize & 63).map_or('?', |c| char::from(*c));
    (0..9).rev().map(letter).collect()
}

/// A ziplist, with the text for what it is part of.
fn ziplist(bytes: &[u8], text: &'static str) -> Result<Packed, Fault> {
    legacy::ziplist(bytes).map_err(|_| Fault::Data(text))
}

/// An entry as it compares: text that is an integer's is one.
fn plain(e: Entry<'_>) -> Entry<'_> {
    e.as_int().map_or(e, Entry::Int)
}

/// Checks that the first of every `width` entries are all different.
fn distinct(packed: &Packed, width: usize, text: &'static str, limits: &Limits) -> Result<(), Fault> {
    if !limits.distinct {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(at_most(packed.len() as u64));
    if packed.iter().step_by(width).all(|e| seen.insert(plain(e))) { Ok(()) } else { Err(Fault::Data(text)) }
}

fn packed_zset(pairs: Packed, limits: &Limits) -> Result<ZSet, Fault> {
    const BAD: Fault = Fault::Data("Zset listpack integrity check failed.");
    if !pairs.len().is_multiple_of(2) {
        return Err(BAD);
    }
    distinct(&pairs, 2, "Zset listpack integrity check failed.", limits)?;
    let mut entries = pairs.iter();
    let (mut ordered, mut before): (bool, Option<(f64, Entry<'_>)>) = (true, None);
    let (mut a, mut b) = (IntBuf::new(), IntBuf::new());
    while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
        let score = match score {
            Entry::Int(i) => i as f64,
            Entry::Str(s) => num::parse_f64(s).filter(|s| !s.is_nan()).ok_or(BAD)?,
        };
        if let Some((s, m)) = before {
            ordered &= s < score || (s == score && m.bytes(&mut a) < member.bytes(&mut b));
        }
        before = Some((score, member));
    }
    let len = pairs.len() / 2;
    let mut zset = ZSet::from_packed(pairs);
    if !ordered {
        // never so written; kept from going on as one that searches cannot rely on
        let mut sorted = ZSet::for_members(len, 0, &limits.zset);
        let mut buf = IntBuf::new();
        for (m, s) in zset.iter() {
            sorted.insert(m.bytes(&mut buf), s, &limits.zset);
        }
        zset = sorted;
    }
    zset.expect_members(len, 0, &limits.zset);
    Ok(zset)
}

/// `long`: fields and values may be longer than a listpack's limit allows.
fn packed_hash(packed: Packed, width: usize, long: bool, limits: &Limits) -> Result<Hash, Fault> {
    const BAD: Fault = Fault::Data("Hash listpack integrity check failed.");
    if !packed.len().is_multiple_of(width) {
        return Err(BAD);
    }
    distinct(&packed, width, "Hash listpack integrity check failed.", limits)?;
    let fields = packed.len() / width;
    let longest = if long { packed.iter().map(|e| e.len()).max().unwrap_or(0) } else { 0 };
    let mut hash = if width == 3 {
        let mut latest = 0;
        for at in packed.iter().skip(2).step_by(3) {
            let at =
                at.as_int().and_then(|at| u64::try_from(at).ok()).filter(|at| *at <= MAX_FIELD_EXPIRE).ok_or(BAD)?;
            // the earliest first, those that do not expire last
            let key = if at == 0 { u64::MAX } else { at };
            if key < latest {
                return Err(BAD);
            }
            latest = key;
        }
        Hash::from_packed_ex(packed)
    } else {
        Hash::from_packed(packed)
    };
    hash.expect(fields, longest, 0, &limits.hash);
    Ok(hash)
}
