//! Whether a history of concurrent operations could have happened one after the other: the algorithm of Wing and Gong
//! with Lowe's memory of configurations seen.
//!
//! The model is exact: strings under a few keys, transactions that happen at one point, and WATCH, where EXEC fails if
//! and only if a watched key was modified in between.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use viator_client::value::Value;

/// What a client does, as one point in time.
#[derive(Clone, Debug)]
pub enum Op {
    Get(u8),
    Set(u8, String),
    Incr(u8),
    Append(u8, String),
    Del(u8),
    MSet(Vec<(u8, String)>),
    MGet(Vec<u8>),
    Rename(u8, u8),
    Watch(Vec<u8>),
    /// MULTI, the operations and EXEC.
    Transaction(Vec<Op>),
}

/// The key's name on the wire; all in one slot's reach or not is the server's affair.
pub fn key(k: u8) -> String {
    format!("key:{k}")
}

impl Op {
    /// The command lines that it is.
    pub fn commands(&self) -> Vec<Vec<String>> {
        let one = |words: &[&str]| vec![words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()];
        match self {
            Op::Get(k) => one(&["GET", &key(*k)]),
            Op::Set(k, v) => one(&["SET", &key(*k), v]),
            Op::Incr(k) => one(&["INCR", &key(*k)]),
            Op::Append(k, v) => one(&["APPEND", &key(*k), v]),
            Op::Del(k) => one(&["DEL", &key(*k)]),
            Op::Rename(a, b) => one(&["RENAME", &key(*a), &key(*b)]),
            Op::MSet(pairs) => {
                let words = pairs.iter().flat_map(|(k, v)| [key(*k), v.clone()]);
                vec![std::iter::once("MSET".to_owned()).chain(words).collect()]
            }
            Op::MGet(keys) => vec![std::iter::once("MGET".to_owned()).chain(keys.iter().map(|k| key(*k))).collect()],
            Op::Watch(keys) => vec![std::iter::once("WATCH".to_owned()).chain(keys.iter().map(|k| key(*k))).collect()],
            Op::Transaction(ops) => {
                let mut all = one(&["MULTI"]);
                all.extend(ops.iter().flat_map(Op::commands));
                all.extend(one(&["EXEC"]));
                all
            }
        }
    }
}

/// What a client did, from when to when, and what came of it.
#[derive(Clone, Debug)]
pub struct Event {
    /// Which client.
    pub client: usize,
    /// What it did.
    pub op: Op,
    /// Before it was sent.
    pub call: u64,
    /// After the reply was read; at least `call`.
    pub ret: u64,
    /// The reply; of a transaction, EXEC's.
    pub reply: Value,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.op.commands().iter().map(|c| c.join(" ")).collect();
        write!(f, "{:>9}..{:<9} client {}: {} -> {}", self.call, self.ret, self.client, lines.join("; "), self.reply)
    }
}

/// The data, and for each client with watched keys whether they are untouched.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct State {
    data: BTreeMap<u8, Vec<u8>>,
    watches: BTreeMap<usize, (BTreeSet<u8>, bool)>,
}

fn status(text: &str) -> Value {
    Value::Simple(text.as_bytes().to_vec())
}

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

impl State {
    fn touch(&mut self, key: u8) {
        for (keys, touched) in self.watches.values_mut() {
            *touched |= keys.contains(&key);
        }
    }

    fn put(&mut self, key: u8, value: Vec<u8>) {
        self.data.insert(key, value);
        self.touch(key);
    }

    fn get(&self, key: u8) -> Value {
        self.data.get(&key).map_or(Value::NullBulk, |v| Value::Bulk(v.clone()))
    }

