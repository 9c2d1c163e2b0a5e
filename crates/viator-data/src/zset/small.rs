//! A small sorted set: a listpack of member, score, member, score… in order, as Redis keeps and dumps it.

use crate::num::{format_f64, parse_f64};
use crate::packed::{Entry, IntBuf, Iter, Packed, Pos};

/// The score an entry holds. What is no number (only damaged data from outside) counts as 0.
fn score_of(e: Entry<'_>) -> f64 {
    match e {
        Entry::Int(i) => i as f64,
        Entry::Str(s) => parse_f64(s).unwrap_or(0.0),
    }
}

/// The integer a score is stored as: whole, and in the middle half of the range of 64 bits, as Redis has it.
fn whole(score: f64) -> Option<i64> {
    const HALF: f64 = (i64::MAX / 2) as f64;
    ((-HALF..=HALF).contains(&score) && score as i64 as f64 == score).then_some(score as i64)
}

pub(super) fn find(p: &Packed, member: &[u8]) -> Option<(Pos, f64)> {
    let pos = p.find(p.first()?, member, 1)?;
    Some((pos, score_of(p.get(p.next(pos)?)?)))
}

/// Inserts a member that is not there.
pub(super) fn insert(p: &mut Packed, member: &[u8], score: f64) {
    let mut place = None;
    let mut buf = IntBuf::new();
    let mut entries = p.iter();
    loop {
        let pos = entries.pos();
        let Some((m, s)) = next(&mut entries) else { break };
        if s > score || (s == score && m.bytes(&mut buf) > member) {
            place = pos;
            break;
        }
    }
    let mut text = Vec::new();
    match (place, whole(score)) {
        (Some(pos), Some(i)) => {
            p.insert_int_before(pos, i);
            p.insert_before(pos, member);
        }
        (Some(pos), None) => {
            format_f64(score, &mut text);
            p.insert_before(pos, &text);
            p.insert_before(pos, member);
        }
        (None, _) => push(p, member, score),
    }
}

/// Appends a member that is above all others.
pub(super) fn push(p: &mut Packed, member: &[u8], score: f64) {
    p.push_back(member);
    match whole(score) {
        Some(i) => p.push_back_int(i),
        None => {
            let mut text = Vec::new();
            format_f64(score, &mut text);
            p.push_back(&text);
        }
    }
}

fn next<'a>(entries: &mut Iter<'a>) -> Option<(Entry<'a>, f64)> {
    Some((entries.next()?, score_of(entries.next()?)))
}

fn next_back<'a>(entries: &mut Iter<'a>) -> Option<(Entry<'a>, f64)> {
    let score = score_of(entries.next_back()?);
    Some((entries.next_back()?, score))
}

pub(super) fn count_while(p: &Packed, holds: impl Fn(f64, Entry<'_>) -> bool) -> usize {
    let mut entries = p.iter();
    core::iter::from_fn(|| next(&mut entries)).take_while(|&(m, s)| holds(s, m)).count()
}

/// `count` members from `rank` on, upwards or downwards.
pub(super) fn range(p: &Packed, rank: usize, count: usize, reverse: bool) -> Range<'_> {
    let seek = |entry: usize| i64::try_from(entry).ok().and_then(|i| p.seek(i));
    let from = if reverse { rank * 2 + 1 } else { rank * 2 };
    let entries = match seek(from) {
        Some(pos) if reverse => p.iter_to(pos),
        Some(pos) => p.iter_from(pos),
        None => return Range { entries: p.iter(), left: 0, reverse },
    };
    let left = count.min(if reverse { rank + 1 } else { p.len() / 2 - rank });
    Range { entries, left, reverse }
}

#[derive(Clone)]
pub(super) struct Range<'a> {
    entries: Iter<'a>,
    left: usize,
    reverse: bool,
}

impl<'a> Iterator for Range<'a> {
    type Item = (Entry<'a>, f64);
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if self.reverse { next_back(&mut self.entries) } else { next(&mut self.entries) }
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}
