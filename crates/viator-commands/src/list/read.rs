//! Looking at lists: LLEN, LINDEX, LRANGE, LPOS.

use viator_data::list::List;
use viator_data::packed::IntBuf;
use viator_engine::args::{index_range, int, int_or, is, symmetric};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::ctx::ReadCtx;
use viator_engine::error::Error;

use crate::declare::{KEY, RO, RO_ACCESS, one_key};

/// LLEN.
pub static LLEN: Command = Command {
    name: "llen",
    arity: 2,
    flags: Flags::READONLY.or(Flags::FAST),
    acl: Acl::LIST,
    keys: &[one_key(1, RO)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Returns the length of a list.",
    complexity: "O(1)",
    args: &[KEY],
    examples: &["RPUSH list a b c", "LLEN list", "LLEN missing", "SET string x", "LLEN string"],
    handler: Handler::Read(llen),
    ..Command::BASE
};

fn llen(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let len = ctx.keys.read::<List>(ctx.args.at(1))?.map_or(0, List::len);
    ctx.out.int(len as i64);
    Ok(())
}

/// LINDEX.
pub static LINDEX: Command = Command {
    name: "lindex",
    arity: 3,
    flags: Flags::READONLY,
    acl: Acl::LIST,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Returns an element from a list by its index.",
    complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking \
        for the first or the last element of the list O(1).",
    args: &[KEY, ArgSpec::integer("index")],
    examples: &[
        "RPUSH list Hello World 3",
        "LINDEX list 0",
        "LINDEX list -1",
        "LINDEX list 3",
        "LINDEX list x",
        "LINDEX missing x",
        "SET string x",
        "LINDEX string x",
    ],
    handler: Handler::Read(lindex),
    ..Command::BASE
};

fn lindex(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let Some(list) = ctx.keys.read::<List>(ctx.args.at(1))? else {
        ctx.out.null();
        return Ok(());
    };
    let index = int(ctx.args.at(2))?;
    let found = list.resolve(index).and_then(|i| list.get(i, |e| ctx.out.bulk(e.bytes(&mut IntBuf::new()))));
    if found.is_none() {
        ctx.out.null();
    }
    Ok(())
}

/// LRANGE.
pub static LRANGE: Command = Command {
    name: "lrange",
    arity: 4,
    flags: Flags::READONLY,
    acl: Acl::LIST,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    summary: "Returns a range of elements from a list.",
    complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or \
        TAIL) for large lists; and N is the number of elements in the specified range.",
    args: &[KEY, ArgSpec::integer("start"), ArgSpec::integer("stop")],
    examples: &[
        "RPUSH list one two 3",
        "LRANGE list 0 0",
        "LRANGE list -3 2",
        "LRANGE list -100 100",
        "LRANGE list 5 10",
        "LRANGE list 2 1",
        "LRANGE missing 0 -1",
        "LRANGE missing a -1",
        "LRANGE list 0 9223372036854775808",
    ],
    handler: Handler::Read(lrange),
    ..Command::BASE
};

fn lrange(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (start, stop) = (int(ctx.args.at(2))?, int(ctx.args.at(3))?);
    let list = ctx.keys.read::<List>(ctx.args.at(1))?;
    match list.and_then(|l| Some((l, index_range(start, stop, l.len())?))) {
        None => ctx.out.array(0),
        Some((list, (first, last))) => {
            let count = last - first + 1;
            ctx.out.array(count);
            let mut digits = IntBuf::new();
            list.for_range(first, count, |e| ctx.out.bulk(e.bytes(&mut digits)));
        }
    }
    Ok(())
}

/// LPOS.
pub static LPOS: Command = Command {
    name: "lpos",
    arity: -3,
    flags: Flags::READONLY,
    acl: Acl::LIST,
    keys: &[one_key(1, RO_ACCESS)],
    scope: Scope::Keys,
    group: Group::List,
    since: "6.0.6",
    summary: "Returns the index of matching elements in a list.",
    complexity: "O(N) where N is the number of elements in the list, for the average case. When searching for elements \
        near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant \
        time.",
    args: &[
        KEY,
        ArgSpec::string("element"),
        ArgSpec::integer("rank").after("RANK").opt(),
        ArgSpec::integer("num-matches").after("COUNT").opt(),
        ArgSpec::integer("len").after("MAXLEN").opt(),
    ],
    examples: &[
        "RPUSH list a b c d 1 2 3 4 3 3 3",
        "LPOS list 3",
        "LPOS list 3 COUNT 0 RANK 2",
        "LPOS list 3 RANK -1",
        "LPOS list 3 COUNT 2 MAXLEN 7",
        "LPOS list x",
        "LPOS list x COUNT 1",
        "LPOS missing x COUNT 1",
        "LPOS list 3 RANK 0",
        "LPOS list 3 COUNT -1",
        "LPOS list 3 MAXLEN -1",
        "LPOS list 3 RANK -9223372036854775808",
    ],
    handler: Handler::Read(lpos),
    ..Command::BASE
};

fn lpos(ctx: &mut ReadCtx<'_, '_>) -> Outcome {
    let (mut rank, mut count, mut max_len) = (1i64, None, 0usize);
    let mut options = ctx.args.from(3).iter();
    while let Some(option) = options.next() {
        let Some(value) = options.next() else { return Err(Error::Syntax) };
        if is(option, "rank") {
            rank = symmetric(value)?;
            if rank == 0 {
                return Err(Error::Static(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                     negative to start from the end of the list",
                ));
            }
        } else if is(option, "count") {
            count = Some(int_or(value, 0..=i64::MAX, "ERR COUNT can't be negative")? as usize);
        } else if is(option, "maxlen") {
            max_len = int_or(value, 0..=i64::MAX, "ERR MAXLEN can't be negative")? as usize;
        } else {
            return Err(Error::Syntax);
        }
    }
    let list = ctx.keys.read::<List>(ctx.args.at(1))?;
    let mut found = Vec::new();
    if let Some(list) = list {
        let skip = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        list.positions(ctx.args.at(2), skip, count.unwrap_or(1), max_len, rank < 0, |i| found.push(i));
    }
    match (count, found.first()) {
        (None, None) => ctx.out.null(),
        (None, Some(i)) => ctx.out.int(*i as i64),
        (Some(_), _) => {
            ctx.out.array(found.len());
            found.iter().for_each(|i| ctx.out.int(*i as i64));
        }
    }
    Ok(())
}
