//! The options of commands about fields' expiration times: when, on what condition, which fields.

use viator_engine::args::{Args, int, is};
use viator_engine::error::Error;
use viator_resp::reply::shown_whole;

/// The last moment at which a field can expire, Unix milliseconds: the reference keeps times in 46 bits.
const LATEST: i64 = (1 << 46) - 1;

/// Units and origins of an expiration time.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Seconds,
    Millis,
    UnixSeconds,
    UnixMillis,
}

impl Unit {
    /// The moment an argument of the command means, Unix milliseconds.
    pub(super) fn deadline(self, arg: &[u8], now: i64, command: &str) -> Result<i64, Error> {
        let n = int(arg)?;
        if n < 0 {
            return Err(Error::Static("ERR invalid expire time, must be >= 0"));
        }
        let at = match self {
            Unit::Seconds => n.checked_mul(1000).and_then(|n| n.checked_add(now)),
            Unit::Millis => n.checked_add(now),
            Unit::UnixSeconds => n.checked_mul(1000),
            Unit::UnixMillis => Some(n),
        };
        at.filter(|at| *at <= LATEST).ok_or_else(|| Error::InvalidExpire(command.to_owned()))
    }

    fn of(word: &[u8]) -> Option<Unit> {
        match () {
            _ if is(word, "EX") => Some(Unit::Seconds),
            _ if is(word, "PX") => Some(Unit::Millis),
            _ if is(word, "EXAT") => Some(Unit::UnixSeconds),
            _ if is(word, "PXAT") => Some(Unit::UnixMillis),
            _ => None,
        }
    }
}

/// NX, XX, GT, LT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Nx,
    Xx,
    Gt,
    Lt,
}

impl Condition {
    fn of(word: &[u8]) -> Option<Condition> {
        [Condition::Nx, Condition::Xx, Condition::Gt, Condition::Lt].into_iter().find(|c| is(word, c.name()))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Condition::Nx => "NX",
            Condition::Xx => "XX",
            Condition::Gt => "GT",
            Condition::Lt => "LT",
        }
    }

    /// Whether a field may get the time `at`; one without a time lives for ever.
    pub(super) fn admits(self, before: Option<u64>, at: u64) -> bool {
        match self {
            Condition::Nx => before.is_none(),
            Condition::Xx => before.is_some(),
            Condition::Gt => before.is_some_and(|b| b < at),
            Condition::Lt => before.is_none_or(|b| b > at),
        }
    }
}

const TWICE: Error = Error::Static("ERR FIELDS keyword specified multiple times");
const COUNT: Error = Error::Static("ERR wrong number of arguments");

fn unknown(word: &[u8]) -> Error {
    Error::text(format!("ERR unknown argument: {}", shown_whole(word)))
}

/// A number of fields, which the reference keeps in 32 bits.
fn number(arg: &[u8]) -> Option<usize> {
    let n = int(arg).ok().filter(|n| (1..=i64::from(i32::MAX)).contains(n))?;
    usize::try_from(n).ok()
}

/// The fields of HTTL, HPERSIST, HGETDEL…: `FIELDS n field…` and nothing else.
pub(super) fn only_fields(args: Args<'_>) -> Result<Args<'_>, Error> {
    if !is(args.at(0), "FIELDS") {
        return Err(Error::Static("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let n = int(args.at(1)).ok().filter(|n| *n > 0);
    let n = n.ok_or(Error::Static("ERR Number of fields must be a positive integer"))?;
    let fields = args.from(2);
    if usize::try_from(n) != Ok(fields.len()) {
        return Err(Error::Static("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

/// A condition and the fields of HEXPIRE and its relatives, in any order.
pub(super) fn condition_and_fields(args: Args<'_>) -> Result<(Option<Condition>, Vec<&[u8]>), Error> {
    let (mut condition, mut several, mut fields) = (None, false, None);
    let mut at = 0;
    while let Some(word) = args.get(at) {
        at += 1;
        if let Some(c) = Condition::of(word) {
            several |= condition.is_some_and(|before| before != c);
            condition = Some(c);
        } else if is(word, "FIELDS") {
            if fields.is_some() {
                return Err(TWICE);
            }
            if args.len() < at + 2 {
                return Err(Error::Static("ERR FIELDS requires at least numfields and one field argument"));
            }
            let n = number(args.at(at)).ok_or(Error::Static("ERR Parameter `numFields` should be greater than 0"))?;
            at += 1;
            fields = Some(args.from(at).iter().take(n).collect::<Vec<_>>());
            at += n;
            if at > args.len() {
                return Err(COUNT);
            }
        } else {
            return Err(unknown(word));
        }
    }
    let fields = fields.ok_or(Error::Static("ERR missing FIELDS argument"))?;
    if several {
        return Err(Error::Static("ERR Multiple condition flags specified"));
    }
    Ok((condition, fields))
}

/// What HGETEX and HSETEX do to expiration times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Nothing is said.
    Unsaid,
    /// KEEPTTL.
    Keep,
    /// PERSIST.
    Persist,
    /// EX and its kin: Unix milliseconds.
    At(i64),
}

/// The options of HGETEX and HSETEX.
pub(super) struct Options<'a> {
    pub(super) when: When,
    /// FNX (`false`) and FXX (`true`): whether the fields must be there.
    pub(super) exist: Option<bool>,
    /// Names, or names and values.
    pub(super) fields: Vec<&'a [u8]>,
}

/// Reads the options; `set`: those of HSETEX, whose fields have values.
pub(super) fn options<'a>(args: Args<'a>, set: bool, now: i64, command: &str) -> Result<Options<'a>, Error> {
    let mut o = Options { when: When::Unsaid, exist: None, fields: Vec::new() };
    let set_once = |o: &mut Options<'_>, when: When| {
        if o.when != When::Unsaid {
            return Err(Error::Static(match set {
                true => "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                false => "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
            }));
        }
        o.when = when;
        Ok(())
    };
    let mut at = 0;
    while let Some(word) = args.get(at) {
        at += 1;
        if is(word, "FIELDS") {
            if !o.fields.is_empty() {
                return Err(TWICE);
            }
            let n = args.get(at).ok_or_else(|| Error::Arity(command.to_owned()))?;
            let n = number(n).ok_or(Error::Static("ERR invalid number of fields"))?;
            let n = if set { n * 2 } else { n };
            at += 1;
            o.fields = args.from(at).iter().take(n).collect();
            at += n;
            if at > args.len() {
                return Err(COUNT);
            }
        } else if is(word, "FNX") || is(word, "FXX") {
            if o.exist.is_some() {
                return Err(Error::Static("ERR Only one of FXX or FNX arguments can be specified"));
            }
            o.exist = Some(is(word, "FXX"));
        } else if is(word, "KEEPTTL") {
            set_once(&mut o, When::Keep)?;
        } else if is(word, "PERSIST") {
            set_once(&mut o, When::Persist)?;
        } else if let Some(unit) = Unit::of(word) {
            // that there is another is said before what is wrong with this one
            set_once(&mut o, When::At(0))?;
            let time = args.get(at).ok_or(Error::Static("ERR missing expire time"))?;
            o.when = When::At(unit.deadline(time, now, command)?);
            at += 1;
        } else {
            return Err(unknown(word));
        }
    }
    if o.fields.is_empty() {
        return Err(Error::Static("ERR missing FIELDS argument"));
    }
    let foreign = if set { o.when == When::Persist } else { o.when == When::Keep || o.exist.is_some() };
    if foreign {
        return Err(Error::Static("ERR unknown argument"));
    }
    Ok(o)
}
