//! A vector in pages: growing it never moves more than one page, so that no push stalls.

use crate::cow::Cow;

const PAGE: usize = 1 << SHIFT;
const SHIFT: u32 = 9;

/// A vector in pages of 512 elements.
#[derive(Clone, Debug)]
pub(crate) struct Paged<T> {
    pages: Vec<Cow<Vec<T>>>,
    len: usize,
}

impl<T: Clone> Paged<T> {
    pub(crate) const fn new() -> Self {
        Paged { pages: Vec::new(), len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, i: usize) -> Option<&T> {
        self.pages.get(i >> SHIFT)?.get(i & (PAGE - 1))
    }

    /// Begins to load an element.
    #[inline]
    pub(crate) fn prefetch(&self, i: usize) {
        if let Some(page) = self.pages.get(i >> SHIFT) {
            prefetch_index::prefetch_index(&**page, i & (PAGE - 1));
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, i: usize) -> Option<&mut T> {
        self.pages.get_mut(i >> SHIFT)?.make_mut().get_mut(i & (PAGE - 1))
    }

    pub(crate) fn push(&mut self, item: T) {
        let page = match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.make_mut(),
            _ => {
                self.pages.push(Cow::default());
                // The page just pushed is the last.
                let Some(page) = self.pages.last_mut() else { return };
                page.make_mut()
            }
        };
        if page.len() == page.capacity() {
            page.reserve_exact((page.len() / 2).max(8).min(PAGE - page.len()));
        }
        page.push(item);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        let page = self.pages.last_mut()?.make_mut();
        let item = page.pop()?;
        self.len -= 1;
        if page.is_empty() {
            self.pages.pop();
        } else if page.capacity() > 16 && page.len() < page.capacity() / 4 {
            page.shrink_to(page.capacity() / 2);
        }
        Some(item)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.pages.iter().flat_map(|p| p.iter())
    }

    /// Heap bytes of the pages, without what the elements hold themselves.
    pub(crate) fn memory_usage(&self) -> usize {
        // All pages but the last are full.
        let last = self.pages.last().map_or(0, |p| p.capacity());
        let full = self.pages.len().saturating_sub(1) * PAGE;
        (full + last) * size_of::<T>() + self.pages.capacity() * size_of::<Vec<T>>()
    }

    /// A copy that shares the pages, until either changes them.
    pub(crate) fn share(&mut self) -> Paged<T> {
        Paged { pages: self.pages.iter_mut().map(Cow::share).collect(), len: self.len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_grows_from_every_length() {
        for len in 0..PAGE {
            // A copied page has no spare room, whatever its length.
            let mut p = Paged { pages: vec![Cow::Own(vec![0u8; len])], len };
            p.push(1);
            assert_eq!((p.len(), p.get(len)), (len + 1, Some(&1)));
        }
    }

    #[test]
    fn pushes_and_pops_over_page_bounds() {
        let mut p = Paged::new();
        for i in 0..3000usize {
            p.push(i);
        }
        assert_eq!(p.len(), 3000);
        assert!((0..3000).all(|i| p.get(i) == Some(&i)));
        assert_eq!(p.get(3000), None);
        assert!(p.iter().copied().eq(0..3000));
        for i in (100..3000).rev() {
            assert_eq!(p.pop(), Some(i));
        }
        *p.get_mut(99).unwrap() = 7;
        assert_eq!((p.get(99), p.get(100), p.len()), (Some(&7), None, 100));
        for _ in 0..100 {
            p.pop().unwrap();
        }
        assert_eq!(p.pop(), None);
        for i in 0..2000 {
            p.push(i);
        }
        let mut shared = p.share();
        *p.get_mut(700).unwrap() = 9;
        p.push(5);
        assert_eq!(shared.pop(), Some(1999));
        assert!(shared.iter().copied().eq(0..1999));
        assert_eq!((p.get(700), p.get(1999), p.get(2000)), (Some(&9), Some(&1999), Some(&5)));
        while p.pop().is_some() {}
        p.push(1);
        assert_eq!(p.get(0), Some(&1));
    }
}
