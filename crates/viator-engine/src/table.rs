//! The table of commands: what is derived once, at start, from the declarations.

use crate::args::Args;
use crate::command::{Acl, ArgKind, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec, Scope, Traits};
use std::collections::HashMap;

/// A command in the table.
pub struct Entry {
    /// The declaration.
    pub cmd: &'static Command,
    /// Its container's declaration, for a subcommand.
    pub parent: Option<&'static Command>,
    /// Number within the table, for statistics.
    pub id: usize,
    /// Lower-case name, `container|subcommand` for a subcommand.
    pub name: String,
    /// Flags with those that are derived.
    pub flags: Flags,
    /// ACL categories with those that flags imply.
    pub acl: Acl,
    /// The key range of a command whose keys one range gives: (first, last, step), for the hot path.
    simple: Option<(usize, i32, usize)>,
    /// The argument that tells how many keys follow it, of a command whose keys these are.
    counted: Option<usize>,
    /// The name as one number, for the hot path.
    word: Option<Word>,
    /// Its own name is not what clients call it by.
    renamed: bool,
    /// Where the members or fields stand that the command looks for in the collection of its first key.
    elements: Option<Elements>,
    /// The subcommands of a container, by lower-case name.
    pub subcommands: HashMap<String, usize>,
}

/// Up to eight letters as one number, in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    /// The bit that makes a letter a small one.
    const LOWER: u64 = 0x2020_2020_2020_2020;

    /// A name, if it is of such letters.
    fn of_name(name: &str) -> Option<Word> {
        let letters = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase());
        Word::of(name.as_bytes()).filter(|_| letters)
    }

    /// What is a name's word only if it is that name, in any case; to be compared with those of names as long.
    #[inline]
    fn of(bytes: &[u8]) -> Option<Word> {
        let word = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
            // the two overlap where there are fewer than eight
            (Some(first), Some(last)) if bytes.len() <= 8 => {
                u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32
            }
            (Some(_), _) => return None,
            _ => match *bytes {
                [a, b, c] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
                [a, b] => u64::from(a) | u64::from(b) << 8,
                [a] => u64::from(a),
                _ => return None,
            },
        };
        Some(Word(word | Word::LOWER))
    }
}

/// Arguments that name elements of a collection.
#[derive(Clone, Copy)]
struct Elements {
    /// From one to the next.
    step: usize,
    /// Whether there may be more than one.
    many: bool,
}

impl Elements {
    /// They begin after the key.
    const FIRST: usize = 2;

    /// Sets and hashes are what looks its elements up in memory that is far apart; the grammar tells where they stand.
    fn of(cmd: &Command) -> Option<Elements> {
        let ([first, second, ..], Group::Set | Group::Hash) = (cmd.args, cmd.group) else { return None };
        let named = match second.kind {
            ArgKind::Block => second.sub.first()?.name,
            _ => second.name,
        };
        let here = first.kind == ArgKind::Key && !first.multiple && matches!(named, "member" | "field");
        here.then_some(Elements { step: second.sub.len().max(1), many: second.multiple })
    }
}

/// All commands.
pub struct Table {
    entries: Vec<Entry>,
    by_name: HashMap<Box<[u8]>, usize, ahash::RandomState>,
}

