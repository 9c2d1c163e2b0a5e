//! The order of SORT: elements by their weights, numbers or texts.

use std::cmp::Ordering;
use viator_data::num;

/// How elements are ordered, and which of them are wanted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Order {
    /// DESC.
    pub descending: bool,
    /// ALPHA: by text instead of by number.
    pub alpha: bool,
    /// LIMIT's first element; negative: 0.
    pub offset: i64,
    /// LIMIT's number of elements; negative: all.
    pub count: i64,
}

impl Order {
    /// The elements that LIMIT wants of `items`, taken from their end if `reversed`.
    pub fn cut(self, mut items: Vec<Vec<u8>>, reversed: bool) -> Vec<Vec<u8>> {
        if reversed {
            items.reverse();
        }
        let offset = usize::try_from(self.offset).unwrap_or(0).min(items.len());
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        items.drain(..offset);
        items.truncate(count);
        items
    }
}

/// What an element is ordered by.
pub enum Weight {
    /// By itself.
    Element,
    /// By another value, which may be missing: then 0 as a number, and before all texts.
    Other(Option<Vec<u8>>),
}

/// The elements in order, as far as wanted; `None` if one is to be ordered by a number and has none.
pub fn arrange(items: Vec<Vec<u8>>, order: Order, mut weight: impl FnMut(&[u8]) -> Weight) -> Option<Vec<Vec<u8>>> {
    if order.alpha {
        let mut weighted: Vec<(Weight, Vec<u8>)> = items.into_iter().map(|i| (weight(&i), i)).collect();
        weighted.sort_by(|a, b| {
            directed(
                order,
                match (&a.0, &b.0) {
                    (Weight::Other(x), Weight::Other(y)) => x.cmp(y),
                    _ => a.1.cmp(&b.1),
                },
            )
        });
        Some(order.cut(weighted.into_iter().map(|w| w.1).collect(), false))
    } else {
        let mut weighted = Vec::with_capacity(items.len());
        for item in items {
            let number = match weight(&item) {
                Weight::Element => num::parse_f64_loose(&item)?,
                Weight::Other(None) => 0.0,
                Weight::Other(Some(text)) => num::parse_f64_loose(&text)?,
            };
            weighted.push((number, item));
        }
        // equal numbers: by text, so that the result does not depend on the order before
        weighted.sort_by(|a, b| {
            directed(order, a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(&b.1)))
        });
        Some(order.cut(weighted.into_iter().map(|w| w.1).collect(), false))
    }
}

fn directed(order: Order, o: Ordering) -> Ordering {
    if order.descending { o.reverse() } else { o }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(items: &[&str], order: Order, weights: &[(&str, &str)]) -> Option<Vec<String>> {
        let items = items.iter().map(|i| i.as_bytes().to_vec()).collect();
        let sorted = arrange(items, order, |e| match weights {
            [] => Weight::Element,
            _ => Weight::Other(weights.iter().find(|w| w.0.as_bytes() == e).map(|w| w.1.into())),
        });
        sorted.map(|s| s.into_iter().map(|i| String::from_utf8(i).unwrap()).collect())
    }

    const ALL: Order = Order { descending: false, alpha: false, offset: 0, count: -1 };

    #[test]
    fn numbers() {
        assert_eq!(sorted(&["10", "9", "-1", "1.5"], ALL, &[]).unwrap(), ["-1", "1.5", "9", "10"]);
        assert_eq!(sorted(&["inf", "", "-inf"], ALL, &[]).unwrap(), ["-inf", "", "inf"]);
        assert_eq!(sorted(&["1", "x"], ALL, &[]), None);
        assert_eq!(sorted(&["1", "nan"], ALL, &[]), None);
        let down = Order { descending: true, ..ALL };
        assert_eq!(sorted(&["1", "01", "2"], down, &[]).unwrap(), ["2", "1", "01"]);
    }

    #[test]
    fn weights() {
        let w = [("a", "3"), ("b", "2")];
        assert_eq!(sorted(&["a", "b", "c"], ALL, &w).unwrap(), ["c", "b", "a"]);
        let alpha = Order { alpha: true, ..ALL };
        assert_eq!(sorted(&["a", "c", "b"], alpha, &[("a", "foo")]).unwrap(), ["c", "b", "a"]);
        assert_eq!(sorted(&["a", "c", "B"], alpha, &[]).unwrap(), ["B", "a", "c"]);
    }

    #[test]
    fn limits() {
        let alpha = Order { alpha: true, ..ALL };
        let cut = |offset, count| sorted(&["a", "b", "c"], Order { offset, count, ..alpha }, &[]).unwrap().concat();
        assert_eq!(cut(-10, 2), "ab");
        assert_eq!(cut(1, -1), "bc");
        assert_eq!(cut(10, 1), "");
        assert_eq!(cut(2, i64::MAX), "c");
        assert_eq!(cut(i64::MAX, i64::MAX), "");
        assert_eq!(cut(0, 0), "");
    }
}
