//! Many short elements in one allocation: their bytes without anything between them, and behind them the *runs*, which
//! tell how many elements of one shape follow each other.
//!
//! A shape is an integer's width or a string's length. A run is one byte for the shape, further digits of the length, and
//! digits of the number of elements but one. Both are in base 64, the lowest digit first, and absent where zero:
//!
//! ```text
//! 00dddddd  a string, the lowest digit of its length
//! 01000kkk  an integer of the kind k
//! 11dddddd  a further digit of the length
//! 10dddddd  a digit of the number of elements
//! ```
//!
//! So runs can be read from either end, and elements that are alike, as most are, cost next to nothing beside their bytes:
//! in a listpack each costs two. Those that differ cost one. To reach an element in the middle one goes over the runs,
//! not over the elements. There may be room in front too, so that the first elements are changed as fast as the last.
//!
//! Redis's form, a listpack, is made when a list is written down. The conversions of lists follow from its size, so that is
//! known always.

use super::End;
use crate::num::parse_i64;
use crate::packed::{self, Entry, Packed};
use crate::room::good_size;

/// Most bytes of a run: its shape, and five digits of a length and six of a number below 2^32.
const RUN: usize = 12;
/// Bytes of an integer of each kind. The kinds are those of listpacks, whose size depends on them.
const WIDTHS: [u8; 6] = [1, 2, 2, 3, 4, 8];
/// Bytes of each in a listpack.
const PACKED: [u8; 6] = [2, 3, 4, 5, 6, 10];
/// Bytes that [`Pack::small`] adds.
pub const FOOT: usize = 6;
/// Buffers up to this size keep their memory when elements go.
const KEPT: usize = 2048;

/// What elements of a run have in common: the length of strings, or above [`Shape::INT`] the kind of integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape(u32);

impl Shape {
    const INT: u32 = u32::MAX - 7;

    #[inline]
    fn kind(self) -> Option<usize> {
        self.0.checked_sub(Self::INT).map(|k| k as usize)
    }

    /// Bytes of an element.
    #[inline]
    fn size(self) -> usize {
        match self.kind() {
            None => self.0 as usize,
            Some(k) => WIDTHS.get(k).copied().map_or(0, usize::from),
        }
    }

    /// Bytes of an element in a listpack.
    #[inline]
    fn packed(self) -> usize {
        match self.kind() {
            None => packed::str_size(self.0 as usize),
            Some(k) => PACKED.get(k).copied().map_or(0, usize::from),
        }
    }

    /// The element of these bytes.
    #[inline]
    fn entry(self, bytes: &[u8]) -> Entry<'_> {
        match (self.kind(), bytes) {
            (None, _) => Entry::Str(bytes),
            (Some(0), [a]) => Entry::Int(i64::from(*a)),
            (Some(_), [a, b]) => Entry::Int(i64::from(i16::from_le_bytes([*a, *b]))),
            (Some(_), [a, b, c]) => Entry::Int(i64::from(i32::from_le_bytes([0, *a, *b, *c]) >> 8)),
            (Some(_), [a, b, c, d]) => Entry::Int(i64::from(i32::from_le_bytes([*a, *b, *c, *d]))),
            (Some(_), _) => Entry::Int(bytes.first_chunk().map_or(0, |b| i64::from_le_bytes(*b))),
        }
    }
}

/// An element that is to be added.
struct Value<'a> {
    shape: Shape,
    int: [u8; 8],
    text: &'a [u8],
}

impl<'a> Value<'a> {
    /// What reads as an integer is stored as one.
    #[inline]
    fn of(value: &'a [u8]) -> Self {
        match value {
            // most that is none shows it at once
            [b'0'..=b'9' | b'-', ..] => Self::of_entry(parse_i64(value).map_or(Entry::Str(value), Entry::Int)),
            _ => Self::of_entry(Entry::Str(value)),
        }
    }