/// What a lookup found.
pub enum Lookup<'t> {
    /// The command.
    Found(&'t Entry),
    /// No such command.
    Unknown,
    /// The container has no such subcommand.
    UnknownSubcommand(&'t Entry),
}

impl Table {
    /// The table of these top-level commands, some renamed (to "": removed) by `rename-command`.
    ///
    /// # Errors
    /// Redis's text for a renaming that names no command, or an existing one as its target.
    pub fn new(
        commands: impl Iterator<Item = &'static Command>,
        renames: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Table, String> {
        let mut t = Table { entries: Vec::new(), by_name: HashMap::default() };
        for cmd in commands {
            let id = t.add(cmd, None);
            let mut subs = HashMap::new();
            for sub in cmd.subcommands {
                subs.insert(sub.name.to_owned(), t.add(sub, Some(cmd)));
            }
            if let Some(e) = t.entries.get_mut(id) {
                e.subcommands = subs;
            }
            t.by_name.insert(cmd.name.as_bytes().into(), id);
        }
        for (from, to) in renames {
            let Some(id) = t.by_name.remove(from.to_ascii_lowercase().as_slice()) else {
                return Err("No such command in rename-command".into());
            };
            if !to.is_empty() && t.by_name.insert(to.to_ascii_lowercase().into(), id).is_some() {
                return Err("Target command name already exists".into());
            }
            if let Some(e) = t.entries.get_mut(id) {
                (e.renamed, e.word) = (true, None);
            }
        }
        Ok(t)
    }

    fn add(&mut self, cmd: &'static Command, parent: Option<&'static Command>) -> usize {
        let id = self.entries.len();
        let name = match parent {
            Some(p) => format!("{}|{}", p.name, cmd.name),
            None => cmd.name.to_owned(),
        };
        let simple = match cmd.keys {
            [KeySpec { begin: Begin::Index(first), find: Find::Range { last, step, limit: 0 }, flags, .. }]
                if !flags.has(KeyFlags::NOT_KEY) =>
            {
                // a non-negative `last` is relative to the first key
                let last = if *last >= 0 { i32::from(*first) + i32::from(*last) } else { i32::from(*last) };
                Some((*first as usize, last, *step as usize))
            }
            _ => None,
        };
        let counted = match cmd.keys {
            [KeySpec { begin: Begin::Index(at), find: Find::Keynum { count: 0, first: 1, step: 1 }, flags, .. }]
                if !flags.has(KeyFlags::NOT_KEY) && cmd.find_keys.is_none() =>
            {
                Some(usize::from(*at))
            }
            _ => None,
        };
        let mut flags = cmd.flags;
        if moves_keys(cmd) {
            flags = flags | Flags::MOVABLEKEYS;
        }
        let acl = cmd.acl_categories();
        let word = Word::of_name(cmd.name);
        let elements = simple.and_then(|_| Elements::of(cmd));
        let subcommands = HashMap::new();
        let renamed = false;
        self.entries.push(Entry {
            cmd,
            parent,
            id,
            name,
            flags,
            acl,
            simple,
            counted,
            word,
            renamed,
            elements,
            subcommands,
        });
        id
    }

    /// Every command and subcommand, in table order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The top-level commands, as they are named now.
    pub fn top_level(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.by_name.iter().filter_map(|(n, &id)| Some((&**n, self.entries.get(id)?)))
    }

    /// A top-level command by name, in any case.
    #[inline]
    pub fn top(&self, name: &[u8]) -> Option<&Entry> {
        let mut buf = [0u8; 32];
        let lower = buf.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).and_then(|&id| self.entries.get(id))
    }

    /// The command of a request.
    #[inline]
    pub fn lookup(&self, args: Args<'_>) -> Lookup<'_> {
        match self.top(args.at(0)) {
            None => Lookup::Unknown,
            Some(e) => self.resolve(e, args),
        }
    }

    /// The subcommand of a request whose container is known.
    #[inline]
    pub fn resolve<'t>(&'t self, e: &'t Entry, args: Args<'_>) -> Lookup<'t> {
        if e.subcommands.is_empty() || args.len() < 2 {
            return Lookup::Found(e);
        }
        let sub = String::from_utf8_lossy(args.at(1)).to_ascii_lowercase();
        match e.subcommands.get(&sub).and_then(|&id| self.entries.get(id)) {
            Some(s) => Lookup::Found(s),
            None if matches!(e.cmd.handler, Handler::Container) => Lookup::UnknownSubcommand(e),
            None => Lookup::Found(e),
        }
    }

    /// A command by its full name (`get`, `config|get`), in any case.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&Entry> {
        let mut parts = name.splitn(2, |&b| b == b'|');
        let top = self.top(parts.next()?)?;
        match parts.next() {
            None => Some(top),
            Some(sub) => {
                let sub = String::from_utf8_lossy(sub).to_ascii_lowercase();
                top.subcommands.get(&sub).and_then(|&id| self.entries.get(id))
            }
        }
    }
}

