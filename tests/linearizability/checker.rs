//! Whether a history of concurrent operations could have happened one after the other: the algorithm of Wing and Gong
//! with Lowe's memory of configurations seen.
//!
//! The model is exact: strings and lists under a few keys, transactions that happen at one point, and WATCH, where EXEC
//! fails if and only if a watched key was modified in between. A command that waits happens at one point too: when it takes
//! what it has waited for, or when its time is over and there still is nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
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
    /// LPUSH or RPUSH.
    Push(u8, End, Vec<String>),
    /// LPOP or RPOP; BLPOP or BRPOP from the first list that has an element, if that is to be waited for so many seconds.
    Pop(Vec<u8>, End, Option<&'static str>),
    /// LMOVE or BLMOVE.
    Move((u8, End), (u8, End), Option<&'static str>),
    /// LRANGE of the whole list.
    Range(u8),
    DelList(u8),
    RenameList(u8, u8),
}

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

impl End {
    /// "L" or "R".
    fn letter(self) -> &'static str {
        if self == End::Left { "L" } else { "R" }
    }

    fn word(self) -> &'static str {
        if self == End::Left { "LEFT" } else { "RIGHT" }
    }
}

/// The key's name on the wire; all in one slot's reach or not is the server's affair.
pub fn key(k: u8) -> String {
    format!("key:{k}")
}

/// A list's name on the wire.
fn list(k: u8) -> String {
    format!("list:{k}")
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
            Op::Push(k, end, values) => {
                let command = [format!("{}PUSH", end.letter()), list(*k)];
                vec![command.into_iter().chain(values.iter().cloned()).collect()]
            }
            Op::Pop(keys, end, None) => one(&[&format!("{}POP", end.letter()), &list(keys[0])]),
            Op::Pop(keys, end, Some(time)) => {
                let command = std::iter::once(format!("B{}POP", end.letter()));
                vec![command.chain(keys.iter().map(|k| list(*k))).chain([(*time).to_owned()]).collect()]
            }
            Op::Move((a, from), (b, to), time) => {
                let words =
                    [if time.is_some() { "BLMOVE" } else { "LMOVE" }, &list(*a), &list(*b), from.word(), to.word()];
                vec![words.into_iter().chain(*time).map(str::to_owned).collect()]
            }
            Op::Range(k) => one(&["LRANGE", &list(*k), "0", "-1"]),
            Op::DelList(k) => one(&["DEL", &list(*k)]),
            Op::RenameList(a, b) => one(&["RENAME", &list(*a), &list(*b)]),
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
    lists: BTreeMap<u8, VecDeque<String>>,
    watches: BTreeMap<usize, (BTreeSet<u8>, bool)>,
}

/// What commands about lists answer when there is nothing: there are two ways to say so, see [`plainly`].
const NOTHING: Value = Value::NullBulk;

/// A reply about lists, nothing being always the same nothing.
pub fn plainly(reply: Value) -> Value {
    match reply {
        Value::NullArray => NOTHING,
        Value::Array(items) => Value::Array(items.into_iter().map(plainly).collect()),
        other => other,
    }
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
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

    fn push(&mut self, key: u8, end: End, value: String) -> usize {
        let l = self.lists.entry(key).or_default();
        match end {
            End::Left => l.push_front(value),
            End::Right => l.push_back(value),
        }
        l.len()
    }

    fn pop(&mut self, key: u8, end: End) -> Option<String> {
        let l = self.lists.get_mut(&key)?;
        let value = if end == End::Left { l.pop_front() } else { l.pop_back() };
        if l.is_empty() {
            self.lists.remove(&key);
        }
        value
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
            Op::Push(k, end, values) => {
                let lens: Vec<usize> = values.iter().map(|v| self.push(*k, *end, v.clone())).collect();
                Value::Integer(lens[lens.len() - 1] as i64)
            }
            Op::Pop(keys, end, wait) => {
                let popped = keys.iter().find_map(|k| Some((*k, self.pop(*k, *end)?)));
                match popped {
                    Some((k, v)) if wait.is_some() => Value::Array(vec![bulk(&list(k)), bulk(&v)]),
                    Some((_, v)) => bulk(&v),
                    None => NOTHING,
                }
            }
            Op::Move((a, from), (b, to), _) => match self.pop(*a, *from) {
                Some(v) => {
                    self.push(*b, *to, v.clone());
                    bulk(&v)
                }
                None => NOTHING,
            },
            Op::Range(k) => Value::Array(self.lists.get(k).into_iter().flatten().map(|v| bulk(v)).collect()),
            Op::DelList(k) => Value::Integer(i64::from(self.lists.remove(k).is_some())),
            Op::RenameList(a, b) => match self.lists.remove(a) {
                Some(l) => {
                    self.lists.insert(*b, l);
                    status("OK")
                }
                None => error("ERR no such key"),
            },
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

    #[test]
    fn waiting_happens_at_one_point() {
        let push =
            |call, ret, v: &str, n| event(0, call, ret, Op::Push(0, End::Right, vec![v.into()]), Value::Integer(n));
        let wait = |c, call, ret, got: Option<&str>| {
            let reply = got.map_or(NOTHING, |v| Value::Array(vec![text("list:0"), text(v)]));
            event(c, call, ret, Op::Pop(vec![0], End::Left, Some("1")), reply)
        };
        assert!(is(&[wait(1, 0, 10, Some("a")), push(4, 5, "a", 1)]));
        assert!(is(&[wait(1, 0, 3, None), push(4, 5, "a", 1), wait(2, 6, 7, Some("a"))]));
        // An element for two, for nobody, or out of the blue.
        assert!(!is(&[wait(1, 0, 10, Some("a")), wait(2, 0, 10, Some("a")), push(4, 5, "a", 1)]));
        assert!(!is(&[push(4, 5, "a", 1), wait(1, 6, 10, None)]));
        assert!(!is(&[wait(1, 0, 3, Some("a")), push(4, 5, "a", 1)]));
        // Two elements, and the one that waits takes the wrong one.
        assert!(!is(&[push(0, 1, "a", 1), push(2, 3, "b", 2), wait(1, 4, 5, Some("b"))]));
        // A transaction shows nothing in between: the element is gone again before anybody is served.
        let both = Op::Transaction(vec![Op::Push(0, End::Left, vec!["a".into()]), Op::Pop(vec![0], End::Left, None)]);
        let both = event(0, 4, 5, both, Value::Array(vec![Value::Integer(1), text("a")]));
        assert!(is(&[wait(1, 0, 10, None), both.clone()]));
        assert!(!is(&[wait(1, 0, 10, Some("a")), both]));
        // Moved, and taken from where it went.
        let to = event(0, 4, 9, Op::Move((1, End::Left), (0, End::Left), Some("1")), text("m"));
        let first = event(2, 0, 1, Op::Push(1, End::Left, vec!["m".into()]), Value::Integer(1));
        let none = event(2, 10, 11, Op::Range(0), Value::Array(vec![]));
        assert!(is(&[first.clone(), wait(1, 2, 12, Some("m")), to.clone(), none.clone()]));
        assert!(!is(&[first, wait(1, 2, 12, None), to, none]));
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