    #[inline]
    fn of_entry(entry: Entry<'a>) -> Self {
        let v = match entry {
            Entry::Str(text) => return Value { shape: Shape(text.len() as u32), int: [0; 8], text },
            Entry::Int(v) => v,
        };
        let kind = if (0..=127).contains(&v) {
            0
        } else if (-4096..=4095).contains(&v) {
            1
        } else if i16::try_from(v).is_ok() {
            2
        } else if (-(1 << 23)..1 << 23).contains(&v) {
            3
        } else if i32::try_from(v).is_ok() {
            4
        } else {
            5
        };
        Value { shape: Shape(Shape::INT + kind), int: v.to_le_bytes(), text: &[] }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self.shape.kind() {
            None => self.text,
            Some(_) => self.int.get(..self.shape.size()).unwrap_or_default(),
        }
    }
}

/// Elements of one shape that follow each other.
#[derive(Clone, Copy, Debug)]
struct Run {
    shape: Shape,
    count: usize,
    /// Bytes that it is written in.
    width: usize,
}

impl Run {
    /// Bytes of its elements.
    #[inline]
    fn bytes(&self) -> usize {
        self.shape.size() * self.count
    }

    /// Bytes of its elements in a listpack.
    #[inline]
    fn packed(&self) -> usize {
        self.shape.packed() * self.count
    }
}

/// Runs being written.
struct Writer {
    bytes: [u8; 5 * RUN],
    len: usize,
    /// The last run, which may grow.
    open: Option<(Shape, usize)>,
}

impl Writer {
    #[inline]
    fn new() -> Self {
        Writer { bytes: [0; 5 * RUN], len: 0, open: None }
    }

    /// Adds `count` elements.
    #[inline]
    fn add(&mut self, shape: Shape, count: usize) {
        match &mut self.open {
            _ if count == 0 => {}
            Some((last, n)) if *last == shape => *n += count,
            _ => {
                self.close();
                self.open = Some((shape, count));
            }
        }
    }

    fn put(&mut self, byte: u8) {
        if let Some(b) = self.bytes.get_mut(self.len) {
            *b = byte;
            self.len += 1;
        }
    }

    fn close(&mut self) {
        let Some((shape, count)) = self.open.take() else { return };
        match shape.kind() {
            Some(kind) => self.put(0x40 | kind as u8),
            None => {
                self.put(shape.0 as u8 & 0x3F);
                let mut left = shape.0 >> 6;
                while left > 0 {
                    self.put(0xC0 | left as u8 & 0x3F);
                    left >>= 6;
                }
            }
        }
        let mut left = count - 1;
        while left > 0 {
            self.put(0x80 | left as u8 & 0x3F);
            left >>= 6;
        }
    }

    /// What was written.
    fn finish(&mut self) -> &[u8] {
        self.close();
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The run that begins here.
#[inline]
fn first_run(runs: &[u8]) -> Option<Run> {
    let (&first, rest) = runs.split_first()?;
    let mut value = u32::from(first & 0x3F);
    if first >= 0x40 {
        value += Shape::INT;
    }
    let mut run = Run { shape: Shape(value), count: 1, width: 1 };
    let (mut length, mut number) = (6, 0);
    for &b in rest {
        match b {
            0xC0.. => {
                run.shape.0 |= u32::from(b & 0x3F).checked_shl(length).unwrap_or(0);
                length += 6;
            }
            0x80.. => {
                run.count += usize::from(b & 0x3F).checked_shl(number).unwrap_or(0);
                number += 6;
            }
            _ => break,
        }
        run.width += 1;
    }
    Some(run)
}

/// The run that ends here.
#[inline]
fn last_run(runs: &[u8]) -> Option<Run> {
    let at = runs.iter().rposition(|b| b & 0x80 == 0)?;
    first_run(runs.get(at..)?)
}

/// An element's place: where it is, where its run is, and how many of the run are before it.
#[derive(Clone, Copy)]
struct Place {
    data: usize,
    run: usize,
    within: usize,
}

/// See the module.
#[derive(Default)]
pub struct Pack {
    /// Room, the elements, the runs.
    buf: Vec<u8>,
    /// Where the elements begin.
    start: u32,
    /// Where the runs begin.
    runs: u32,
    count: u32,
    /// Bytes of the elements in a listpack.
    packed: u32,
}

impl Clone for Pack {
    /// With the same room, so that what is counted as held stays true.
    fn clone(&self) -> Pack {
        let mut buf = Vec::with_capacity(self.buf.capacity());
        buf.extend_from_slice(&self.buf);
        Pack { buf, ..*self }
    }
}

impl core::fmt::Debug for Pack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut list = f.debug_list();
        self.visit(0, false, |e| {
            list.entry(&e);
            true
        });
        list.finish()
    }
}

