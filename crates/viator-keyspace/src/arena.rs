//! Size-class memory for small entries: keys with their small values live in pages of equal slots and are named by a
//! 32-bit handle, so that a key costs four bytes in its table and no allocator header.
//!
//! A page belongs to one class; classes step by 8 bytes up to 128, and above by an eighth at most and 64 bytes. Pages of a class with
//! free slots form a list; a page that empties is returned to the allocator. What is too big for a class gets a page of its own.

#![expect(clippy::indexing_slicing, reason = "handles come only from `alloc`; a page outlives every handle into it")]

use viator_data::room::good_size;

/// Names a slot: page number in the upper 21 bits, offset in 8-byte units in the lower 11.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Handle(pub(crate) u32);

const UNIT: usize = 8;
const UNIT_BITS: u32 = 11;
/// Bytes of a full page: the allocator's largest small class. Larger allocations are padded by a page of memory each.
const PAGE: usize = 14 * 1024;
const _: () = assert!(PAGE <= UNIT << UNIT_BITS);
/// The largest length served from shared pages, bytes.
pub const MAX_CLASS: usize = 3072;
const NONE: u32 = u32::MAX;
const NO_SLOT: u16 = u16::MAX;
/// Class of a page that holds a single oversized slot.
const SOLO: u8 = u8::MAX;
/// First byte of a free slot; no live entry begins with it.
pub(crate) const FREE: u8 = 0;

const N_CLASSES: usize = 16 + 8 + 8 + 48 + 16;

/// The class that serves `len` bytes (at most [`MAX_CLASS`]).
const fn class_of(len: usize) -> usize {
    match len {
        0..=128 => len.saturating_sub(1) / 8,
        129..=256 => 16 + (len - 129) / 16,
        257..=512 => 24 + (len - 257) / 32,
        513..=2048 => 32 + (len - 513) / 32,
        _ => 80 + (len - 2049) / 64,
    }
}

/// Slot size of a class, bytes.
const fn class_size(class: usize) -> usize {
    match class {
        0..=15 => (class + 1) * 8,
        16..=23 => 128 + (class - 15) * 16,
        24..=31 => 256 + (class - 23) * 32,
        32..=79 => 512 + (class - 31) * 32,
        _ => 2048 + (class - 79) * 64,
    }
}

/// Bytes of a full page of a class: of the allocator's classes the one with the least left over.
const fn full_page(class: usize) -> usize {
    let size = class_size(class);
    let (mut best, mut i) = (PAGE, 0);
    let smaller = [12 * 1024, 10 * 1024, 8 * 1024];
    while i < smaller.len() {
        if (smaller[i] % size) * best < (best % size) * smaller[i] {
            best = smaller[i];
        }
        i += 1;
    }
    best
}

const FULL_PAGES: [usize; N_CLASSES] = {
    let (mut pages, mut class) = ([0; N_CLASSES], 0);
    while class < N_CLASSES {
        pages[class] = full_page(class);
        class += 1;
    }
    pages
};

/// Bytes that an entry of `len` bytes really occupies.
pub const fn slot_bytes(len: usize) -> usize {
    if len <= MAX_CLASS { class_size(class_of(len)) } else { len.div_ceil(UNIT) * UNIT }
}

/// What is known of a page; its bytes are apart, so that looking entries up touches little else.
#[derive(Default)]
struct Page {
    /// Bytes of the page; 0: vacant.
    size: usize,
    class: u8,
    /// Live slots.
    live: u16,
    /// First free slot that was used before (offset in units), the next one in its bytes 2..4.
    free: u16,
    /// Offset in units of the first slot never used.
    bump: u16,
    prev: u32,
    next: u32,
}

impl Page {
    fn has_room(&self) -> bool {
        self.free != NO_SLOT || self.bump as usize * UNIT + class_size(self.class as usize) <= self.size
    }
}

/// Pages of slots; see the module.
pub struct Arena {
    /// The pages' bytes.
    data: Vec<Box<[u8]>>,
    pages: Vec<Page>,
    /// Numbers of pages whose memory was returned.
    vacant: Vec<u32>,
    /// Head of each class's list of pages with room.
    roomy: [u32; N_CLASSES],
    /// Pages per class, to let the first ones be small.
    count: [u32; N_CLASSES],
    /// Bytes of all pages.
    capacity: usize,
    /// Bytes of live slots.
    live: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Arena {
            data: Vec::new(),
            pages: Vec::new(),
            vacant: Vec::new(),
            roomy: [NONE; N_CLASSES],
            count: [0; N_CLASSES],
            capacity: 0,
            live: 0,
        }
    }
}

impl Arena {
    /// Bytes of pages that hold no live slot: allocated, but free for entries.
    pub fn free_bytes(&self) -> usize {
        self.capacity - self.live
    }

    /// Bytes of all live slots.
    pub fn live_bytes(&self) -> usize {
        self.live
    }

