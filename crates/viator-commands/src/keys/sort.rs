//! SORT and SORT_RO: the declarations, the options, and what they do with keys. The sorting itself is in `sorting`.

use viator_data::crc;
use viator_data::hash::Hash;
use viator_data::list::List;
use viator_engine::args::{self, Args};
use viator_engine::command::{
    Acl, ArgKind, ArgSpec, Begin, Command, Find, Flags, Group, Handler, KeyFlags, KeySpec, Outcome, Scope,
};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::{ReadCtx, WriteCtx};
use viator_engine::error::Error;
use viator_engine::keys::ReadKeys;
use viator_engine::typed::list_limits;
use viator_keyspace::Content;
use viator_keyspace::{Object, ValueRef};
use viator_resp::reply::Reply;

use super::sorting::{Order, Weight, arrange};
use crate::declare::{KEY, OW_UPDATE, RO_ACCESS, noted, one_key, unknown_keys};

/// Shared by SORT and SORT_RO.
const BY_PATTERN: ArgSpec =
    ArgSpec { key_spec: 1, ..ArgSpec::new("by-pattern", ArgKind::Pattern) }.after("BY").shown("pattern").opt();

/// Shared by SORT and SORT_RO.
const LIMIT: ArgSpec =
    ArgSpec::block("limit", &[ArgSpec::integer("offset"), ArgSpec::integer("count")]).after("LIMIT").opt();

/// Shared by SORT and SORT_RO.
const GET_PATTERN: ArgSpec = ArgSpec { key_spec: 1, ..ArgSpec::new("get-pattern", ArgKind::Pattern) }
    .after("GET")
    .shown("pattern")
    .multi_token()
    .opt();

/// Shared by SORT and SORT_RO.
const ORDER: ArgSpec = ArgSpec::oneof("order", &[ArgSpec::token("asc", "ASC"), ArgSpec::token("desc", "DESC")]).opt();

/// SORT.
pub static SORT: Command = Command {
    name: "sort",
    arity: -2,
    flags: Flags::WRITE.or(Flags::DENYOOM),
    acl: Acl::SET.or(Acl::SORTEDSET).or(Acl::LIST).or(Acl::DANGEROUS),
    keys: &[
        one_key(1, RO_ACCESS),
        noted(
            unknown_keys(RO_ACCESS),
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive \
                from the content of the key we sort",
        ),
        noted(
            KeySpec { flags: OW_UPDATE, begin: Begin::Unknown, find: Find::Rule(stored_key), notes: "" },
            "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear \
                anywhere in the argument array",
        ),
    ],
    scope: Scope::AllIf(reads_other_keys),
    group: Group::Generic,
    since: "1.0.0",
    summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of \
        returned elements. When the elements are not sorted, complexity is O(N).",
    args: &[
        KEY,
        BY_PATTERN,
        LIMIT,
        GET_PATTERN,
        ORDER,
        ArgSpec::token("sorting", "ALPHA").opt(),
        ArgSpec::key("destination", 2).after("STORE").opt(),
    ],
    examples: &[
        "RPUSH list 3 1 2 10",
        "SORT list",
        "SORT list DESC LIMIT 0 2",
        "SORT list ALPHA",
        "MSET weight_1 30 weight_2 20 weight_3 10 weight_10 5",
        "SORT list BY weight_*",
        "SORT list BY weight_* GET # GET weight_*",
        "SORT list BY nosort GET nothing_*",
        "HSET object_1 name one",
        "SORT list GET object_*->name",
        "SORT list STORE sorted",
        "LRANGE sorted 0 -1",
        "SORT missing",
        "RPUSH words b a",
        "SORT words",
        "SET string v",
        "SORT string",
    ],
    handler: Handler::Write(sort),
    ..Command::BASE
};

/// The destination of STORE; of several, the last one counts.
fn stored_key(args: Args<'_>) -> Vec<(usize, KeyFlags)> {
    let mut found = None;
    let mut i = 2;
    while let Some(option) = args.get(i) {
        if args::is(option, "LIMIT") {
            i += 2;
        } else if args::is(option, "BY") || args::is(option, "GET") {
            i += 1;
        } else if args::is(option, "STORE") && i + 1 < args.len() {
            found = Some((i + 1, OW_UPDATE));
            i += 1;
        }
        i += 1;
    }
    found.into_iter().collect()
}

/// Whether BY or GET may lead to keys that the arguments do not name.
fn reads_other_keys(args: Args<'_>) -> bool {
    args.from(2).iter().any(|a| args::is(a, "BY") || args::is(a, "GET"))
}