impl PartialEq for Pack {
    fn eq(&self, other: &Pack) -> bool {
        self.count == other.count && self.data() == other.data() && self.dir() == other.dir()
    }
}

impl Eq for Pack {}

impl From<&Packed> for Pack {
    fn from(packed: &Packed) -> Pack {
        let mut builder = Builder::default();
        packed.iter().for_each(|e| builder.add(&Value::of_entry(e)));
        builder.finish()
    }
}

impl Pack {
    /// One without elements.
    pub fn new() -> Pack {
        Pack::default()
    }

    /// The listpack with these elements.
    pub fn to_packed(&self) -> Packed {
        let mut packed = Packed::with_capacity(self.packed as usize);
        packed.extend(|to| {
            self.visit(0, false, |e| {
                to.push_entry(e);
                true
            });
        });
        debug_assert_eq!(packed.byte_len(), self.packed_len());
        packed
    }

    /// Size of that listpack.
    #[inline]
    pub fn packed_len(&self) -> usize {
        self.packed as usize + packed::EMPTY
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Heap bytes held.
    #[inline]
    pub fn memory_usage(&self) -> usize {
        self.buf.capacity()
    }

    /// All there is of it in few bytes, if it is not too large for them: those returned last, and behind them the
    /// others. For [`Pack::reload`].
    pub fn small(&self) -> Option<([u8; FOOT], &[u8])> {
        let dir = self.buf.len() - self.runs as usize;
        let [a, b] = u16::try_from(self.count).ok()?.to_le_bytes();
        let [c, d] = u16::try_from(self.packed).ok()?.to_le_bytes();
        let [e, f] = u16::try_from(dir).ok()?.to_le_bytes();
        Some(([a, b, c, d, e, f], self.buf.get(self.start as usize..)?))
    }

    /// Becomes what [`Pack::small`] gave.
    pub fn reload(&mut self, small: &[u8]) {
        let Some((bytes, &[a, b, c, d, e, f])) = small.split_last_chunk() else { return };
        let dir = usize::from(u16::from_le_bytes([e, f]));
        self.buf.clear();
        self.buf.extend_from_slice(bytes);
        self.start = 0;
        self.runs = bytes.len().saturating_sub(dir) as u32;
        self.count = u16::from_le_bytes([a, b]).into();
        self.packed = u16::from_le_bytes([c, d]).into();
        self.check();
    }

    /// In tests, whether all fits together.
    fn check(&self) {
        #[cfg(any(test, debug_assertions))]
        {
            let (mut at, mut count, mut bytes, mut packed) = (0, 0, 0, 0);
            let mut last = None;
            while let Some(run) = self.dir().get(at..).and_then(first_run) {
                assert!(run.count > 0 && last != Some(run.shape), "{:?}", self.dir());
                last = Some(run.shape);
                at += run.width;
                count += run.count;
                bytes += run.bytes();
                packed += run.packed();
            }
            assert_eq!((count, packed), (self.count as usize, self.packed as usize));
            assert_eq!(self.start as usize + bytes, self.runs as usize);
        }
    }

    #[inline]
    fn data(&self) -> &[u8] {
        self.buf.get(self.start as usize..self.runs as usize).unwrap_or_default()
    }

    #[inline]
    fn dir(&self) -> &[u8] {
        self.buf.get(self.runs as usize..).unwrap_or_default()
    }

    /// Gives memory reserved for growth back.
    pub fn shrink_to_fit(&mut self) {
        let used = self.buf.len() - self.start as usize;
        if self.buf.capacity() > used {
            self.relocate(used, 0);
        }
    }

    /// Makes room for so many more bytes in front or at the end.
    #[inline]
    fn reserve(&mut self, front: usize, back: usize) {
        if self.buf.capacity() - self.buf.len() < back || (self.start as usize) < front {
            self.grow(front, back);
        }
    }

    #[cold]
    fn grow(&mut self, front: usize, back: usize) {
        let (start, used) = (self.start as usize, self.buf.len() - self.start as usize);
        let want = used + front + back;
        let capacity = match self.buf.capacity() {
            // what is free at the other end will do, if it is enough for a while
            enough if enough >= want + want / 16 => enough,
            no if no >= want => good_size(want + want / 16),
            _ => good_size(want),
        };
        // the other end keeps half of what is free, so that elements may come at both in turns
        let free = capacity - want;
        let start = if front > 0 {
            let kept = (self.buf.capacity() - self.buf.len()).min(free / 2);
            front + free - kept
        } else {
            start.min(free / 2)
        };
        self.relocate(capacity, start);
    }

    /// Moves all there is to `start` in a buffer of this capacity.
    fn relocate(&mut self, capacity: usize, start: usize) {
        let from = self.start as usize;
        let len = self.buf.len();
        let used = len - from;
        if capacity == self.buf.capacity() {
            if start > from {
                self.buf.resize(start + used, 0);
            }
            self.buf.copy_within(from..len, start);
            self.buf.truncate(start + used);
        } else {
            let mut new = Vec::with_capacity(capacity);
            new.resize(start, 0);
            new.extend_from_slice(self.buf.get(from..).unwrap_or_default());
            self.buf = new;
        }
        self.runs = self.runs - self.start + start as u32;
        self.start = start as u32;
    }

    /// Gives memory back once more than half is unused.
    #[inline]
    fn give_back(&mut self) {
        let used = self.buf.len() - self.start as usize;
        if self.buf.capacity() > KEPT && used < self.buf.capacity() / 2 {
            self.relocate(good_size(used), 0);
        }
    }

    /// Replaces `old` bytes at `at` by others, and moves what is behind them.
    fn splice_bytes(&mut self, at: usize, old: usize, new: &[u8]) {
        let len = self.buf.len();
        if new.len() > old {
            self.buf.resize(len + new.len() - old, 0);
        }
        if new.len() != old {
            self.buf.copy_within(at + old..len, at + new.len());
            self.buf.truncate(len + new.len() - old);
        }
        if let Some(hole) = self.buf.get_mut(at..at + new.len()) {
            hole.copy_from_slice(new);
        }
    }

    /// Writes the first or last run anew: of this shape, with so many elements.
    #[inline]
    fn rewrite(&mut self, end: End, old: usize, shape: Shape, count: usize) {
        let at = if end == End::Front { self.runs as usize } else { self.buf.len() - old };
        let mut writer = Writer::new();
        writer.add(shape, count);
        let new = writer.finish();
        match self.buf.get_mut(at..at + old) {
            Some(same) if old == new.len() => same.copy_from_slice(new),
            _ => self.splice_bytes(at, old, new),
        }
    }

    #[inline]
    fn end_run(&self, end: End) -> Option<Run> {
        if end == End::Front { first_run(self.dir()) } else { last_run(self.dir()) }
    }

    /// Adds a value at an end; what reads as an integer is stored as one.
    pub fn push(&mut self, end: End, value: &[u8]) {
        self.push_value(end, &Value::of(value));
    }

    #[inline]
    fn push_value(&mut self, end: End, value: &Value<'_>) {
        let bytes = value.bytes();
        let size = bytes.len();
        match end {
            End::Front => {
                self.reserve(size, RUN);
                let start = self.start as usize;
                if let Some(hole) = self.buf.get_mut(start - size..start) {
                    hole.copy_from_slice(bytes);
                }
                self.start -= size as u32;
            }
            End::Back => {
                self.reserve(0, size + RUN);
                self.splice_bytes(self.runs as usize, 0, bytes);
                self.runs += size as u32;
            }
        }
        match self.end_run(end) {
            Some(run) if run.shape == value.shape => self.rewrite(end, run.width, run.shape, run.count + 1),
            _ => self.rewrite(end, 0, value.shape, 1),
        }
        self.count += 1;
        self.packed += value.shape.packed() as u32;
    }

    /// Takes the element at an end; what `take` makes of it is returned.
    pub fn pop<R>(&mut self, end: End, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let run = self.end_run(end)?;
        let size = run.shape.size();
        let at = if end == End::Front { self.start } else { self.runs - size as u32 };
        let taken = take(run.shape.entry(self.buf.get(at as usize..at as usize + size)?));
        if run.count > 1 {
            self.rewrite(end, run.width, run.shape, run.count - 1);
        } else if end == End::Front {
            self.splice_bytes(self.runs as usize, run.width, &[]);
        } else {
            self.buf.truncate(self.buf.len() - run.width);
        }
        if end == End::Front {
            self.start += size as u32;
        } else {
            self.splice_bytes(at as usize, size, &[]);
            self.runs = at;
        }
        self.count -= 1;
        self.packed -= run.shape.packed() as u32;
        self.give_back();
        Some(taken)
    }

    /// Where the element of this index is; where the elements end, if there is none.
    fn seek(&self, index: usize) -> Place {
        let mut left = index.min(self.len());
        if left <= self.len() / 2 {
            let (mut data, mut at) = (self.start as usize, self.runs as usize);
            while let Some(run) = first_run(self.buf.get(at..).unwrap_or_default()) {
                if left < run.count {
                    return Place { data: data + left * run.shape.size(), run: at, within: left };
                }
                left -= run.count;
                data += run.bytes();
                at += run.width;
            }
        } else {
            let (mut data, mut at) = (self.runs as usize, self.buf.len());
            // elements from it on
            left = self.len() - left;
            while left > 0
                && let Some(run) = last_run(self.buf.get(self.runs as usize..at).unwrap_or_default())
            {
                at -= run.width;
                if left <= run.count {
                    let data = data - left * run.shape.size();
                    return Place { data, run: at, within: run.count - left };
                }
                left -= run.count;
                data -= run.bytes();
            }
        }
        Place { data: self.runs as usize, run: self.buf.len(), within: 0 }
    }

    /// The element of this index.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        let at = self.seek(index);
        let shape = first_run(self.buf.get(at.run..)?)?.shape;
        Some(shape.entry(self.buf.get(at.data..at.data + shape.size())?))
    }