    fn unlink(&mut self, page: u32) {
        let (class, prev, next) = {
            let p = &self.pages[page as usize];
            (p.class as usize, p.prev, p.next)
        };
        if prev == NONE {
            self.roomy[class] = next;
        } else {
            self.pages[prev as usize].next = next;
        }
        if next != NONE {
            self.pages[next as usize].prev = prev;
        }
    }

    fn link(&mut self, page: u32) {
        let class = self.pages[page as usize].class as usize;
        let head = self.roomy[class];
        self.pages[page as usize].prev = NONE;
        self.pages[page as usize].next = head;
        if head != NONE {
            self.pages[head as usize].prev = page;
        }
        self.roomy[class] = page;
    }

    fn add_page(&mut self, size: usize, class: u8, live: u16) -> u32 {
        self.capacity += size;
        let data = vec![0; size].into_boxed_slice();
        let page = Page { size, class, live, free: NO_SLOT, bump: 0, prev: NONE, next: NONE };
        match self.vacant.pop() {
            Some(n) => {
                self.pages[n as usize] = page;
                self.data[n as usize] = data;
                n
            }
            None => {
                let n = self.pages.len() as u32;
                if self.pages.len() == self.pages.capacity() {
                    // there may be few pages in each of many arenas
                    let more = self.pages.len() / 8 + 1;
                    self.pages.reserve_exact(more);
                    self.data.reserve_exact(more);
                }
                assert!(n < NONE >> UNIT_BITS, "a shard's arena is limited to 32 GiB");
                self.pages.push(page);
                self.data.push(data);
                n
            }
        }
    }

    fn drop_page(&mut self, page: u32) {
        self.capacity -= self.pages[page as usize].size;
        self.pages[page as usize] = Page::default();
        self.data[page as usize] = Box::default();
        self.vacant.push(page);
    }

    /// A slot of at least `len` bytes, with undefined content. Its first byte must be made non-zero.
    pub fn alloc(&mut self, len: usize) -> Handle {
        if len > MAX_CLASS {
            let size = slot_bytes(len);
            let n = self.add_page(size, SOLO, 1);
            self.live += size;
            return Handle(n << UNIT_BITS);
        }
        let class = class_of(len);
        let size = class_size(class);
        let mut page = self.roomy[class];
        if page == NONE {
            let bytes = match self.count[class] {
                0 => good_size((size * 4).clamp(256, 4096)),
                1..=3 => good_size((size * 8).clamp(2048, PAGE)),
                _ => FULL_PAGES[class],
            };
            self.count[class] += 1;
            page = self.add_page(bytes, class as u8, 0);
            self.link(page);
        }
        let p = &mut self.pages[page as usize];
        let unit = if p.free == NO_SLOT {
            let unit = p.bump;
            p.bump += (size / UNIT) as u16;
            unit
        } else {
            let unit = p.free;
            let at = unit as usize * UNIT;
            let data = &self.data[page as usize];
            p.free = u16::from_le_bytes([data[at + 2], data[at + 3]]);
            unit
        };
        p.live += 1;
        let full = !p.has_room();
        if full {
            self.unlink(page);
        }
        self.live += size;
        Handle(page << UNIT_BITS | u32::from(unit))
    }

    /// Returns a slot. The handle is dead afterwards.
    pub fn free(&mut self, handle: Handle) {
        let page = handle.0 >> UNIT_BITS;
        let unit = (handle.0 & ((1 << UNIT_BITS) - 1)) as u16;
        let p = &mut self.pages[page as usize];
        if p.class == SOLO {
            self.live -= p.size;
            return self.drop_page(page);
        }
        let size = class_size(p.class as usize);
        let was_full = !p.has_room();
        let at = unit as usize * UNIT;
        let data = &mut self.data[page as usize];
        data[at] = FREE;
        data[at + 2..at + 4].copy_from_slice(&p.free.to_le_bytes());
        p.free = unit;
        p.live -= 1;
        self.live -= size;
        if p.live == 0 {
            if !was_full {
                self.unlink(page);
            }
            self.count[self.pages[page as usize].class as usize] -= 1;
            self.drop_page(page);
        } else if was_full {
            self.link(page);
        }
    }

    /// The bytes from a slot's beginning to the end of its page; the entry's header tells where it ends.
    #[inline]
    pub fn bytes(&self, handle: Handle) -> &[u8] {
        let at = (handle.0 & ((1 << UNIT_BITS) - 1)) as usize * UNIT;
        &self.data[(handle.0 >> UNIT_BITS) as usize][at..]
    }

    /// Begins to load a slot: its first two cache lines.
    #[inline]
    pub fn prefetch(&self, handle: Handle) {
        let at = (handle.0 & ((1 << UNIT_BITS) - 1)) as usize * UNIT;
        if let Some(p) = self.data.get((handle.0 >> UNIT_BITS) as usize) {
            prefetch_index::prefetch_index(p, at);
            prefetch_index::prefetch_index(p, at + 64);
        }
    }

