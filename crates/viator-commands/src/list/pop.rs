//! Taking elements off the ends: LPOP, RPOP, LMPOP.

use viator_data::list::{End, List};
use viator_data::packed::IntBuf;
use viator_engine::args::{Args, OwnedArgs, int_or, is, positive};
use viator_engine::command::{Acl, ArgSpec, Command, Flags, Group, Handler, Outcome, Scope};
use viator_engine::config::NotifyFlags;
use viator_engine::ctx::WriteCtx;
use viator_engine::error::Error;
use viator_engine::keys::WriteKeys;
use viator_resp::reply::Reply;

use super::{WHERE, limits, pop_many, popped};
use crate::declare::{KEY, RW_ACCESS_DELETE, counted_keys, one_key};

/// What LPOP and RPOP have in common.
const POP: Command = Command {
    arity: -2,
    flags: Flags::WRITE.or(Flags::FAST),
    acl: Acl::LIST,
    keys: &[one_key(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "1.0.0",
    complexity: "O(N) where N is the number of elements returned",
    history: &[("6.2.0", "Added the `count` argument.")],
    args: &[KEY, ArgSpec::integer("count").since("6.2.0").opt()],
    ..Command::BASE
};

/// LPOP.
pub static LPOP: Command = Command {
    name: "lpop",
    summary: "Returns the first elements in a list after removing it. Deletes the list if the last element was popped.",
    examples: &[
        "RPUSH list one two 3 four five",
        "LPOP list",
        "LPOP list 2",
        "LPOP list 0",
        "LPOP list -1",
        "LPOP list many",
        "LPOP list 10",
        "EXISTS list",
        "LPOP list",
        "LPOP list 1",
    ],
    handler: Handler::Write(lpop),
    ..POP
};

fn lpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    pop(ctx, End::Front)
}

/// RPOP.
pub static RPOP: Command = Command {
    name: "rpop",
    summary: "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
    examples: &["RPUSH list one two 3 four five", "RPOP list", "RPOP list 2", "RPOP list 10", "EXISTS list"],
    handler: Handler::Write(rpop),
    ..POP
};

fn rpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    pop(ctx, End::Back)
}

fn pop(ctx: &mut WriteCtx<'_, '_>, end: End) -> Outcome {
    if ctx.args.len() > 3 {
        return Err(Error::Arity(ctx.entry.name.clone()));
    }
    let key = ctx.args.at(1);
    let count = match ctx.args.get(2) {
        Some(n) => Some(positive(n)? as usize),
        None => None,
    };
    match count {
        None => {
            if !pop_one(&mut ctx.keys, ctx.out, key, end)? {
                ctx.out.null();
            }
        }
        Some(n) => match ctx.keys.write::<List>(key)? {
            None => ctx.out.null_array(),
            Some(_) if n == 0 => ctx.out.array(0),
            Some(_) => {
                pop_many(&mut ctx.keys, ctx.out, key, end, n)?;
            }
        },
    }
    Ok(())
}

/// Takes one element off an end of a list and replies with it. `false`: there is none.
pub(super) fn pop_one(keys: &mut WriteKeys<'_, '_>, out: &mut Reply, key: &[u8], end: End) -> Result<bool, Error> {
    let limits = limits(keys);
    let Some(list) = keys.write::<List>(key)? else { return Ok(false) };
    list.pop(end, &limits, |e| out.bulk(e.bytes(&mut IntBuf::new())));
    let emptied = list.is_empty();
    keys.changed(NotifyFlags::LIST, popped(end), key, 1);
    if emptied {
        keys.remove_if_empty(key);
    }
    Ok(true)
}

/// LMPOP.
pub static LMPOP: Command = Command {
    name: "lmpop",
    arity: -4,
    flags: Flags::WRITE,
    acl: Acl::LIST,
    keys: &[counted_keys(1, RW_ACCESS_DELETE)],
    scope: Scope::Keys,
    group: Group::List,
    since: "7.0.0",
    summary: "Returns multiple elements from a list after removing them. Deletes the list if the last element was popped.",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    args: &[
        ArgSpec::integer("numkeys"),
        ArgSpec::key("key", 0).multi(),
        WHERE,
        ArgSpec::integer("count").after("COUNT").opt(),
    ],
    examples: &[
        "LMPOP 2 none nothing LEFT COUNT 10",
        "RPUSH list a b c d e",
        "LMPOP 1 list LEFT",
        "LMPOP 2 none list right COUNT 2",
        "LMPOP 1 list RIGHT COUNT 10",
        "EXISTS list",
        "LMPOP 0 list LEFT",
        "LMPOP 1 list LEFT COUNT 0",
        "LMPOP 1 list MIDDLE",
    ],
    handler: Handler::Write(lmpop),
    ..Command::BASE
};

/// `numkeys key… LEFT|RIGHT [COUNT n]`, from argument `at` on.
pub(super) struct Several<'a> {
    keys: Args<'a>,
    n: usize,
    end: End,
    count: usize,
}

impl<'a> Several<'a> {
    pub(super) fn parse(args: Args<'a>, at: usize) -> Result<Several<'a>, Error> {
        let n = int_or(args.at(at), 1..=i64::MAX, "ERR numkeys should be greater than 0")?;
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        let keys = args.from(at + 1);
        let end = super::end(keys.get(n).ok_or(Error::Syntax)?)?;
        let count = match (keys.get(n + 1), keys.get(n + 2)) {
            (None, _) => 1,
            (Some(word), Some(count)) if is(word, "count") && keys.len() == n + 3 => {
                int_or(count, 1..=i64::MAX, "ERR count should be greater than 0")?
            }
            // the number is looked at before what follows it
            (Some(word), Some(count)) if is(word, "count") => {
                int_or(count, 1..=i64::MAX, "ERR count should be greater than 0")?;
                return Err(Error::Syntax);
            }
            _ => return Err(Error::Syntax),
        };
        Ok(Several { keys, n, end, count: usize::try_from(count).unwrap_or(usize::MAX) })
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.keys.iter().take(self.n)
    }

    /// Pops from the first of the lists that is there, replies, and has it propagated. `false`: none is.
    pub(super) fn pop(&self, keys: &mut WriteKeys<'_, '_>, out: &mut Reply) -> Result<bool, Error> {
        for key in self.keys() {
            if keys.write::<List>(key)?.is_none() {
                continue;
            }
            out.array(2);
            out.bulk(key);
            let n = pop_many(keys, out, key, self.end, self.count)?;
            let name: &[u8] = if self.end == End::Front { b"LPOP" } else { b"RPOP" };
            keys.propagate_as(|| OwnedArgs::from_slices([name, key, n.to_string().as_bytes()]));
            return Ok(true);
        }
        Ok(false)
    }
}

fn lmpop(ctx: &mut WriteCtx<'_, '_>) -> Outcome {
    let several = Several::parse(ctx.args, 1)?;
    if !several.pop(&mut ctx.keys, ctx.out)? {
        ctx.out.null_array();
    }
    Ok(())
}