    /// The elements from this index on, forwards or backwards, until `visit` returns false; whether it never did.
    pub fn visit(&self, from: usize, reverse: bool, mut visit: impl FnMut(Entry<'_>) -> bool) -> bool {
        if from >= self.len() {
            return true;
        }
        let Place { data, run: mut at, mut within } = self.seek(from);
        if reverse {
            let mut rest = self.buf.get(..data).unwrap_or_default();
            // the element itself too
            let Some(run) = self.buf.get(at..).and_then(first_run) else { return true };
            rest = self.buf.get(..rest.len() + run.shape.size()).unwrap_or_default();
            let mut run = Run { count: within + 1, ..run };
            loop {
                let size = run.shape.size();
                for _ in 0..run.count {
                    let (before, element) = rest.split_at(rest.len().saturating_sub(size));
                    if !visit(run.shape.entry(element)) {
                        return false;
                    }
                    rest = before;
                }
                let Some(before) = self.buf.get(self.runs as usize..at).and_then(last_run) else { return true };
                at -= before.width;
                run = before;
            }
        }
        let mut rest = self.buf.get(data..self.runs as usize).unwrap_or_default();
        while let Some(run) = self.buf.get(at..).and_then(first_run) {
            let size = run.shape.size();
            for _ in within..run.count {
                let Some((element, behind)) = rest.split_at_checked(size) else { return true };
                if !visit(run.shape.entry(element)) {
                    return false;
                }
                rest = behind;
            }
            at += run.width;
            within = 0;
        }
        true
    }

    /// Replaces `remove` elements from this index on (as many as there are) by a value, or by none.
    fn splice(&mut self, index: usize, remove: usize, new: Option<&Value<'_>>) {
        let bytes = new.map_or(&[][..], Value::bytes);
        self.reserve(0, bytes.len() + RUN);
        let at = self.seek(index);
        let mut runs = Writer::new();
        // the runs from `first` to `last` change: also those beside, which may become one with what is new
        let (mut first, mut last) = (at.run, at.run);
        if let Some(run) = self.buf.get(self.runs as usize..first).and_then(last_run) {
            first -= run.width;
            runs.add(run.shape, run.count);
        }
        let run_at = |at: usize| self.buf.get(at..).and_then(first_run);
        if let Some(run) = run_at(last) {
            runs.add(run.shape, at.within);
        }
        if let Some(new) = new {
            runs.add(new.shape, 1);
        }
        let (mut end, mut within, mut left, mut packed) = (at.data, at.within, remove, 0);
        while left > 0
            && let Some(run) = run_at(last)
        {
            let n = left.min(run.count - within);
            end += n * run.shape.size();
            packed += n * run.shape.packed();
            left -= n;
            within += n;
            if within == run.count {
                last += run.width;
                within = 0;
            }
        }
        let removed = remove - left;
        if within > 0
            && let Some(run) = run_at(last)
        {
            runs.add(run.shape, run.count - within);
            last += run.width;
        }
        if let Some(run) = run_at(last) {
            runs.add(run.shape, run.count);
            last += run.width;
        }
        self.splice_bytes(first, last - first, runs.finish());
        if bytes.is_empty() && at.data == self.start as usize {
            self.start = end as u32;
        } else {
            self.splice_bytes(at.data, end - at.data, bytes);
            self.runs = self.runs + bytes.len() as u32 - (end - at.data) as u32;
        }
        self.count = self.count + u32::from(new.is_some()) - removed as u32;
        self.packed = self.packed + new.map_or(0, |v| v.shape.packed()) as u32 - packed as u32;
        self.give_back();
    }

    /// Inserts a value before the element of this index, or at the end.
    pub fn insert(&mut self, index: usize, value: &[u8]) {
        match index {
            0 => self.push(End::Front, value),
            i if i >= self.len() => self.push(End::Back, value),
            _ => self.splice(index, 0, Some(&Value::of(value))),
        }
    }

    /// Replaces the element of this index, if there is one.
    pub fn replace(&mut self, index: usize, value: &[u8]) {
        let value = Value::of(value);
        let at = self.seek(index);
        let Some(run) = self.buf.get(at.run..).and_then(first_run) else { return };
        if run.shape == value.shape
            && let Some(place) = self.buf.get_mut(at.data..at.data + value.shape.size())
        {
            return place.copy_from_slice(value.bytes());
        }
        self.splice(index, 1, Some(&value));
    }

    /// Removes up to `count` elements from this index on.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        self.splice(index, count, None);
    }

