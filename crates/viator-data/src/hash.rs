//! The hash: fields with values and, maybe, expiration times of their own.
//!
//! A small hash is a listpack of field, value, field, value… ("listpack"). Once a field has an expiration time it is a
//! listpack of field, value, time ordered by that time, fields without one (time 0) last ("listpackex"): both are the
//! bytes Redis keeps and dumps. Over `hash-max-listpack-entries` fields, or with a field or value over
//! `hash-max-listpack-value` bytes, it is a table ("hashtable") and stays one.
//!
//! The structure reads no clock: an expired field is there until [`Hash::take_expired`] removes it, and handlers
//! skip it by [`Field::is_live`].

mod big;
#[cfg(test)]
mod tests;

use crate::hashing::below;
use crate::packed::{self, Entry, IntBuf, Iter, Packed, Pos};
use big::BigHash;

/// Where the listpack encodings end: the configuration's `hash-max-listpack-*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `hash-max-listpack-entries`, fields.
    pub listpack_entries: usize,
    /// `hash-max-listpack-value`, bytes of a field or value.
    pub listpack_value: usize,
}

impl Default for Limits {
    /// Redis's defaults.
    fn default() -> Self {
        Limits { listpack_entries: 512, listpack_value: 64 }
    }
}

/// How a hash is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Field, value…
    Listpack,
    /// Field, value, expiration time…
    ListpackEx,
    /// A hash table.
    Hashtable,
}

impl Encoding {
    /// The name OBJECT ENCODING gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Listpack => "listpack",
            Encoding::ListpackEx => "listpackex",
            Encoding::Hashtable => "hashtable",
        }
    }
}

/// A field, borrowed from the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub name: Entry<'a>,
    /// Its value.
    pub value: Entry<'a>,
    /// When it expires, in milliseconds since the epoch.
    pub expire: Option<u64>,
}

impl Field<'_> {
    /// Whether the field has not expired at this time: as for keys, it lives up to and including its last millisecond.
    pub fn is_live(&self, now: u64) -> bool {
        self.expire.is_none_or(|at| now <= at)
    }
}

/// What happens to a field's expiration time when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It is removed (HSET).
    Clear,
    /// It stays (HINCRBY, KEEPTTL).
    Keep,
    /// It becomes this (milliseconds since the epoch; 0 removes it).
    At(u64),
}

/// What [`Hash::set`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOutcome {
    /// Whether the field is new.
    pub created: bool,
    /// The expiration time it had before.
    pub previous_expire: Option<u64>,
}

/// A hash.
#[derive(Clone, Debug)]
pub struct Hash {
    repr: Repr,
}

#[derive(Clone, Debug)]
enum Repr {
    Packed(Packed),
    /// Boxed, so that a hash is three words.
    PackedEx(Box<Packed>),
    Table(Box<BigHash>),
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

fn some(expire: u64) -> Option<u64> {
    (expire != 0).then_some(expire)
}

impl Hash {
    /// An empty hash, a listpack.
    pub fn new() -> Self {
        Hash { repr: Repr::Packed(Packed::new()) }
    }

    /// An empty hash in the given encoding.
    pub fn empty(encoding: Encoding) -> Self {
        let repr = match encoding {
            Encoding::Listpack => Repr::Packed(Packed::new()),
            Encoding::ListpackEx => Repr::PackedEx(Box::default()),
            Encoding::Hashtable => Repr::Table(Box::default()),
        };
        Hash { repr }
    }

    /// A hash from a listpack of fields and values; the caller knows the fields to be distinct and complete.
    pub fn from_packed(pairs: Packed) -> Self {
        Hash { repr: Repr::Packed(pairs) }
    }

    /// A hash from a listpack of field, value, time; the caller knows it to be complete, distinct and in order.
    pub fn from_packed_ex(triples: Packed) -> Self {
        Hash { repr: Repr::PackedEx(Box::new(triples)) }
    }

    /// A copy to be read and dropped that shares memory with this one, until this one is changed.
    pub fn share(&mut self) -> Hash {
        match &mut self.repr {
            Repr::Table(t) => Hash { repr: Repr::Table(Box::new(t.share())) },
            _ => self.clone(),
        }
    }

