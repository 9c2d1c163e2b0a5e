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
//! not over the elements. There is room before and behind the elements, so that the first ones are changed as fast as the
//! last.
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
/// Bytes behind elements and runs in what [`Pack::write_small`] writes.
const FOOT: usize = 6;
/// Buffers up to this size keep their memory when elements are popped.
const KEPT: usize = 4096;

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
    /// Those before the digits of the number.
    head: usize,
}

impl Run {
    /// Bytes of its elements.
    #[inline]
    fn bytes(&self) -> usize {
        self.shape.size() * self.count
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
    let (mut count, mut head, mut width) = (1, 1, 1);
    let (mut length, mut number) = (6, 0);
    for &b in rest {
        match b {
            0xC0.. => {
                value |= u32::from(b & 0x3F).wrapping_shl(length);
                length += 6;
                head += 1;
            }
            0x80.. => {
                count += usize::from(b & 0x3F).wrapping_shl(number);
                number += 6;
            }
            _ => break,
        }
        width += 1;
    }
    Some(Run { shape: Shape(value), count, width, head })
}

/// The run that ends here.
#[inline]
fn last_run(runs: &[u8]) -> Option<Run> {
    let (mut length, mut number, mut digits, mut width) = (0u32, 0usize, 0, 1);
    for &b in runs.iter().rev() {
        match b {
            0xC0.. => length = length << 6 | u32::from(b & 0x3F),
            0x80.. => {
                number = number << 6 | usize::from(b & 0x3F);
                digits += 1;
            }
            first => {
                let value = if first < 0x40 { length << 6 } else { Shape::INT } + u32::from(first & 0x3F);
                return Some(Run { shape: Shape(value), count: number + 1, width, head: width - digits });
            }
        }
        width += 1;
    }
    None
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
    /// Room, the elements, room, the runs.
    buf: Box<[u8]>,
    /// Where the elements begin.
    start: u32,
    /// Where they end.
    end: u32,
    /// Where the runs begin.
    runs: u32,
    count: u32,
    /// Bytes of the elements in a listpack.
    packed: u32,
}

impl Clone for Pack {
    /// With the same room, so that what is counted as held stays true.
    fn clone(&self) -> Pack {
        Pack { buf: self.buf.clone(), ..*self }
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
        self.buf.len()
    }

    /// Bytes that [`Pack::write_small`] writes, if it can be written so.
    #[inline]
    pub fn small_size(&self) -> Option<usize> {
        // the runs are no longer than the elements' listpack
        let fits = u16::try_from(self.packed.max(self.count)).is_ok();
        fits.then(|| self.used() + FOOT)
    }

    /// Writes all there is of it, without room, for [`Pack::reload`].
    pub fn write_small(&self, out: &mut [u8]) {
        let (data, runs) = (self.data(), self.dir());
        let [a, b] = (self.count as u16).to_le_bytes();
        let [c, d] = (self.packed as u16).to_le_bytes();
        let [e, f] = (runs.len() as u16).to_le_bytes();
        if let Some((to, rest)) = out.split_at_mut_checked(data.len())
            && let Some((dir, foot)) = rest.split_at_mut_checked(runs.len())
            && let Some(foot) = foot.first_chunk_mut()
        {
            to.copy_from_slice(data);
            dir.copy_from_slice(runs);
            *foot = [a, b, c, d, e, f];
        }
    }