    /// The reply that the operation has in this state, and the state after it.
    fn apply(&mut self, client: usize, op: &Op) -> Value {
        match op {
            Op::Get(k) => self.get(*k),
            Op::Set(k, v) => {
                self.put(*k, v.clone().into_bytes());
                status("OK")
            }
            Op::Incr(k) => {
                // As Redis reads an integer: the digits that it would write, and nothing else.
                let number = |v: &Vec<u8>| {
                    let n: i64 = std::str::from_utf8(v).ok()?.parse().ok()?;
                    (n.to_string().as_bytes() == v).then_some(n)
                };
                let now = self.data.get(k).map_or(Some(0), number);
                match now.and_then(|n| n.checked_add(1)) {
                    Some(n) => {
                        self.put(*k, n.to_string().into_bytes());
                        Value::Integer(n)
                    }
                    None => error("ERR value is not an integer or out of range"),
                }
            }
            Op::Append(k, v) => {
                let mut value = self.data.get(k).cloned().unwrap_or_default();
                value.extend_from_slice(v.as_bytes());
                let length = value.len() as i64;
                self.put(*k, value);
                Value::Integer(length)
            }
            Op::Del(k) => {
                let there = self.data.remove(k).is_some();
                if there {
                    self.touch(*k);
                }
                Value::Integer(i64::from(there))
            }
            Op::MSet(pairs) => {
                for (k, v) in pairs {
                    self.put(*k, v.clone().into_bytes());
                }
                status("OK")
            }
            Op::MGet(keys) => Value::Array(keys.iter().map(|k| self.get(*k)).collect()),
            Op::Rename(a, b) => match self.data.remove(a) {
                Some(value) => {
                    self.touch(*a);
                    self.put(*b, value);
                    status("OK")
                }
                None => error("ERR no such key"),
            },
            Op::Watch(keys) => {
                let watch = self.watches.entry(client).or_default();
                watch.0.extend(keys);
                status("OK")
            }
            Op::Transaction(ops) => {
                if self.watches.remove(&client).is_some_and(|(_, touched)| touched) {
                    return Value::NullArray;
                }
                Value::Array(ops.iter().map(|op| self.apply(client, op)).collect())
            }
        }
    }
}

/// What a check came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is an order.
    Linearizable,
    /// There is none; the most events that could be put in order.
    Not(usize),
    /// More configurations than the bound.
    Undecided,
}

/// For each event the one before it of the same client, which goes before it in every order: the commands of a pipeline
/// are sent at the same time, and done one after the other.
fn earlier(history: &[Event]) -> Vec<Option<usize>> {
    let mut last = BTreeMap::new();
    history.iter().enumerate().map(|(i, event)| last.insert(event.client, i)).collect()
}

/// Looks for an order of all events in which each has the reply that it had. `bound`: configurations remembered at most.
pub fn check(history: &[Event], bound: usize) -> Verdict {
    // The calls and returns in order of time; at the same moment calls come first, which allows more.
    let mut marks: Vec<(u64, bool, usize)> = Vec::new();
    for (i, event) in history.iter().enumerate() {
        marks.push((event.call, false, i));
        marks.push((event.ret, true, i));
    }
    marks.sort_unstable();
    let end = marks.len() + 1;
    // A linked list of the marks that are not yet linearized; 0 is its head, `end` its end.
    let mut next: Vec<usize> = (1..=end).chain([end]).collect();
    let mut previous: Vec<usize> = std::iter::once(0).chain(0..end).collect();
    let mut return_of = vec![0; history.len()];
    for (at, (_, is_return, i)) in marks.iter().enumerate() {
        if *is_return {
            return_of[*i] = at + 1;
        }
    }
    let earlier = earlier(history);
    let mut done = vec![0u64; history.len().div_ceil(64)];
    let mut seen: HashSet<(Vec<u64>, State)> = HashSet::new();
    let mut state = State::default();
    let mut stack: Vec<(usize, State)> = Vec::new();
    let mut longest = 0;
    let mut at = next[0];
    while at != end {
        let (_, is_return, i) = marks[at - 1];
        if !is_return {
            let mut after = state.clone();
            let in_turn = earlier[i].is_none_or(|e| done[e / 64] & (1 << (e % 64)) != 0);
            if in_turn && after.apply(history[i].client, &history[i].op) == history[i].reply {
                done[i / 64] |= 1 << (i % 64);
                if seen.insert((done.clone(), after.clone())) {
                    if seen.len() > bound {
                        return Verdict::Undecided;
                    }
                    stack.push((at, std::mem::replace(&mut state, after)));
                    longest = longest.max(stack.len());
                    for mark in [at, return_of[i]] {
                        next[previous[mark]] = next[mark];
                        previous[next[mark]] = previous[mark];
                    }
                    at = next[0];
                    continue;
                }
                done[i / 64] &= !(1 << (i % 64));
            }
            at = next[at];
        } else {
            // An operation has returned that is not in the order yet: the last choice was wrong.
            let Some((call, before)) = stack.pop() else { return Verdict::Not(longest) };
            let i = marks[call - 1].2;
            state = before;
            done[i / 64] &= !(1 << (i % 64));
            for mark in [return_of[i], call] {
                next[previous[mark]] = mark;
                previous[next[mark]] = mark;
            }
            at = next[call];
        }
    }
    Verdict::Linearizable
}