    /// The encoding.
    pub fn encoding(&self) -> Encoding {
        match &self.repr {
            Repr::Packed(_) => Encoding::Listpack,
            Repr::PackedEx(_) => Encoding::ListpackEx,
            Repr::Table(_) => Encoding::Hashtable,
        }
    }

    /// The listpack, in either listpack encoding.
    pub fn as_packed(&self) -> Option<&Packed> {
        self.packed().map(|(p, _)| p)
    }

    /// The listpack, in the given one of the listpack encodings, for [`Packed::reload`].
    pub fn packed_mut(&mut self, encoding: Encoding) -> Option<&mut Packed> {
        match (&mut self.repr, encoding) {
            (Repr::Packed(p), Encoding::Listpack) => Some(p),
            (Repr::PackedEx(p), Encoding::ListpackEx) => Some(p),
            _ => None,
        }
    }

    /// The listpack and how many entries a field takes.
    fn packed(&self) -> Option<(&Packed, usize)> {
        match &self.repr {
            Repr::Packed(p) => Some((p, 2)),
            Repr::PackedEx(p) => Some((p, 3)),
            Repr::Table(_) => None,
        }
    }

    /// Number of fields, expired ones included, as HLEN counts.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => p.len() / 2,
            Repr::PackedEx(p) => p.len() / 3,
            Repr::Table(t) => t.table.len(),
        }
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes held.
    pub fn memory_usage(&self) -> usize {
        match &self.repr {
            Repr::Packed(p) => p.memory_usage(),
            Repr::PackedEx(p) => size_of::<Packed>() + p.memory_usage(),
            Repr::Table(t) => t.memory_usage(),
        }
    }

    /// Converts to a table at once if what is about to be added needs one: `fields` new fields at most, the longest
    /// name or value, and the bytes of all of them, as HSET does before it adds the first.
    pub fn expect(&mut self, fields: usize, longest: usize, total: usize, limits: &Limits) {
        if let Some((p, _)) = self.packed()
            && (fields > limits.listpack_entries || longest > limits.listpack_value || !p.can_add(total))
        {
            self.make_table();
        }
    }

    fn make_table(&mut self) {
        if self.packed().is_none() {
            return;
        }
        let mut big = BigHash::default();
        let (mut a, mut b) = (IntBuf::new(), IntBuf::new());
        for f in self.iter() {
            big.set(f.name.bytes(&mut a), f.value.bytes(&mut b), f.expire.unwrap_or(0));
        }
        self.repr = Repr::Table(Box::new(big));
    }

    /// Makes a listpack one with room for expiration times, as Redis does before it looks whether there is a field to
    /// get one.
    pub fn make_ex(&mut self) {
        let Repr::Packed(old) = &self.repr else { return };
        let mut new = Packed::with_capacity(old.byte_len() + old.len());
        let mut entries = old.iter();
        while let (Some(name), Some(value)) = (entries.next(), entries.next()) {
            new.push_back_entry(name);
            new.push_back_entry(value);
            new.push_back_int(0);
        }
        self.repr = Repr::PackedEx(Box::new(new));
    }