    /// Becomes what [`Pack::write_small`] wrote, with room at both ends.
    pub fn reload(&mut self, small: &[u8]) {
        let Some((bytes, &[a, b, c, d, e, f])) = small.split_last_chunk() else { return };
        let dir = usize::from(u16::from_le_bytes([e, f]));
        let Some((data, runs)) = bytes.split_at_checked(bytes.len().saturating_sub(dir)) else { return };
        if self.buf.len() < small.len() {
            self.buf = vec![0; good_size(small.len() + small.len() / 4)].into();
        }
        let start = (self.buf.len() - bytes.len()) / 2;
        let (end, at) = (start + data.len(), self.buf.len() - runs.len());
        if let Some(to) = self.buf.get_mut(start..end) {
            to.copy_from_slice(data);
        }
        if let Some(to) = self.buf.get_mut(at..) {
            to.copy_from_slice(runs);
        }
        (self.start, self.end, self.runs) = (start as u32, end as u32, at as u32);
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
                packed += run.shape.packed() * run.count;
            }
            assert_eq!((count, packed), (self.count as usize, self.packed as usize));
            assert_eq!(bytes, (self.end - self.start) as usize);
            assert!(self.end <= self.runs && self.runs as usize <= self.buf.len());
        }
    }

    #[inline]
    fn data(&self) -> &[u8] {
        self.buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    #[inline]
    fn dir(&self) -> &[u8] {
        self.buf.get(self.runs as usize..).unwrap_or_default()
    }

    /// Bytes of elements and runs.
    #[inline]
    fn used(&self) -> usize {
        (self.end - self.start) as usize + self.buf.len() - self.runs as usize
    }

    /// Gives memory reserved for growth back.
    pub fn shrink_to_fit(&mut self) {
        if self.buf.len() > self.used() {
            self.relocate(self.used(), 0);
        }
    }

    /// Makes room for so many more bytes before the elements or behind them; `ahead`: for what will grow on.
    #[inline]
    fn reserve(&mut self, front: usize, back: usize, ahead: bool) {
        if (self.start as usize) < front || ((self.runs - self.end) as usize) < back {
            self.grow(front, back, ahead);
        }
    }

    #[cold]
    fn grow(&mut self, front: usize, back: usize, ahead: bool) {
        let want = self.used() + front + back;
        let capacity = match self.buf.len() {
            // what is free at the other end will do, if it is enough for a while
            enough if enough >= want + want / 16 => enough,
            _ if ahead => good_size((want + want / 4).max(256)),
            no if no >= want => good_size(want + want / 16),
            _ => good_size(want),
        };
        // the other end keeps half of what is free, so that elements may come at both in turns
        let free = capacity - want;
        let start = if front > 0 {
            front + free - (self.runs - self.end).min(free as u32 / 2) as usize
        } else {
            (self.start as usize).min(free / 2)
        };
        self.relocate(capacity, start);
    }

    /// Has the elements begin at `start` in a buffer of this size.
    fn relocate(&mut self, capacity: usize, start: usize) {
        let (data, dir) = ((self.end - self.start) as usize, self.buf.len() - self.runs as usize);
        if capacity == self.buf.len() {
            self.buf.copy_within(self.start as usize..self.end as usize, start);
        } else {
            let mut new = vec![0; capacity].into_boxed_slice();
            if let Some(to) = new.get_mut(start..start + data) {
                to.copy_from_slice(self.data());
            }
            if let Some(to) = new.get_mut(capacity - dir..) {
                to.copy_from_slice(self.dir());
            }
            self.buf = new;
        }
        (self.start, self.end, self.runs) = (start as u32, (start + data) as u32, (capacity - dir) as u32);
    }

    /// Gives memory back once more than half is unused, of buffers over this size.
    #[inline]
    fn give_back(&mut self, kept: usize) {
        if self.buf.len() > kept && self.used() < self.buf.len() / 2 {
            self.relocate(good_size(self.used()), 0);
        }
    }

    /// Replaces the runs from `first` to `last` by others, and moves those before them.
    fn splice_runs(&mut self, first: usize, last: usize, new: &[u8]) {
        let from = self.runs as usize;
        // there is room for them
        let runs = (from + (last - first)).saturating_sub(new.len());
        if runs != from {
            self.buf.copy_within(from..first, runs);
        }
        if let Some(place) = self.buf.get_mut(last - new.len()..last) {
            place.copy_from_slice(new);
        }
        self.runs = runs as u32;
    }

    /// Replaces the elements' bytes from `from` to `to` by others, and moves those on the side where they are fewer.
    fn splice_data(&mut self, from: usize, to: usize, new: &[u8]) {
        let (start, end) = (self.start as usize, self.end as usize);
        let (old, size) = (to - from, new.len());
        let before = from - start < end - to && start + old >= size;
        let place = if before { to - size } else { from };
        if old == size {
        } else if before {
            self.buf.copy_within(start..from, start + old - size);
            self.start = (start + old - size) as u32;
        } else {
            self.buf.copy_within(to..end, from + size);
            self.end = (end + size - old) as u32;
        }
        if let Some(place) = self.buf.get_mut(place..place + size) {
            place.copy_from_slice(new);
        }
    }

    #[inline]
    fn end_run(&self, end: End) -> Option<Run> {
        if end == End::Front { first_run(self.dir()) } else { last_run(self.dir()) }
    }

    /// Where the first or last run is.
    #[inline]
    fn end_run_at(&self, end: End, width: usize) -> usize {
        if end == End::Front { self.runs as usize } else { self.buf.len() - width }
    }

    /// The lowest digit of the number of elements of the first or last run, unless its others change with it when it
    /// becomes greater or less.
    #[inline]
    fn digit(&mut self, end: End, run: &Run, greater: bool) -> Option<&mut u8> {
        if run.head == run.width {
            return None;
        }
        let digit = self.buf.get_mut(self.end_run_at(end, run.width) + run.head)?;
        let same = if greater { *digit < 0xBF } else { *digit > 0x81 };
        same.then_some(digit)
    }

    /// Writes the first or last run anew: of this shape, with so many elements.
    fn rewrite(&mut self, end: End, old: usize, shape: Shape, count: usize) {
        let at = self.end_run_at(end, old);
        let mut writer = Writer::new();
        writer.add(shape, count);
        self.splice_runs(at, at + old, writer.finish());
    }

    /// Adds a value at an end; what reads as an integer is stored as one. `ahead`: others will follow, so that more room
    /// is made than needed.
    pub fn push(&mut self, end: End, value: &[u8], ahead: bool) {
        let value = Value::of(value);
        let bytes = value.bytes();
        let size = bytes.len();
        let at = if end == End::Front {
            if (self.start as usize) < size || ((self.runs - self.end) as usize) < RUN {
                self.grow(size, RUN, ahead);
            }
            self.start -= size as u32;
            self.start as usize
        } else {
            self.reserve(0, size + RUN, ahead);
            self.end += size as u32;
            self.end as usize - size
        };
        if let Some(place) = self.buf.get_mut(at..at + size) {
            place.copy_from_slice(bytes);
        }
        match self.end_run(end) {
            Some(run) if run.shape == value.shape => match self.digit(end, &run, true) {
                Some(digit) => *digit += 1,
                None => self.rewrite(end, run.width, run.shape, run.count + 1),
            },
            _ => self.rewrite(end, 0, value.shape, 1),
        }
        self.count += 1;
        self.packed += value.shape.packed() as u32;
    }

    /// Takes the element at an end; what `take` makes of it is returned.
    pub fn pop<R>(&mut self, end: End, take: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let run = self.end_run(end)?;
        let size = run.shape.size();
        let at = if end == End::Front { self.start as usize } else { self.end as usize - size };
        let taken = take(run.shape.entry(self.buf.get(at..at + size)?));
        if end == End::Front {
            self.start += size as u32;
        } else {
            self.end -= size as u32;
        }
        if let Some(digit) = self.digit(end, &run, false) {
            *digit -= 1;
        } else if run.count > 1 {
            self.rewrite(end, run.width, run.shape, run.count - 1);
        } else {
            let at = self.end_run_at(end, run.width);
            self.splice_runs(at, at + run.width, &[]);
        }
        self.count -= 1;
        self.packed -= run.shape.packed() as u32;
        self.give_back(KEPT);
        Some(taken)
    }

    /// Where the element of this index is; where the elements end, if there is none.
    fn seek(&self, index: usize) -> Place {
        let mut left = index.min(self.len());
        if left <= self.len() / 2 {
            let (mut data, mut at) = (self.start as usize, self.runs as usize);
            while let Some(run) = self.buf.get(at..).and_then(first_run) {
                if left < run.count {
                    return Place { data: data + left * run.shape.size(), run: at, within: left };
                }
                left -= run.count;
                data += run.bytes();
                at += run.width;
            }
        } else {
            let (mut data, mut at) = (self.end as usize, self.buf.len());
            // elements from it on
            left = self.len() - left;
            while left > 0
                && let Some(run) = self.buf.get(self.runs as usize..at).and_then(last_run)
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
        Place { data: self.end as usize, run: self.buf.len(), within: 0 }
    }

    /// The element of this index.
    pub fn get(&self, index: usize) -> Option<Entry<'_>> {
        let at = self.seek(index);
        let shape = first_run(self.buf.get(at.run..)?)?.shape;
        Some(shape.entry(self.buf.get(at.data..at.data + shape.size())?))
    }

    /// The elements from this index on, forwards or backwards, until `visit` returns false; whether it never did.
    pub fn visit(&self, from: usize, reverse: bool, visit: impl FnMut(Entry<'_>) -> bool) -> bool {
        if from >= self.len() {
            return true;
        }
        if reverse { self.visit_back(from, visit) } else { self.visit_forth(from, visit) }
    }

    fn visit_forth(&self, from: usize, mut visit: impl FnMut(Entry<'_>) -> bool) -> bool {
        let Place { data, run: mut at, mut within } = self.seek(from);
        let mut rest = self.buf.get(data..self.end as usize).unwrap_or_default();
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

    fn visit_back(&self, from: usize, mut visit: impl FnMut(Entry<'_>) -> bool) -> bool {
        // it and all before it
        let Place { data: mut to, run: mut at, within } = self.seek(from);
        let Some(run) = self.buf.get(at..).and_then(first_run) else { return true };
        to += run.shape.size();
        let (mut shape, mut count) = (run.shape, within + 1);
        loop {
            let size = shape.size();
            for _ in 0..count {
                let Some(element) = to.checked_sub(size).and_then(|from| self.buf.get(from..to)) else { return true };
                if !visit(shape.entry(element)) {
                    return false;
                }
                to -= size;
            }
            let Some(before) = self.buf.get(self.runs as usize..at).and_then(last_run) else { return true };
            at -= before.width;
            (shape, count) = (before.shape, before.count);
        }
    }

    /// Replaces `remove` elements from this index on (as many as there are) by a value, or by none.
    fn splice(&mut self, index: usize, remove: usize, new: Option<&Value<'_>>) {
        let bytes = new.map_or(&[][..], Value::bytes);
        self.reserve(0, bytes.len() + 2 * RUN, false);
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
        self.splice_data(at.data, end, bytes);
        self.splice_runs(first, last, runs.finish());
        self.count = self.count + u32::from(new.is_some()) - removed as u32;
        self.packed = self.packed + new.map_or(0, |v| v.shape.packed()) as u32 - packed as u32;
        self.give_back(64);
    }

    /// Inserts a value before the element of this index, or at the end.
    pub fn insert(&mut self, index: usize, value: &[u8]) {
        match index {
            0 => self.push(End::Front, value, false),
            i if i >= self.len() => self.push(End::Back, value, false),
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
        let (data, runs) = (self.data.len(), self.runs.len());
        let size = good_size(data + runs);
        let mut buf = self.data;
        buf.reserve_exact(size - data);
        buf.resize(size - runs, 0);
        buf.extend_from_slice(&self.runs);
        Pack {
            buf: buf.into_boxed_slice(),
            start: 0,
            end: data as u32,
            runs: (size - runs) as u32,
            count: self.count as u32,
            packed: self.packed as u32,
        }
    }
}

/// Number of elements in what [`Pack::write_small`] wrote.
pub fn small_len(small: &[u8]) -> usize {
    match small.last_chunk::<FOOT>() {
        Some(&[a, b, ..]) => u16::from_le_bytes([a, b]).into(),
        None => 0,
    }
}

#[cfg(test)]
mod tests;