    /// Indexes of the elements equal to a value, until `found` returns false.
    fn find(&self, value: &[u8], mut found: impl FnMut(usize) -> bool) {
        // what reads as an integer may be a string nevertheless, if a payload said so
        let (number, text) = (Value::of(value), Value::of_entry(Entry::Str(value)));
        let (mut index, mut rest, mut runs) = (0, self.data(), self.dir());
        while let Some(run) = first_run(runs) {
            let Some((mut elements, behind)) = rest.split_at_checked(run.bytes()) else { return };
            let wanted = [&number, &text].into_iter().find(|v| v.shape == run.shape);
            if let Some(wanted) = wanted {
                for i in 0..run.count {
                    let Some((element, others)) = elements.split_at_checked(run.shape.size()) else { return };
                    if element == wanted.bytes() && !found(index + i) {
                        return;
                    }
                    elements = others;
                }
            }
            index += run.count;
            rest = behind;
            runs = runs.get(run.width..).unwrap_or_default();
        }
    }

    /// Whether there is an element equal to a value.
    pub fn contains(&self, value: &[u8]) -> bool {
        let mut is = false;
        self.find(value, |_| {
            is = true;
            false
        });
        is
    }

    /// Removes up to `limit` elements equal to `value`, the last ones first if `reverse`; returns how many.
    pub fn remove_value(&mut self, value: &[u8], limit: usize, reverse: bool) -> usize {
        let (mut hits, mut at) = (0, 0);
        self.find(value, |i| {
            hits += 1;
            if hits == 1 || reverse {
                at = i;
            }
            true
        });
        let gone = hits.min(limit);
        if gone < 2 {
            if gone == 1 {
                self.splice(at, 1, None);
            }
            return gone;
        }
        // of the hits, those from `first` on go
        let first = if reverse { hits - gone } else { 0 };
        let mut builder = Builder::default();
        let mut hit = 0;
        self.visit(0, false, |e| {
            let goes = e.eq_bytes(value) && {
                hit += 1;
                (first..first + gone).contains(&(hit - 1))
            };
            if !goes {
                builder.add(&Value::of_entry(e));
            }
            true
        });
        *self = builder.finish();
        gone
    }

