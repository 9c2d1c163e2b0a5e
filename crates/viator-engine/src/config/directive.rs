//! What a directive is: how its value is shown, read, checked and written.

use super::Config;
use super::setting::{Line, Origin, Setting, lenient_integer, memory_text, one_of, utf8};
use viator_data::num::{parse_i64, parse_memory};

/// Properties of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// Cannot be changed by CONFIG SET.
    pub const IMMUTABLE: Self = Self(1);
    /// Holds a secret: SLOWLOG, MONITOR and the log do not show it.
    pub const SENSITIVE: Self = Self(1 << 1);
    /// CONFIG GET shows it only when it is named in full.
    pub const HIDDEN: Self = Self(1 << 2);
    /// CONFIG SET changes it only as `enable-protected-configs` allows.
    pub const PROTECTED: Self = Self(1 << 3);
    /// CONFIG SET refuses it while the dataset is loading.
    pub const DENY_LOADING: Self = Self(1 << 4);
    /// Newer than Redis 8.4 or made for testing Redis itself: taken for the sake of files that have it.
    pub const FOREIGN: Self = Self(1 << 5);

    /// Both.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How a number is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Decimal digits.
    Plain,
    /// Bytes, `kb`, `mb`, `gb`…
    Bytes,
    /// Octal digits.
    Octal,
    /// Bytes, or per cent of `maxmemory`, which are kept as a negative number.
    BytesOrPercent,
}

/// A kind of value, with access to its field.
pub(super) enum Kind {
    /// `yes` or `no`.
    Bool { get: fn(&Config) -> bool, set: fn(&mut Config, bool), check: fn(bool, Origin) -> Result<(), String> },
    /// A number in a range.
    Number { get: fn(&Config) -> i128, set: fn(&mut Config, i128), min: i128, max: i128, unit: Unit },
    /// One of a few words.
    Choice { get: fn(&Config) -> &'static str, set: fn(&mut Config, &[u8]) -> bool, words: &'static [&'static str] },
    /// A text; CONFIG REWRITE leaves out an empty one when `optional`.
    Text {
        get: fn(&Config) -> &String,
        set: fn(&mut Config, String),
        check: fn(&str) -> Result<(), String>,
        optional: bool,
    },
    /// Any bytes; CONFIG REWRITE leaves out empty ones.
    Bytes { get: fn(&Config) -> &Vec<u8>, set: fn(&mut Config, Vec<u8>) },
    /// Anything else. The words of a `multi` one are separate arguments in a file, and CONFIG SET splits its argument at
    /// spaces.
    Special { get: fn(&Config) -> &dyn Setting, get_mut: fn(&mut Config) -> &mut dyn Setting, multi: bool },
}

/// A configuration directive.
pub struct Directive {
    /// Its name, in lower case.
    pub name: &'static str,
    /// An older name that is answered as well.
    pub alias: Option<&'static str>,
    /// Its properties.
    pub flags: Flags,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Why it changes nothing here, if that is so: it is taken, checked and shown nevertheless.
    pub no_meaning: Option<&'static str>,
    pub(super) kind: Kind,
}

impl Directive {
    /// The directive of that name or alias, in any case.
    pub fn find(name: &[u8]) -> Option<&'static Directive> {
        super::DIRECTIVES.iter().find(|d| d.spelling(name).is_some())
    }

    /// The spelling (name or alias, in lower case) by which `name` means this directive.
    pub(super) fn spelling(&self, name: &[u8]) -> Option<&'static str> {
        [Some(self.name), self.alias].into_iter().flatten().find(|n| n.as_bytes().eq_ignore_ascii_case(name))
    }

    /// Whether CONFIG SET may change it (when it is not protected or loading).
    pub fn is_mutable(&self) -> bool {
        !self.flags.contains(Flags::IMMUTABLE)
    }

    /// Whether it may stand in a file with any number of arguments.
    pub fn is_multi(&self) -> bool {
        matches!(self.kind, Kind::Special { multi: true, .. })
    }