/// The same by trying every order; for short histories.
fn brute_force(history: &[Event]) -> bool {
    fn go(history: &[Event], earlier: &[Option<usize>], done: u32, state: &State) -> bool {
        let open = |i: usize| done & (1 << i) == 0;
        if (0..history.len()).all(|i| !open(i)) {
            return true;
        }
        (0..history.len()).filter(|i| open(*i)).any(|i| {
            let in_turn = earlier[i].is_none_or(|e| !open(e));
            let first = in_turn && (0..history.len()).filter(|j| open(*j)).all(|j| history[j].ret >= history[i].call);
            let mut after = state.clone();
            first
                && after.apply(history[i].client, &history[i].op) == history[i].reply
                && go(history, earlier, done | (1 << i), &after)
        })
    }
    go(history, &earlier(history), 0, &State::default())
}

mod tests {
    use super::*;
    use crate::common::rng::Rng;

    fn event(client: usize, call: u64, ret: u64, op: Op, reply: Value) -> Event {
        Event { client, op, call, ret, reply }
    }

    fn text(s: &str) -> Value {
        Value::Bulk(s.as_bytes().to_vec())
    }

    fn set(client: usize, call: u64, ret: u64, k: u8, v: &str) -> Event {
        event(client, call, ret, Op::Set(k, v.into()), status("OK"))
    }

    fn get(client: usize, call: u64, ret: u64, k: u8, v: &str) -> Event {
        event(client, call, ret, Op::Get(k), text(v))
    }

    fn is(history: &[Event]) -> bool {
        let verdict = check(history, 1_000_000);
        assert_ne!(verdict, Verdict::Undecided);
        assert_eq!(verdict == Verdict::Linearizable, brute_force(history));
        verdict == Verdict::Linearizable
    }

    #[test]
    fn accepts_what_could_have_happened() {
        assert!(is(&[]));
        // A read during a write may see it or not.
        assert!(is(&[set(0, 0, 10, 0, "a"), get(1, 5, 6, 0, "a")]));
        assert!(is(&[set(0, 0, 10, 0, "a"), event(1, 5, 6, Op::Get(0), Value::NullBulk)]));
        // Two writes at the same time, seen in either order, but by all the same.
        let writes = [set(0, 0, 10, 0, "a"), set(1, 0, 10, 0, "b")];
        assert!(is(&[&writes[..], &[get(2, 11, 12, 0, "a"), get(3, 13, 14, 0, "a")]].concat()));
        assert!(is(&[&writes[..], &[get(2, 11, 12, 0, "b"), get(3, 13, 14, 0, "b")]].concat()));
    }