    /// The field of this name.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<Field<'_>> {
        match &self.repr {
            Repr::Packed(p) => {
                let mut entries = p.iter_from(p.find(p.first()?, name, 1)?);
                Some(Field { name: entries.next()?, value: entries.next()?, expire: None })
            }
            Repr::PackedEx(p) => triple(&mut p.iter_from(p.find(p.first()?, name, 2)?)),
            Repr::Table(t) => t.get(name),
        }
    }

    /// Begins to load what looking for the fields of these names will touch.
    pub fn load_ahead(&self, names: &[&[u8]]) {
        if let Repr::Table(t) = &self.repr {
            t.table.load_ahead(names);
        }
    }

    /// The value of a field that has not expired.
    #[inline]
    pub fn get_live(&self, name: &[u8], now: u64) -> Option<Entry<'_>> {
        self.get(name).filter(|f| f.is_live(now)).map(|f| f.value)
    }

    /// Whether there is a field of this name, expired or not.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Sets a field's value, adding the field if it is new.
    pub fn set(&mut self, name: &[u8], value: &[u8], ttl: Ttl, limits: &Limits) -> SetOutcome {
        if let Some((p, _)) = self.packed()
            && (name.len().max(value.len()) > limits.listpack_value || !p.can_add(name.len() + value.len()))
        {
            self.make_table();
        }
        if matches!(ttl, Ttl::At(at) if at != 0) {
            self.make_ex();
        }
        let outcome = match &mut self.repr {
            Repr::Packed(p) => {
                let found = p.first().and_then(|first| p.find(first, name, 1)).and_then(|at| p.next(at));
                if let Some(at) = found {
                    p.replace(at, value);
                } else {
                    p.push_back(name);
                    p.push_back(value);
                }
                SetOutcome { created: found.is_none(), previous_expire: None }
            }
            Repr::PackedEx(p) => set_ex(p, name, value, ttl),
            Repr::Table(t) => return t.set_with(name, value, ttl),
        };
        if self.len() > limits.listpack_entries {
            self.make_table();
        }
        outcome
    }

    /// Removes a field; whether it was there.
    pub fn remove(&mut self, name: &[u8]) -> bool {
        let (p, width) = match &mut self.repr {
            Repr::Packed(p) => (p, 2),
            Repr::PackedEx(p) => (p.as_mut(), 3),
            Repr::Table(t) => return t.remove(name),
        };
        let found = p.first().and_then(|first| p.find(first, name, width - 1));
        if let Some(at) = found {
            p.remove_at(at, width);
        }
        found.is_some()
    }

    /// Gives a field an expiration time (milliseconds since the epoch; 0 takes it away) and returns what it had;
    /// `None` if there is no such field.
    pub fn set_expire(&mut self, name: &[u8], at: u64) -> Option<Option<u64>> {
        let previous = self.get(name)?.expire;
        if at == 0 && previous.is_none() {
            return Some(None);
        }
        self.make_ex();
        match &mut self.repr {
            Repr::PackedEx(p) => {
                let found = p.find(p.first()?, name, 2)?;
                let value = p.get(p.next(found)?)?.to_vec();
                p.remove_at(found, 3);
                insert_ex(p, name, &value, at);
            }
            Repr::Table(t) => t.set_expire(name, at),
            Repr::Packed(_) => {}
        }
        Some(previous)
    }

    /// The earliest expiration time of a field.
    pub fn min_expire(&self) -> Option<u64> {
        match &self.repr {
            Repr::Packed(_) => None,
            Repr::PackedEx(p) => triple(&mut p.iter())?.expire,
            Repr::Table(t) => t.min_expire(),
        }
    }

    /// Removes up to `limit` fields that have expired at `now`, the earliest first, and hands their names to `gone`.
    /// Returns how many.
    pub fn take_expired(&mut self, now: u64, limit: usize, mut gone: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        match &mut self.repr {
            Repr::Packed(_) => {}
            Repr::PackedEx(p) => {
                let mut buf = IntBuf::new();
                let mut fields = p.iter();
                while taken < limit {
                    let Some(f) = triple(&mut fields).filter(|f| !f.is_live(now)) else { break };
                    gone(f.name.bytes(&mut buf));
                    taken += 1;
                }
                if let (Some(first), true) = (p.first(), taken > 0) {
                    p.remove_at(first, taken * 3);
                }
            }
            Repr::Table(t) => {
                while taken < limit {
                    let Some(name) = t.take_expired(now) else { break };
                    gone(&name);
                    taken += 1;
                }
            }
        }
        taken
    }

    /// How many fields have an expiration time.
    pub fn expiring_len(&self) -> usize {
        match &self.repr {
            Repr::Packed(_) => 0,
            Repr::PackedEx(_) => self.iter().take_while(|f| f.expire.is_some()).count(),
            Repr::Table(t) => t.expiring_len(),
        }
    }

    /// All fields, in the order of the encoding.
    pub fn iter(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        let (pairs, triples, table) = match &self.repr {
            Repr::Packed(p) => (Some(p), None, None),
            Repr::PackedEx(p) => (None, Some(p), None),
            Repr::Table(t) => (None, None, Some(t)),
        };
        pairs
            .into_iter()
            .flat_map(|p| Pairs(p.iter()))
            .chain(triples.into_iter().flat_map(|p| Triples(p.iter())))
            .chain(table.into_iter().flat_map(|t| t.iter()))
    }

    /// A field chosen by a random number.
    pub fn random(&self, r: u64) -> Option<Field<'_>> {
        let nth = |p: &Packed, width: usize| -> Option<Pos> { p.seek((below(r, p.len() / width) * width) as i64) };
        match &self.repr {
            Repr::Packed(p) => Pairs(p.iter_from(nth(p, 2)?)).next(),
            Repr::PackedEx(p) => triple(&mut p.iter_from(nth(p, 3)?)),
            Repr::Table(t) => t.random(r),
        }
    }

    /// Visits about `count` fields from `cursor` on and returns the next cursor, 0 at the end. The small encodings are
    /// visited as a whole. Fields that are in the hash during a whole scan are visited at least once.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, visit: impl FnMut(Field<'a>)) -> u64 {
        match &self.repr {
            Repr::Table(t) => t.scan(cursor, count, visit),
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// Frees part of a hash that is to be thrown away, about `n` fields; whether nothing is left.
    pub fn drop_some(&mut self, n: usize) -> bool {
        match &mut self.repr {
            Repr::Table(t) => t.drop_some(n),
            _ => true,
        }
    }
}