    /// Its value, as CONFIG GET shows it.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        match &self.kind {
            Kind::Bool { get, .. } => yes_no(get(config)).into(),
            Kind::Number { get, unit, .. } => number_text(get(config), *unit).into_bytes(),
            Kind::Choice { get, .. } => get(config).into(),
            Kind::Text { get, .. } => get(config).clone().into_bytes(),
            Kind::Bytes { get, .. } => get(config).clone(),
            Kind::Special { get, .. } => get(config).text().into_bytes(),
        }
    }

    /// Reads the one argument of CONFIG SET.
    pub(super) fn set(&self, config: &mut Config, value: &[u8]) -> Result<(), String> {
        self.assign(config, &[value], Origin::Set)
    }

    /// Reads the arguments of a line of the file.
    pub(super) fn set_from_file(&self, config: &mut Config, args: &[&[u8]], again: bool) -> Result<(), String> {
        self.assign(config, args, Origin::File { again })
    }

    fn assign(&self, config: &mut Config, args: &[&[u8]], origin: Origin) -> Result<(), String> {
        if let Kind::Special { get_mut, multi, .. } = &self.kind {
            return match args {
                [b""] if *multi => get_mut(config).assign(&[], origin),
                // CONFIG SET has all in one argument, and a file may have: `save "900 1"`.
                [value] if *multi => {
                    let args: Vec<_> = value.split(|b| *b == b' ').collect();
                    get_mut(config).assign(&args, origin)
                }
                args => get_mut(config).assign(args, origin),
            };
        }
        let [value] = args else { return Err("wrong number of arguments".into()) };
        match &self.kind {
            Kind::Bool { set, check, .. } => {
                let on = match value.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err("argument must be 'yes' or 'no'".into()),
                };
                check(on, origin)?;
                set(config, on);
            }
            Kind::Number { set, min, max, unit, .. } => set(config, parse_number(value, *min, *max, *unit)?),
            Kind::Choice { set, words, .. } => {
                if !set(config, value) {
                    return Err(one_of(words));
                }
            }
            Kind::Text { set, check, .. } => {
                let text = utf8(c_string(value))?;
                check(&text)?;
                set(config, text);
            }
            Kind::Bytes { set, .. } => set(config, value.to_vec()),
            Kind::Special { .. } => {}
        }
        Ok(())
    }

    /// Checks that the field holds both ends of the range.
    #[cfg(test)]
    pub(super) fn check_range(&self) {
        if let Kind::Number { get, set, min, max, .. } = self.kind {
            let mut config = Config::default();
            for end in [min, max] {
                set(&mut config, end);
                assert_eq!(get(&config), end, "{}", self.name);
            }
        }
    }

    /// The values it takes, for the documentation.
    #[cfg(test)]
    pub(super) fn values(&self) -> String {
        let limit = |n: i128| match n {
            n if n == i128::from(i64::MAX) => "2^63-1".to_owned(),
            n if n == i128::from(u64::MAX) => "2^64-1".to_owned(),
            n if n == i128::from(u32::MAX) => "2^32-1".to_owned(),
            n if n == i128::from(i32::MAX) => "2^31-1".to_owned(),
            n if n == i128::from(i32::MIN) => "-2^31".to_owned(),
            n => n.to_string(),
        };
        match &self.kind {
            Kind::Bool { .. } => "`yes`, `no`".into(),
            Kind::Choice { words, .. } => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
            Kind::Number { unit: Unit::BytesOrPercent, .. } => "size, or per cent of `maxmemory`".into(),
            Kind::Number { min, max, unit: Unit::Octal, .. } => format!("{min:o}…{max:o} (octal)"),
            Kind::Number { min, max, unit: Unit::Bytes, .. } => format!("size, {}…{}", limit(*min), limit(*max)),
            Kind::Number { min, max, .. } => format!("{}…{}", limit(*min), limit(*max)),
            Kind::Text { .. } | Kind::Bytes { .. } => "text".into(),
            Kind::Special { multi, .. } => if *multi { "list" } else { "letters" }.into(),
        }
    }

    /// The lines CONFIG REWRITE has for it.
    pub(super) fn lines(&self, config: &Config, defaults: &Config) -> Vec<Line> {
        let force = self.get(config) != self.get(defaults);
        match &self.kind {
            Kind::Bool { get, .. } => vec![Line::plain(self.name, yes_no(get(config)), force)],
            Kind::Choice { get, .. } => vec![Line::plain(self.name, get(config), force)],
            Kind::Number { get, unit, .. } => {
                let value = get(config);
                let text = match u64::try_from(value) {
                    Ok(bytes) if matches!(unit, Unit::Bytes | Unit::BytesOrPercent) => memory_text(bytes),
                    _ => number_text(value, *unit),
                };
                vec![Line::plain(self.name, &text, force)]
            }
            Kind::Text { get, optional: true, .. } if get(config).is_empty() => Vec::new(),
            // The directory is written always: a relative file name means nothing without it.
            Kind::Text { get, .. } => {
                vec![Line::quoted(self.name, get(config).as_bytes(), force || self.name == "dir")]
            }
            Kind::Bytes { get, .. } if get(config).is_empty() => Vec::new(),
            Kind::Bytes { get, .. } => vec![Line::quoted(self.name, get(config), force)],
            Kind::Special { get, .. } => get(config).lines(self.name, &get(defaults).text()),
        }
    }
}