    /// Moves the elements from index `at` on into a new one.
    pub fn split_off(&mut self, at: usize) -> Pack {
        let mut tail = self.clone();
        tail.remove_range(0, at);
        tail.shrink_to_fit();
        self.remove_range(at, usize::MAX);
        tail
    }

    /// Appends all elements of `other`.
    pub fn append_all(&mut self, other: &Pack) {
        let mut builder = Builder::default();
        for pack in [&*self, other] {
            let mut runs = pack.dir();
            builder.data.extend_from_slice(pack.data());
            while let Some(run) = first_run(runs) {
                builder.count(run.shape, run.count);
                runs = runs.get(run.width..).unwrap_or_default();
            }
        }
        *self = builder.finish();
    }
}

/// Collects elements in order.
#[derive(Default)]
struct Builder {
    data: Vec<u8>,
    runs: Vec<u8>,
    open: Option<(Shape, usize)>,
    count: usize,
    packed: usize,
}

impl Builder {
    fn add(&mut self, value: &Value<'_>) {
        self.data.extend_from_slice(value.bytes());
        self.count(value.shape, 1);
    }

    /// Counts elements whose bytes were appended.
    fn count(&mut self, shape: Shape, n: usize) {
        self.count += n;
        self.packed += n * shape.packed();
        match &mut self.open {
            Some((last, count)) if *last == shape => *count += n,
            _ => {
                self.close();
                self.open = Some((shape, n));
            }
        }
    }

    fn close(&mut self) {
        if let Some((shape, count)) = self.open.take() {
            let mut writer = Writer::new();
            writer.add(shape, count);
            self.runs.extend_from_slice(writer.finish());
        }
    }

    fn finish(mut self) -> Pack {
        self.close();
        let runs = self.data.len() as u32;
        let mut buf = Vec::with_capacity(good_size(self.data.len() + self.runs.len()));
        buf.extend_from_slice(&self.data);
        buf.extend_from_slice(&self.runs);
        Pack { buf, start: 0, runs, count: self.count as u32, packed: self.packed as u32 }
    }
}

/// Number of elements in what [`Pack::small`] gave.
pub fn small_len(small: &[u8]) -> usize {
    match small.last_chunk::<FOOT>() {
        Some(&[a, b, ..]) => u16::from_le_bytes([a, b]).into(),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