/// When the first field expires of a hash whose listpack of field, value, time has these bytes.
pub fn first_expire(triples: &[u8]) -> Option<u64> {
    triple(&mut packed::entries(triples))?.expire
}

/// The next field of a listpack of triples.
fn triple<'a>(entries: &mut Iter<'a>) -> Option<Field<'a>> {
    let (name, value, at) = (entries.next()?, entries.next()?, entries.next()?);
    let expire = at.as_int().and_then(|at| u64::try_from(at).ok()).and_then(some);
    Some(Field { name, value, expire })
}

fn set_ex(p: &mut Packed, name: &[u8], value: &[u8], ttl: Ttl) -> SetOutcome {
    let at = match ttl {
        Ttl::At(at) => Some(at),
        Ttl::Clear => Some(0),
        Ttl::Keep => None,
    };
    let found = p.first().and_then(|first| p.find(first, name, 2));
    let Some(pos) = found else {
        insert_ex(p, name, value, at.unwrap_or(0));
        return SetOutcome { created: true, previous_expire: None };
    };
    let previous_expire = triple(&mut p.iter_from(pos)).and_then(|f| f.expire);
    if at.is_none_or(|at| at == 0 && previous_expire.is_none()) {
        if let Some(pos) = p.next(pos) {
            p.replace(pos, value);
        }
    } else {
        p.remove_at(pos, 3);
        insert_ex(p, name, value, at.unwrap_or(0));
    }
    SetOutcome { created: false, previous_expire }
}

/// Adds a field after those that expire earlier; of equal times the last given comes first, as in Redis.
fn insert_ex(p: &mut Packed, name: &[u8], value: &[u8], at: u64) {
    let mut place = None;
    if at != 0 {
        let mut fields = p.iter();
        loop {
            let pos = fields.pos();
            match triple(&mut fields) {
                Some(f) if f.expire.is_some_and(|e| e < at) => {}
                Some(_) => {
                    place = pos;
                    break;
                }
                None => break,
            }
        }
    }
    let at = at as i64;
    match place {
        Some(pos) => {
            let pos = p.insert_int_before(pos, at);
            let pos = p.insert_before(pos, value);
            p.insert_before(pos, name);
        }
        None => {
            p.push_back(name);
            p.push_back(value);
            p.push_back_int(at);
        }
    }
}

#[derive(Clone)]
struct Pairs<'a>(Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Field<'a>;
    fn next(&mut self) -> Option<Field<'a>> {
        Some(Field { name: self.0.next()?, value: self.0.next()?, expire: None })
    }
}

#[derive(Clone)]
struct Triples<'a>(Iter<'a>);

impl<'a> Iterator for Triples<'a> {
    type Item = Field<'a>;
    fn next(&mut self) -> Option<Field<'a>> {
        triple(&mut self.0)
    }
}
