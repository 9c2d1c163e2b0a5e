//! A node of a stream: up to a hundred entries or so, whose ids are kept as differences from the id of the first.
//!
//! The fields' names of the first entry stand once at the beginning. An entry is its length, flags, the differences of
//! its id's milliseconds and sequence, then either the values for those names or (without the flag for it) the number of
//! its fields, and names and values in turns. Values are encoded as in a listpack, but read forwards only: that saves a
//! byte for each, of two or three. Redis's form, a listpack, is made when a node is written down ([`super::listpack`]);
//! nodes end where Redis ends them, so each knows how long that would be.

use super::StreamId;
use crate::packed::{self, Entry, bare};
use crate::room;

/// Flag of an entry that was deleted.
const DELETED: u8 = 1;
/// Flag of an entry whose names are those of the first.
const SAME_FIELDS: u8 = 2;
/// The first byte of a length that takes four more.
const LONG: u8 = 0xFF;

/// Names and values of an entry.
pub type Fields<'a> = Pairs<bare::Entries<'a>>;

/// The same, as a reader of values of whatever form gives them.
#[derive(Clone)]
pub struct Pairs<I> {
    /// The first entry's names, when they are the entry's too.
    pub(super) names: Option<I>,
    pub(super) rest: I,
    pub(super) left: usize,
}

impl<'a, I: Iterator<Item = Entry<'a>>> Iterator for Pairs<I> {
    type Item = (Entry<'a>, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => names.next()?,
            None => self.rest.next()?,
        };
        Some((name, self.rest.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<'a, I: Iterator<Item = Entry<'a>>> ExactSizeIterator for Pairs<I> {}

/// An entry of a node, deleted or not.
pub(super) struct Raw<'a> {
    pub(super) id: StreamId,
    pub(super) fields: Fields<'a>,
    /// Whether its names are those of the first.
    pub(super) same: bool,
    pub(super) deleted: bool,
    /// Where its flags are.
    flags_at: usize,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    master: StreamId,
    bytes: Vec<u8>,
    live: u32,
    deleted: u32,
    /// Names at the beginning.
    width: u32,
    /// Bytes of those names.
    start: u32,
    /// Bytes of Redis's listpack but for the two counts.
    packed: u32,
}

impl Clone for Node {
    fn clone(&self) -> Node {
        Node { bytes: room::copy(&self.bytes), ..*self }
    }
}

impl Node {
    /// A node for an entry with these names, which becomes its first.
    pub(super) fn new<'n>(master: StreamId, names: impl ExactSizeIterator<Item = Entry<'n>>) -> Node {
        let mut node = Node { master, width: names.len() as u32, ..Node::default() };
        // header, number of names, 0
        let mut packed = packed::EMPTY + bare::int_size(names.len() as i64) + bare::int_size(0);
        for name in names {
            packed += bare::push_entry(&mut node.bytes, name);
        }
        node.start = node.bytes.len() as u32;
        node.packed = packed as u32;
        node
    }

    /// The id of its first entry, from which the others differ by so much.
    pub(super) fn master(&self) -> StreamId {
        self.master
    }

    /// Entries that were not deleted.
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }

    /// Entries that were.
    pub(super) fn deleted(&self) -> usize {
        self.deleted as usize
    }

    /// Bytes of Redis's listpack.
    pub(super) fn packed_len(&self) -> usize {
        self.packed as usize + bare::int_size(i64::from(self.live)) + bare::int_size(i64::from(self.deleted))
    }

    /// Heap bytes held.
    pub(super) fn memory_usage(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The names at the beginning.
    pub(super) fn names(&self) -> impl Iterator<Item = Entry<'_>> {
        bare::Entries(&self.bytes).take(self.width())
    }

    /// How many they are.
    pub(super) fn width(&self) -> usize {
        self.width as usize
    }