/// Whether COMMAND INFO says "movablekeys": a spec beyond a plain range makes clients ask the server.
fn moves_keys(cmd: &Command) -> bool {
    let plain = |k: &KeySpec| {
        matches!((k.begin, k.find), (Begin::Index(_), Find::Range { limit: 0, .. }))
            && !k.flags.has(KeyFlags::INCOMPLETE)
    };
    // several ranges that do not join into one are not expressible as first, last, step either
    let keys: Vec<_> = cmd.keys.iter().filter(|k| !k.flags.has(KeyFlags::NOT_KEY)).collect();
    !keys.iter().all(|k| plain(k)) || cmd.keys.iter().any(|k| k.flags.has(KeyFlags::INCOMPLETE))
}

impl Entry {
    /// Whether this is the command's own name, in any case, and clients may call it so.
    #[inline]
    pub fn is_named(&self, name: &[u8]) -> bool {
        match self.word {
            Some(word) => name.len() == self.cmd.name.len() && Word::of(name) == Some(word),
            None => !self.renamed && name.eq_ignore_ascii_case(self.cmd.name.as_bytes()),
        }
    }

    /// Whether the command looks for elements in a collection that may be large.
    #[inline]
    pub fn names_elements(&self) -> bool {
        self.elements.is_some()
    }

    /// Calls `each` with the index of every argument that names an element of the first key's collection.
    pub fn each_element(&self, args: Args<'_>, each: impl FnMut(usize)) {
        if let Some(Elements { step, many }) = self.elements {
            let most = if many { usize::MAX } else { 1 };
            (Elements::FIRST..args.len()).step_by(step).take(most).for_each(each);
        }
    }

    /// Whether the arity admits so many arguments.
    #[inline]
    pub fn arity_ok(&self, n: usize) -> bool {
        let (arity, n) = (i64::from(self.cmd.arity), n as i64);
        if arity >= 0 { n == arity } else { n >= -arity }
    }

    /// Calls `each` with the index of every key among the arguments.
    #[inline]
    pub fn each_key(&self, args: Args<'_>, mut each: impl FnMut(usize)) {
        match self.simple {
            Some((first, last, step)) => {
                let last =
                    if last >= 0 { last as usize } else { args.len().saturating_sub(last.unsigned_abs() as usize) };
                let mut i = first;
                while i <= last && i < args.len() {
                    each(i);
                    i += step.max(1);
                }
            }
            None if self.counted.is_some() => {
                let at = self.counted.unwrap_or_default();
                let count = viator_data::num::parse_i64(args.at(at)).and_then(|n| usize::try_from(n).ok());
                // as `spec_keys`: none if there are fewer arguments
                let count = count.filter(|n| *n < args.len().saturating_sub(at)).unwrap_or(0);
                (at + 1..=at + count).for_each(each);
            }
            None => {
                let keys = match self.cmd.find_keys {
                    Some(find) => find(args).unwrap_or_default(),
                    None => {
                        // each spec for itself: PFMERGE with a destination alone has no sources, but it has a key
                        let mut keys = Vec::new();
                        for spec in self.cmd.keys.iter().filter(|s| !s.flags.has(KeyFlags::NOT_KEY)) {
                            spec_keys(spec, args, &mut keys);
                        }
                        keys
                    }
                };
                keys.into_iter().for_each(|(i, _)| each(i));
            }
        }
    }