    #[test]
    fn rejects_what_could_not() {
        // A stale read.
        assert!(!is(&[set(0, 0, 1, 0, "a"), event(1, 2, 3, Op::Get(0), Value::NullBulk)]));
        // Two readers that see two writes in different orders.
        let writes = [set(0, 0, 10, 0, "a"), set(1, 0, 10, 0, "b")];
        assert!(!is(&[&writes[..], &[get(2, 11, 12, 0, "a"), get(3, 13, 14, 0, "b")]].concat()));
        // New, then old again, while the write is still going on.
        assert!(!is(&[set(0, 0, 20, 0, "a"), get(1, 1, 2, 0, "a"), event(2, 3, 4, Op::Get(0), Value::NullBulk),]));
        // A lost update.
        let incr = |c, n| event(c, 0, 10, Op::Incr(0), Value::Integer(n));
        assert!(is(&[incr(0, 1), incr(1, 2)]));
        assert!(!is(&[incr(0, 1), incr(1, 1)]));
        // Half of an MSET.
        let mset = event(0, 0, 10, Op::MSet(vec![(0, "a".into()), (1, "b".into())]), status("OK"));
        let mget = |a, b| event(1, 5, 6, Op::MGet(vec![0, 1]), Value::Array(vec![a, b]));
        assert!(is(&[mset.clone(), mget(text("a"), text("b"))]));
        assert!(!is(&[mset.clone(), mget(text("a"), Value::NullBulk)]));
        assert!(!is(&[mset, mget(Value::NullBulk, text("b"))]));
        // A key that is in two places, or in none, while it is renamed.
        let rename = event(0, 10, 20, Op::Rename(0, 1), status("OK"));
        let during = |a, b| event(1, 12, 13, Op::MGet(vec![0, 1]), Value::Array(vec![a, b]));
        assert!(is(&[set(0, 0, 1, 0, "a"), rename.clone(), during(Value::NullBulk, text("a"))]));
        assert!(!is(&[set(0, 0, 1, 0, "a"), rename.clone(), during(text("a"), text("a"))]));
        assert!(!is(&[set(0, 0, 1, 0, "a"), rename, during(Value::NullBulk, Value::NullBulk)]));
        // A client's own commands out of turn.
        assert!(!is(&[get(0, 0, 10, 0, "a"), set(0, 0, 10, 0, "a")]));
        assert!(is(&[set(0, 0, 10, 0, "a"), get(0, 0, 10, 0, "a")]));
        // Two transactions, interleaved.
        let both = |c, n| {
            let reply = Value::Array(vec![Value::Integer(n), Value::Integer(3 - n)]);
            event(c, 0, 10, Op::Transaction(vec![Op::Incr(0), Op::Incr(1)]), reply)
        };
        assert!(!is(&[both(0, 1), both(1, 2)]));
    }

    #[test]
    fn watches_are_exact() {
        let watch = event(0, 0, 1, Op::Watch(vec![0]), status("OK"));
        let exec = |reply| event(0, 4, 5, Op::Transaction(vec![Op::Get(0)]), reply);
        let other = set(1, 2, 3, 0, "a");
        assert!(is(&[watch.clone(), other.clone(), exec(Value::NullArray)]));
        assert!(!is(&[watch.clone(), other, exec(Value::Array(vec![text("a")]))]));
        assert!(!is(&[watch.clone(), set(1, 2, 3, 1, "a"), exec(Value::NullArray)]));
        assert!(is(&[watch.clone(), set(1, 2, 3, 1, "a"), exec(Value::Array(vec![Value::NullBulk]))]));
        // Deleting nothing is no modification.
        let del = event(1, 2, 3, Op::Del(0), Value::Integer(0));
        assert!(!is(&[watch, del, exec(Value::NullArray)]));
    }

    /// Short random histories: the verdict is that of trying every order.
    #[test]
    fn agrees_with_brute_force() {
        let mut rng = Rng::new(7);
        let mut counts = [0, 0];
        for _ in 0..20_000 {
            let history: Vec<Event> = (0..2 + rng.below(4))
                .map(|i| {
                    let call = rng.below(12) as u64;
                    let ret = call + rng.below(6) as u64;
                    let n = rng.range(1, 3);
                    match rng.below(5) {
                        0 | 1 => event(i, call, ret, Op::Incr(0), Value::Integer(n)),
                        2 => set(i, call, ret, 0, &n.to_string()),
                        3 => event(i, call, ret, Op::Del(0), Value::Integer(n % 2)),
                        _ => get(i, call, ret, 0, &n.to_string()),
                    }
                })
                .collect();
            counts[usize::from(is(&history))] += 1;
        }
        assert!(counts.iter().all(|n| *n > 500), "too few of one kind: {counts:?}");
    }
}