    fn has_names<'n>(&self, names: impl ExactSizeIterator<Item = &'n [u8]>) -> bool {
        names.len() == self.width() && names.zip(self.names()).all(|(n, e)| e.eq_bytes(n))
    }

    /// Appends an entry of names and values in turns.
    pub(super) fn append<V: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[V]) {
        let same = self.has_names(fields.iter().step_by(2).map(AsRef::as_ref));
        let (from, step) = if same { (1, 2) } else { (0, 1) };
        let values = || fields.iter().skip(from).step_by(step).map(AsRef::as_ref);
        // what each can take: its bytes and a header
        let size = values().map(|v| v.len() + if v.len() < 64 { 1 } else { 5 }).sum::<usize>();
        let begun = self.begin(id, same, false, fields.len() / 2, size);
        let packed = values().map(|v| bare::push(&mut self.bytes, v)).sum();
        self.end(begun, packed);
    }

    /// Appends an entry that comes from Redis's listpack.
    pub(super) fn append_raw<'n>(
        &mut self,
        id: StreamId,
        same: bool,
        deleted: bool,
        fields: impl ExactSizeIterator<Item = (Entry<'n>, Entry<'n>)>,
    ) {
        let begun = self.begin(id, same, deleted, fields.len(), 0);
        let mut packed = 0;
        for (name, value) in fields {
            if !same {
                packed += bare::push_entry(&mut self.bytes, name);
            }
            packed += bare::push_entry(&mut self.bytes, value);
        }
        self.end(begun, packed);
    }

    /// Writes an entry up to its values, of which there are `size` bytes, for [`Node::end`]. Returns where it begins, and
    /// bytes of the listpack.
    fn begin(&mut self, id: StreamId, same: bool, deleted: bool, width: usize, size: usize) -> (usize, usize) {
        let at = self.bytes.len();
        let ms = id.ms.wrapping_sub(self.master.ms);
        let seq = id.seq.wrapping_sub(self.master.seq).cast_signed();
        // length, flags, and two bytes for each of the differences will do mostly
        room::reserve(&mut self.bytes, size + 6);
        let flags = if same { SAME_FIELDS } else { 0 } | if deleted { DELETED } else { 0 };
        self.bytes.extend_from_slice(&[0, flags]);
        push_number(&mut self.bytes, ms);
        push_number(&mut self.bytes, zigzag(seq));
        // and flags, and the number of elements at the end
        let mut packed = 2 * bare::int_size(0) + bare::int_size(ms.cast_signed()) + bare::int_size(seq);
        if !same {
            push_number(&mut self.bytes, width as u64);
            packed += bare::int_size(width as i64);
        }
        let elements = if same { width + 3 } else { width * 2 + 4 };
        packed += bare::int_size(elements as i64) - bare::int_size(0);
        if deleted {
            self.deleted += 1;
        } else {
            self.live += 1;
        }
        (at, packed)
    }

    fn end(&mut self, (at, packed): (usize, usize), values: usize) {
        let len = self.bytes.len() - at - 1;
        let long = len >= usize::from(LONG);
        if let Some(first) = self.bytes.get_mut(at) {
            *first = if long { LONG } else { len as u8 };
        }
        if long {
            self.bytes.splice(at + 1..at + 1, (len as u32).to_le_bytes());
        }
        self.packed = self.packed.saturating_add((packed + values) as u32);
    }

    /// All entries.
    pub(super) fn walk(&self) -> Walker<'_> {
        Walker { node: self, at: self.start as usize, end: self.bytes.len(), back: None }
    }

    /// Deletes live entries that satisfy a condition, until it says stop; returns how many.
    pub(super) fn delete(&mut self, mut which: impl FnMut(StreamId) -> Which) -> usize {
        let mut at = self.start as usize;
        let mut gone = 0;
        while let Some((raw, next)) = self.read(at) {
            at = next;
            if raw.deleted {
                continue;
            }
            let (id, flags_at) = (raw.id, raw.flags_at);
            let which = which(id);
            match which {
                Which::Keep => continue,
                Which::Stop => break,
                Which::Delete | Which::DeleteLast => {}
            }
            if let Some(flags) = self.bytes.get_mut(flags_at) {
                *flags |= DELETED;
                gone += 1;
            }
            if which == Which::DeleteLast {
                break;
            }
        }
        self.live = self.live.saturating_sub(gone);
        self.deleted += gone;
        gone as usize
    }

    /// Where the entry at `at` has its flags, and where it ends.
    #[inline]
    fn extent(&self, at: usize) -> Option<(usize, usize)> {
        let (&len, rest) = self.bytes.get(at..)?.split_first()?;
        if len == LONG {
            let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
            Some((at + 5, at + 5 + len))
        } else {
            Some((at + 1, at + 1 + usize::from(len)))
        }
    }

    /// The entry at `at`, and where the next one is.
    #[inline]
    fn read(&self, at: usize) -> Option<(Raw<'_>, usize)> {
        let (flags_at, end) = self.extent(at)?;
        let (&flags, mut rest) = self.bytes.get(flags_at..end)?.split_first()?;
        let ms = self.master.ms.wrapping_add(number(&mut rest)?);
        let seq = self.master.seq.wrapping_add_signed(unzigzag(number(&mut rest)?));
        let same = flags & SAME_FIELDS != 0;
        let (names, left) = if same {
            (Some(bare::Entries(&self.bytes)), self.width())
        } else {
            (None, usize::try_from(number(&mut rest)?).ok()?)
        };
        let fields = Fields { names, rest: bare::Entries(rest), left };
        Some((Raw { id: StreamId { ms, seq }, fields, same, deleted: flags & DELETED != 0, flags_at }, end))
    }
}

fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63).cast_unsigned()
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; all but the last byte have the eighth.
fn push_number(out: &mut Vec<u8>, mut n: u64) {
    while n > 0x7F {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let (mut n, mut shift) = (0u64, 0);
    loop {
        let (&b, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(b & 0x7F).checked_shl(shift)?;
        if b & 0x80 == 0 {
            return Some(n);
        }
        shift += 7;
    }
}

/// Reads a node's entries from either end.
#[derive(Clone)]
pub(super) struct Walker<'a> {
    node: &'a Node,
    at: usize,
    end: usize,
    /// Where those begin that are still to be read, once somebody reads from the end.
    back: Option<Vec<u32>>,
}

impl<'a> Walker<'a> {
    pub(super) fn next(&mut self) -> Option<Raw<'a>> {
        if self.at >= self.end {
            return None;
        }
        let (raw, next) = self.node.read(self.at)?;
        self.at = next;
        Some(raw)
    }

    pub(super) fn next_back(&mut self) -> Option<Raw<'a>> {
        let (node, from, end) = (self.node, self.at, self.end);
        let places = self.back.get_or_insert_with(|| {
            let mut places = Vec::with_capacity(node.live() + node.deleted());
            let mut at = from;
            while at < end
                && let Some((_, next)) = node.extent(at)
            {
                places.push(at as u32);
                at = next;
            }
            places
        });
        let at = places.pop()? as usize;
        if at < self.at {
            return None;
        }
        self.end = at;
        node.read(at).map(|(raw, _)| raw)
    }
}

/// What [`Node::delete`] does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Delete,
    /// Delete this one and stop.
    DeleteLast,
    Keep,
    Stop,
}