    /// As [`Arena::bytes`], for writing.
    #[inline]
    pub fn bytes_mut(&mut self, handle: Handle) -> &mut [u8] {
        let at = (handle.0 & ((1 << UNIT_BITS) - 1)) as usize * UNIT;
        &mut self.data[(handle.0 >> UNIT_BITS) as usize][at..]
    }

    /// Copies the first `len` bytes of a slot to another.
    pub fn copy(&mut self, from: Handle, to: Handle, len: usize) {
        let place = |h: Handle| ((h.0 >> UNIT_BITS) as usize, (h.0 & ((1 << UNIT_BITS) - 1)) as usize * UNIT);
        let ((from, at), (to, dest)) = (place(from), place(to));
        if from == to {
            self.data[from].copy_within(at..at + len, dest);
        } else if let Ok([from, to]) = self.data.get_disjoint_mut([from, to]) {
            to[dest..dest + len].copy_from_slice(&from[at..at + len]);
        }
    }

    /// Whether a remembered handle still names a live slot (perhaps another entry's).
    pub fn is_live(&self, handle: Handle) -> bool {
        let at = (handle.0 & ((1 << UNIT_BITS) - 1)) as usize * UNIT;
        let page = (handle.0 >> UNIT_BITS) as usize;
        let Some(p) = self.pages.get(page) else { return false };
        let size = if p.class == SOLO { p.size } else { class_size(p.class as usize) };
        // a handle into the middle of another class's slot is no slot
        p.size != 0 && at.is_multiple_of(size) && self.data[page].get(at).is_some_and(|&b| b != FREE)
    }

    /// Handles of the live slots of the emptiest shared page worth clearing: one that is less than half full while its
    /// class has room for all of them elsewhere. Moving them away returns the page.
    pub fn sparse_page(&self, seed: usize) -> Option<Vec<Handle>> {
        let class = seed % N_CLASSES;
        let mut page = self.roomy[class];
        let (mut best, mut best_live, mut room, mut steps) = (NONE, u16::MAX, 0usize, 0);
        while page != NONE && steps < 64 {
            let p = &self.pages[page as usize];
            let slots = p.size / class_size(class);
            room += slots - p.live as usize;
            if (p.live as usize) * 2 < slots && p.live < best_live {
                (best, best_live) = (page, p.live);
            }
            page = p.next;
            steps += 1;
        }
        if best == NONE {
            return None;
        }
        let p = &self.pages[best as usize];
        let slots = p.size / class_size(class);
        if room < slots {
            return None; // the others could not take them
        }
        let size = class_size(class) / UNIT;
        Some(
            (0..p.bump as usize / size)
                .map(|i| Handle(best << UNIT_BITS | (i * size) as u32))
                .filter(|&h| self.is_live(h))
                .collect(),
        )
    }

    /// Takes a page out of allocation while its slots are moved away; `alloc` will not choose it.
    pub fn retire(&mut self, slot: Handle) {
        let page = slot.0 >> UNIT_BITS;
        self.unlink(page);
        let class = self.pages[page as usize].class as usize;
        // put it at the list's end, where it is the last choice
        let mut tail = self.roomy[class];
        if tail == NONE {
            self.link(page);
            return;
        }
        while self.pages[tail as usize].next != NONE {
            tail = self.pages[tail as usize].next;
        }
        self.pages[tail as usize].next = page;
        self.pages[page as usize].prev = tail;
        self.pages[page as usize].next = NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn classes_cover_lengths_tightly() {
        for len in 1..=MAX_CLASS {
            let size = slot_bytes(len);
            assert!(size >= len && size.is_multiple_of(UNIT), "{len} -> {size}");
            assert!(size - len < (len / 8).max(8), "{len} -> {size} wastes too much");
            let page = FULL_PAGES[class_of(len)];
            assert!(page % size * 8 < page, "{page} % {size}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Slots never overlap, keep their content, and everything is returned.
        #[test]
        fn slots_keep_their_content(ops in prop::collection::vec((any::<bool>(), 8usize..3000, any::<u8>()), 1..400)) {
            let mut arena = Arena::default();
            let mut live: Vec<(Handle, Vec<u8>)> = Vec::new();
            for (free, len, fill) in ops {
                if free && !live.is_empty() {
                    let (h, want) = live.swap_remove(len % live.len());
                    prop_assert_eq!(&arena.bytes(h)[..want.len()], &want[..]);
                    arena.free(h);
                } else {
                    let h = arena.alloc(len);
                    let content = vec![fill | 1; len];
                    arena.bytes_mut(h)[..len].copy_from_slice(&content);
                    prop_assert!(arena.is_live(h));
                    live.push((h, content));
                }
                prop_assert_eq!(arena.live_bytes(), live.iter().map(|(_, c)| slot_bytes(c.len())).sum::<usize>());
            }
            for (h, want) in live {
                prop_assert_eq!(&arena.bytes(h)[..want.len()], &want[..]);
                arena.free(h);
            }
            prop_assert_eq!(arena.capacity, 0);
        }
    }
}