    /// The keys among the arguments with what the command does to them; `None` if the arguments do not fit the specs
    /// (a count beyond the arguments, no integer where one is due).
    pub fn keys(&self, args: Args<'_>) -> Option<Vec<(usize, KeyFlags)>> {
        // as in Redis, the rule is asked where the specs say that they are not all
        if let Some(find) = self.cmd.find_keys
            && self.cmd.keys.iter().any(|s| s.flags.has(KeyFlags::INCOMPLETE))
        {
            return find(args);
        }
        let mut out = Vec::new();
        for spec in self.cmd.keys {
            if spec.flags.has(KeyFlags::NOT_KEY) {
                continue;
            }
            let from = out.len();
            spec_keys(spec, args, &mut out)?;
            if let Some(key_flags) = self.cmd.key_flags.filter(|_| spec.flags.has(KeyFlags::VARIABLE_FLAGS)) {
                let flags = key_flags(args);
                out.iter_mut().skip(from).for_each(|k| k.1 = flags);
            }
        }
        Some(out)
    }

    /// Whether the command touches shards that its keys do not tell.
    #[inline]
    pub fn touches_all(&self, args: Args<'_>) -> bool {
        match self.cmd.scope {
            Scope::None | Scope::Keys => false,
            Scope::All => true,
            Scope::AllIf(rule) => rule(args),
        }
    }

    /// Whether shards are locked for the keys that its key specs find, or may be: a script may need no others.
    #[inline]
    pub fn names_keys(&self) -> bool {
        match self.cmd.scope {
            Scope::Keys | Scope::AllIf(_) => true,
            Scope::All => self.counted.is_some(),
            Scope::None => false,
        }
    }

    /// Whether it has a trait.
    #[inline]
    pub fn is(&self, t: Traits) -> bool {
        self.cmd.traits.any(t)
    }
}

/// The keys that one spec finds.
pub fn spec_keys(spec: &KeySpec, args: Args<'_>, out: &mut Vec<(usize, KeyFlags)>) -> Option<()> {
    let n = args.len();
    let begin = match spec.begin {
        Begin::Index(i) => i as usize,
        Begin::Keyword { keyword, start_from } => {
            let found = if start_from >= 0 {
                (start_from as usize..n).find(|&i| args.at(i).eq_ignore_ascii_case(keyword.as_bytes()))
            } else {
                let start = n.checked_sub(start_from.unsigned_abs() as usize)?;
                (1..=start).rev().find(|&i| args.at(i).eq_ignore_ascii_case(keyword.as_bytes()))
            };
            match found {
                Some(i) if i + 1 < n => i + 1,
                _ => return Some(()), // the keyword is optional; without its key it is a syntax error
            }
        }
        Begin::Unknown => 0,
    };
    match spec.find {
        Find::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin + last as usize
            } else if limit > 1 {
                begin + (n.saturating_sub(begin) / limit as usize).saturating_add_signed(isize::from(last))
            } else {
                n.checked_sub(last.unsigned_abs() as usize)?
            };
            if begin >= n || last >= n {
                return None;
            }
            out.extend((begin..=last).step_by(step.max(1) as usize).map(|i| (i, spec.flags)));
        }
        Find::Keynum { count, first, step } => {
            let count = viator_data::num::parse_i64(args.get(begin + count as usize)?)?;
            let count = usize::try_from(count).ok()?;
            let first = begin + first as usize;
            let step = step.max(1) as usize;
            if count > n || (count > 0 && first + (count - 1) * step >= n) {
                return None;
            }
            out.extend((0..count).map(|i| (first + i * step, spec.flags)));
        }
        Find::Rule(rule) => out.extend(rule(args)),
        Find::Unknown => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_name_in_any_case() {
        for name in ["a", "ab", "get", "hset", "lpush", "expire", "getrange"] {
            let word = Word::of_name(name).unwrap();
            assert!(Word::of(name.to_uppercase().as_bytes()) == Some(word));
            for at in 0..name.len() {
                for byte in 0..=255u8 {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = byte;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    assert_eq!(Word::of(&other) == Some(word), same, "{name} {other:?}");
                }
            }
        }
        assert!(
            Word::of_name("incrbyfloat").is_none() && Word::of_name("").is_none() && Word::of_name("a|b").is_none()
        );
        assert!(Word::of(b"incrbyfloat").is_none());
    }
}