/// Options of SORT.
#[derive(Default)]
struct Sort<'a> {
    order: Order,
    /// Pattern of the weights' keys; `None`: the elements are their own weights.
    by: Option<&'a [u8]>,
    /// BY had no `*`: the elements stay in the order they have.
    unsorted: bool,
    get: Vec<&'a [u8]>,
    store: Option<&'a [u8]>,
    /// A script asks.
    in_script: bool,
}

impl<'a> Sort<'a> {
    fn parse(args: Args<'a>, keys: &ReadKeys<'_, '_>, read_only: bool) -> Result<Sort<'a>, Error> {
        let mut s = Sort::default();
        s.order.count = -1;
        let cluster = keys.cfg().cluster_enabled;
        let elsewhere = |pattern: &[u8]| cluster && crc::pattern_slot(pattern) != Some(crc::key_slot(args.at(1)));
        let mut rest = args.from(2).iter();
        while let Some(option) = rest.next() {
            if args::is(option, "ASC") {
                s.order.descending = false;
            } else if args::is(option, "DESC") {
                s.order.descending = true;
            } else if args::is(option, "ALPHA") {
                s.order.alpha = true;
            } else if args::is(option, "LIMIT") && rest.len() >= 2 {
                s.order.offset = args::int(rest.next().unwrap_or_default())?;
                s.order.count = args::int(rest.next().unwrap_or_default())?;
            } else if args::is(option, "STORE") && !read_only && rest.len() >= 1 {
                s.store = rest.next();
            } else if args::is(option, "BY") && rest.len() >= 1 {
                let pattern = rest.next().unwrap_or_default();
                s.unsorted = !pattern.contains(&b'*');
                s.by = (!s.unsorted).then_some(pattern);
                if !s.unsorted && elsewhere(pattern) {
                    return Err(Error::Static(
                        "ERR BY option of SORT denied in cluster mode when keys formed by the pattern may be in different \
                         slots.",
                    ));
                }
            } else if args::is(option, "GET") && rest.len() >= 1 {
                let pattern = rest.next().unwrap_or_default();
                if pattern != b"#" && elsewhere(pattern) {
                    return Err(Error::Static(
                        "ERR GET option of SORT denied in cluster mode when keys formed by the pattern may be in different \
                         slots.",
                    ));
                }
                s.get.push(pattern);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(s)
    }

    /// The elements of a key, sorted and cut as the options say.
    fn run(&mut self, keys: &mut ReadKeys<'_, '_>, key: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let Some(found) = keys.lookup(key) else { return Ok(Vec::new()) };
        let zset = matches!(found.value, ValueRef::Object(Object::Zset(_)));
        let Elements { items, ordered } = elements(found.value)?;
        if zset {
            keys.enlarge_zset(key);
        }
        if self.unsorted && !ordered && (self.store.is_some() || self.in_script) {
            // what is stored, or what a script goes by, must not depend on the order in which a set happens to be
            self.unsorted = false;
            self.order.alpha = true;
        }
        if self.unsorted {
            return Ok(self.order.cut(items, ordered && self.order.descending));
        }
        let by = self.by;
        arrange(items, self.order, |element| match by {
            None => Weight::Element,
            Some(pattern) => Weight::Other(value_by(keys, pattern, element)),
        })
        .ok_or(Error::Static("ERR One or more scores can't be converted into double"))
    }

    /// What is replied or stored for the elements: they themselves, or what GET finds for each.
    fn output(&self, keys: &mut ReadKeys<'_, '_>, elements: Vec<Vec<u8>>) -> Vec<Option<Vec<u8>>> {
        if self.get.is_empty() {
            return elements.into_iter().map(Some).collect();
        }
        let mut out = Vec::with_capacity(elements.len() * self.get.len());
        for element in &elements {
            for pattern in &self.get {
                out.push(match *pattern {
                    b"#" => Some(element.clone()),
                    _ => value_by(keys, pattern, element),
                });
            }
        }
        out
    }
}

/// The elements of a value.
struct Elements {
    items: Vec<Vec<u8>>,
    /// Their order means something (lists, sorted sets).
    ordered: bool,
}

/// The elements of a list, a set or a sorted set.
fn elements(value: ValueRef<'_>) -> Result<Elements, Error> {
    match value {
        ValueRef::Int(_) | ValueRef::Str { .. } => Err(Error::WrongType),
        ValueRef::Object(o) => match o {
            Object::List(l) => {
                let mut items = Vec::with_capacity(l.len());
                l.for_each(|e| items.push(e.to_vec()));
                Ok(Elements { items, ordered: true })
            }
            Object::Set(s) => Ok(Elements { items: s.iter().map(|e| e.to_vec()).collect(), ordered: false }),
            Object::Zset(z) => Ok(Elements { items: z.iter().map(|(e, _)| e.to_vec()).collect(), ordered: true }),
            Object::Str(_) | Object::Hash(_) | Object::Stream(_) => Err(Error::WrongType),
        },
    }
}

/// The value that a pattern leads to: of the key that it becomes with the element in the place of its `*`, or after `->`,
/// of that hash's field.
fn value_by(keys: &mut ReadKeys<'_, '_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    let star = pattern.iter().position(|b| *b == b'*')?;
    let (before, after) = (pattern.get(..star)?, pattern.get(star + 1..)?);
    let arrow = after.windows(2).position(|w| w == b"->").filter(|at| at + 2 < after.len());
    let (after, field) = match arrow {
        Some(at) => (after.get(..at)?, after.get(at + 2..)),
        None => (after, None),
    };
    let key = [before, element, after].concat();
    let now = keys.now() as u64;
    match (keys.lookup(&key)?.value, field) {
        (ValueRef::Int(n), None) => Some(n.to_string().into_bytes()),
        (ValueRef::Str { bytes, .. }, None) => Some(bytes.to_vec()),
        (ValueRef::Int(_) | ValueRef::Str { .. }, Some(_)) => None,
        (ValueRef::Object(o), None) => o.as_str().map(|s| s.to_vec()),
        (ValueRef::Object(o), Some(field)) => {
            let found = Hash::of(o)?.get(field)?;
            if found.is_live(now) {
                return Some(found.value.to_vec());
            }
            keys.expire_fields(&key, &[field]);
            None
        }
    }
}

fn reply(out: &mut Reply, items: &[Option<Vec<u8>>]) {
    out.array(items.len());
    for item in items {
        match item {
            Some(bytes) => out.bulk(bytes),
            None => out.null(),
        }
    }
}

fn sort(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let mut s = Sort::parse(ctx.args, &ctx.keys, false)?;
    s.in_script = ctx.session.in_script;
    let sorted = s.run(&mut ctx.keys, ctx.args.at(1))?;
    let items = s.output(&mut ctx.keys, sorted);
    match s.store {
        None => reply(ctx.out, &items),
        Some(key) if items.is_empty() => {
            let lazy = ctx.keys.cfg().lazyfree_lazy_server_del;
            if ctx.keys.delete(key, lazy) {
                ctx.keys.notify(NotifyFlags::GENERIC, "del", key);
                ctx.keys.dirty(1);
            }
            ctx.out.int(0);
        }
        Some(key) => {
            let limits = list_limits(ctx.keys.cfg());
            let items: Vec<Vec<u8>> = items.into_iter().map(Option::unwrap_or_default).collect();
            ctx.keys.set_content(key, List::of(&items, &limits));
            ctx.keys.notify(NotifyFlags::LIST, "sortstore", key);
            ctx.keys.dirty(items.len() as u64);
            ctx.out.int(items.len() as i64);
        }
    }
    Ok(())
}

/// SORT_RO.
pub static SORT_RO: Command = Command {
    name: "sort_ro",
    arity: -2,
    flags: Flags::READONLY,
    acl: Acl::SET.or(Acl::SORTEDSET).or(Acl::LIST).or(Acl::DANGEROUS),
    keys: &[
        one_key(1, RO_ACCESS),
        noted(
            unknown_keys(RO_ACCESS),
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive \
                from the content of the key we sort",
        ),
    ],
    scope: Scope::AllIf(reads_other_keys),
    group: Group::Generic,
    since: "7.0.0",
    summary: "Returns the sorted elements of a list, a set, or a sorted set.",
    complexity: "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number of \
        returned elements. When the elements are not sorted, complexity is O(N).",
    args: &[KEY, BY_PATTERN, LIMIT, GET_PATTERN, ORDER, ArgSpec::token("sorting", "ALPHA").opt()],
    examples: &[
        "RPUSH list 3 1 2",
        "SORT_RO list DESC",
        "SORT_RO list LIMIT 1 1",
        "SORT_RO list STORE other",
        "SADD set b a c",
        "SORT_RO set ALPHA",
    ],
    handler: Handler::Read(sort_ro),
    ..Command::BASE
};

fn sort_ro(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let mut s = Sort::parse(ctx.args, &ctx.keys, true)?;
    s.in_script = ctx.session.in_script;
    let sorted = s.run(&mut ctx.keys, ctx.args.at(1))?;
    let items = s.output(&mut ctx.keys, sorted);
    reply(ctx.out, &items);
    Ok(())
}