fn yes_no(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

/// Redis keeps texts as C strings.
fn c_string(value: &[u8]) -> &[u8] {
    value.split(|b| *b == 0).next().unwrap_or_default()
}

fn number_text(value: i128, unit: Unit) -> String {
    match unit {
        Unit::Octal => format!("{value:o}"),
        Unit::BytesOrPercent if value < 0 => format!("{}%", -value),
        _ => value.to_string(),
    }
}

fn parse_number(text: &[u8], min: i128, max: i128, unit: Unit) -> Result<i128, String> {
    let value = match unit {
        Unit::Plain => parse_i64(text).ok_or("argument couldn't be parsed into an integer")?.into(),
        Unit::Octal => lenient_integer(text, 8).ok_or("argument couldn't be parsed as an octal number")?.into(),
        Unit::Bytes => parse_memory(text).ok_or("argument must be a memory value")?.into(),
        Unit::BytesOrPercent => return bytes_or_percent(text),
    };
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(match unit {
        Unit::Octal => format!("argument must be between {min:o} and {max:o} inclusive"),
        _ => format!("argument must be between {min} and {max} inclusive"),
    })
}

fn bytes_or_percent(text: &[u8]) -> Result<i128, String> {
    let percent = text.strip_suffix(b"%").map(|digits| parse_i64(digits).filter(|p| *p >= 0));
    let value = match percent {
        Some(percent) => percent.map(|p| -i128::from(p)),
        // As in Redis, more than 63 bits of bytes come out as per cent.
        None => parse_memory(text).map(|bytes| i128::from(bytes as i64)),
    };
    let value = value.ok_or("argument must be a memory or percent value")?;
    if value < -100 {
        return Err("percentage argument must be less or equal to 100".into());
    }
    Ok(value)
}

/// Checks of single directives, each of which the table names.
pub(super) mod check {
    use super::Origin;

    pub(in super::super) fn any(_: bool, _: Origin) -> Result<(), String> {
        Ok(())
    }

    pub(in super::super) fn any_text(_: &str) -> Result<(), String> {
        Ok(())
    }

    pub(in super::super) fn no_defrag(on: bool, _: Origin) -> Result<(), String> {
        if on {
            return Err(
                "Active defragmentation cannot be enabled: it requires a Redis server compiled with a modified \
                        Jemalloc like the one shipped by default with the Redis source distribution"
                    .into(),
            );
        }
        Ok(())
    }

    pub(in super::super) fn only_at_start(on: bool, origin: Origin) -> Result<(), String> {
        if on && origin == Origin::Set {
            return Err("memory tracking cannot be enabled at runtime".into());
        }
        Ok(())
    }

    pub(in super::super) fn hostname(text: &str) -> Result<(), String> {
        if text.len() >= 256 {
            return Err("Hostnames must be less than 256 characters".into());
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
            return Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into());
        }
        Ok(())
    }

    pub(in super::super) fn human_nodename(text: &str) -> Result<(), String> {
        if text.bytes().any(|b| b"!#$%&()*+:;<>?@[]^{|}~".contains(&b)) {
            return Err("Announced human node name contained invalid character".into());
        }
        Ok(())
    }

    pub(in super::super) fn db_filename(text: &str) -> Result<(), String> {
        no_path(text, "dbfilename can't be a path, just a filename")
    }

    pub(in super::super) fn append_filename(text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("appendfilename can't be empty".into());
        }
        no_path(text, "appendfilename can't be a path, just a filename")
    }

    pub(in super::super) fn append_dirname(text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("appenddirname can't be empty".into());
        }
        no_path(text, "appenddirname can't be a path, just a dirname")
    }

    fn no_path(text: &str, error: &str) -> Result<(), String> {
        if text.contains(['/', '\\']) { Err(error.into()) } else { Ok(()) }
    }

    pub(in super::super) fn title(text: &str) -> Result<(), String> {
        // Title and socket may be empty, and a title must not be.
        let sample = |variable: &str| match variable {
            "title" | "unixsocket" => String::new(),
            _ => "x".into(),
        };
        match super::super::expand_title(text, sample) {
            Some(title) if !title.is_empty() => Ok(()),
            _ => Err("template format is invalid or contains unknown variables".into()),
        }
    }

    pub(in super::super) fn locale(text: &str) -> Result<(), String> {
        // Sorting is by bytes here, which is what these locales mean.
        match text {
            "" | "C" | "POSIX" | "C.UTF-8" | "C.utf8" => Ok(()),
            _ => Err("Invalid locale name".into()),
        }
    }
}

/// Fills in a `proc-title-template`: `value` is asked for the text of each variable that Redis knows (`title`,
/// `listen-addr`, `server-mode`, `port`, `tls-port`, `unixsocket`, `config-file`). White space at the ends is cut off.
///
/// `None` when a brace is not closed or the variable is unknown.
pub fn expand_title(template: &str, value: impl Fn(&str) -> String) -> Option<String> {
    const VARIABLES: [&str; 7] =
        ["title", "listen-addr", "server-mode", "port", "tls-port", "unixsocket", "config-file"];
    let mut title = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (variable, after) = after.split_once('}')?;
        if !VARIABLES.contains(&variable) {
            return None;
        }
        title += before;
        title += &value(variable);
        rest = after;
    }
    title += rest;
    Some(title.trim().to_owned())
}
