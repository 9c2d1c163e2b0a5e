//! The declaration of a command: one `Command` constant holds every fact about it.
//!
//! COMMAND, COMMAND DOCS, ACL categories, key extraction, lock footprints, cluster routing and the MULTI checks are
//! derived from these constants; nothing else in the code lists commands by name.

use crate::ctx::{AdminCtx, ReadCtx, WriteCtx};
use crate::error::Error;

/// What a handler returns: the reply is already in the context's reply buffer, or the error becomes the reply.
pub type Outcome = Result<(), Error>;

/// The function that executes a command, and with it what the command may touch.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads keys under the command's footprint; cannot write.
    Read(fn(&mut ReadCtx<'_, '_>) -> Outcome),
    /// Reads and writes keys under the command's footprint.
    Write(fn(&mut WriteCtx<'_, '_>) -> Outcome),
    /// Touches the session and the server, never a key; runs without shard locks.
    Admin(fn(&mut AdminCtx<'_, '_>) -> Outcome),
    /// A container of subcommands: dispatch resolves the subcommand, an unknown one is an error.
    Container,
}

/// Which shards a command locks before its handler runs.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// None: the command touches no key.
    None,
    /// Those of the keys that its key specs find.
    Keys,
    /// All: it touches keys that its arguments do not name (KEYS, FLUSHALL…).
    All,
    /// All if the rule says so of the arguments, else those of the keys that the key specs find (SORT, which is usually
    /// without BY and GET).
    AllIf(fn(crate::args::Args<'_>) -> bool),
}

/// Finds the keys among arguments, with what the command does to them.
pub type KeyFinder = fn(crate::args::Args<'_>) -> Option<Vec<(usize, KeyFlags)>>;

/// A command (or a subcommand), declared once.
pub struct Command {
    /// Lower-case name; of a subcommand, its own part only (`"get"` of `CONFIG GET`).
    pub name: &'static str,
    /// Argument count with the name (and of a subcommand, with the container's); negative: at least that many.
    pub arity: i16,
    /// Behaviour flags, as COMMAND INFO reports them.
    pub flags: Flags,
    /// ACL categories declared explicitly; those that the flags imply are added by [`Command::acl_categories`].
    pub acl: Acl,
    /// Where the keys are among the arguments.
    pub keys: &'static [KeySpec],
    /// For key specs with [`KeyFlags::VARIABLE_FLAGS`]: what the command does with the keys, given its arguments.
    pub key_flags: Option<fn(crate::args::Args<'_>) -> KeyFlags>,
    /// Finds the keys that are locked where the specs could be misled (by a group called STREAMS); `None` for a wrong
    /// grammar.
    pub find_keys: Option<KeyFinder>,
    /// Shards locked; `Scope::Keys` for every command with key specs unless stated otherwise.
    pub scope: Scope,
    /// Group of the documentation.
    pub group: Group,
    /// Version of Redis that introduced the command.
    pub since: &'static str,
    /// One-sentence summary, as COMMAND DOCS gives it.
    pub summary: &'static str,
    /// Time complexity, as COMMAND DOCS gives it.
    pub complexity: &'static str,
    /// Version that deprecated the command, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// `doc_flags` of COMMAND DOCS has "syscmd".
    pub syscmd: bool,
    /// Changes by version: (version, what changed).
    pub history: &'static [(&'static str, &'static str)],
    /// Argument grammar.
    pub args: &'static [ArgSpec],
    /// Hints for clients and proxies, as COMMAND INFO's tips.
    pub tips: &'static [&'static str],
    /// Example command lines. Registry-wide tests run them on Viator and on the reference, in order, on an empty database.
    pub examples: &'static [&'static str],
    /// Subcommands of a container.
    pub subcommands: &'static [&'static Command],
    /// How dispatch treats it apart from its flags.
    pub traits: Traits,
    /// Whether, given its arguments, it writes nothing although it might (a script that is flagged so).
    pub only_reads: Option<fn(&crate::server::Server, crate::args::Args<'_>) -> bool>,
    /// What executes it.
    pub handler: Handler,
}

impl Command {
    /// The declaration that others extend: `Command { name: …, ..Command::BASE }`.
    pub const BASE: Command = Command {
        name: "",
        arity: 1,
        flags: Flags(0),
        acl: Acl(0),
        keys: &[],
        key_flags: None,
        find_keys: None,
        only_reads: None,
        scope: Scope::None,
        group: Group::Generic,
        since: "1.0.0",
        summary: "",
        complexity: "",
        deprecated: None,
        syscmd: false,
        history: &[],
        args: &[],
        tips: &[],
        examples: &[],
        subcommands: &[],
        traits: Traits(0),
        handler: Handler::Container,
    };

    /// All its ACL categories: those declared, and those that flags imply.
    pub fn acl_categories(&self) -> Acl {
        let f = self.flags;
        let mut acl = self.acl;
        if f.has(Flags::WRITE) {
            acl = acl | Acl::WRITE;
        }
        if f.has(Flags::READONLY) && self.group as u8 != Group::Scripting as u8 {
            acl = acl | Acl::READ;
        }
        if f.has(Flags::ADMIN) {
            acl = acl | Acl::ADMIN | Acl::DANGEROUS;
        }
        if f.has(Flags::PUBSUB) {
            acl = acl | Acl::PUBSUB;
        }
        if f.has(Flags::BLOCKING) {
            acl = acl | Acl::BLOCKING;
        }
        acl | if f.has(Flags::FAST) { Acl::FAST } else { Acl::SLOW }
    }
}

macro_rules! bits {
    ($(#[$m:meta])* $name:ident: $ty:ty { $($(#[$cm:meta])* $konst:ident = $bit:expr, $text:expr;)* }) => {
        $(#[$m])*
        #[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
        pub struct $name(pub $ty);
        impl $name {
            /// The empty set.
            pub const NONE: $name = $name(0);
            $($(#[$cm])* pub const $konst: $name = $name(1 << $bit);)*
            /// Every member with the name Redis gives it, in Redis's order.
            pub const ALL: &'static [($name, &'static str)] = &[$(($name::$konst, $text),)*];
            /// The union.
            pub const fn or(self, other: $name) -> $name { $name(self.0 | other.0) }
            /// Whether every bit of `other` is set.
            pub const fn has(self, other: $name) -> bool { self.0 & other.0 == other.0 }
            /// Whether any bit of `other` is set.
            pub const fn any(self, other: $name) -> bool { self.0 & other.0 != 0 }
        }
        impl core::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, o: $name) -> $name { $name(self.0 | o.0) }
        }
    };
}

bits! {
    /// Behaviour flags; the names and order are those of COMMAND INFO.
    Flags: u32 {
        #[doc = "May modify keys."] WRITE = 0, "write";
        #[doc = "Only reads keys."] READONLY = 1, "readonly";
        #[doc = "Refused when memory is over `maxmemory`."] DENYOOM = 2, "denyoom";
        #[doc = "A module's command."] MODULE = 3, "module";
        #[doc = "Administrative."] ADMIN = 4, "admin";
        #[doc = "Pub/Sub."] PUBSUB = 5, "pubsub";
        #[doc = "Not from scripts."] NOSCRIPT = 6, "noscript";
        #[doc = "May block the client."] BLOCKING = 7, "blocking";
        #[doc = "Allowed while loading."] LOADING = 8, "loading";
        #[doc = "Allowed on a stale replica."] STALE = 9, "stale";
        #[doc = "Not shown by MONITOR."] SKIP_MONITOR = 10, "skip_monitor";
        #[doc = "Not in the slow log."] SKIP_SLOWLOG = 11, "skip_slowlog";
        #[doc = "As if ASKING had been sent."] ASKING = 12, "asking";
        #[doc = "O(1) or O(log n)."] FAST = 13, "fast";
        #[doc = "Allowed before authentication."] NO_AUTH = 14, "no_auth";
        #[doc = "Key positions depend on the arguments. Derived; never declared."] MOVABLEKEYS = 16, "movablekeys";
        #[doc = "Allowed while a script is busy."] ALLOW_BUSY = 17, "allow_busy";
        #[doc = "Not in transactions."] NO_MULTI = 18, "no_multi";
        #[doc = "Not in asynchronous loading."] NO_ASYNC_LOADING = 19, "no_async_loading";
        #[doc = "May be called without any key."] NO_MANDATORY_KEYS = 20, "no_mandatory_keys";
    }
}

bits! {
    /// What dispatch must know of a command that Redis writes as exceptions by name. Not shown to clients.
    Traits: u8 {
        #[doc = "Runs at once inside MULTI instead of being queued (EXEC, DISCARD, WATCH, QUIT, RESET…)."] NOW_IN_MULTI = 0, "now_in_multi";
        #[doc = "Allowed to a RESP2 client that has subscriptions."] WHILE_SUBSCRIBED = 1, "while_subscribed";
        #[doc = "Only with `enable-debug-command`."] DEBUG = 2, "debug";
        #[doc = "Runs the queued commands: judged by their flags."] EXEC = 3, "exec";
        #[doc = "May have replicas told something although it is no write (PUBLISH, PFCOUNT, EVAL…): CLIENT PAUSE WRITE holds it back."] MAY_REPLICATE = 4, "may_replicate";
        #[doc = "Refused while the disk cannot be written although it is no write, so that clients learn of it (PING)."] REFUSED_WITH_WRITES = 5, "refused_with_writes";
    }
}

bits! {
    /// ACL categories, in the order of ACL CAT.
    Acl: u32 {
        #[doc = "@keyspace"] KEYSPACE = 0, "keyspace";
        #[doc = "@read"] READ = 1, "read";
        #[doc = "@write"] WRITE = 2, "write";
        #[doc = "@set"] SET = 3, "set";
        #[doc = "@sortedset"] SORTEDSET = 4, "sortedset";
        #[doc = "@list"] LIST = 5, "list";
        #[doc = "@hash"] HASH = 6, "hash";
        #[doc = "@string"] STRING = 7, "string";
        #[doc = "@bitmap"] BITMAP = 8, "bitmap";
        #[doc = "@hyperloglog"] HYPERLOGLOG = 9, "hyperloglog";
        #[doc = "@geo"] GEO = 10, "geo";
        #[doc = "@stream"] STREAM = 11, "stream";
        #[doc = "@pubsub"] PUBSUB = 12, "pubsub";
        #[doc = "@admin"] ADMIN = 13, "admin";
        #[doc = "@fast"] FAST = 14, "fast";
        #[doc = "@slow"] SLOW = 15, "slow";
        #[doc = "@blocking"] BLOCKING = 16, "blocking";
        #[doc = "@dangerous"] DANGEROUS = 17, "dangerous";
        #[doc = "@connection"] CONNECTION = 18, "connection";
        #[doc = "@transaction"] TRANSACTION = 19, "transaction";
        #[doc = "@scripting"] SCRIPTING = 20, "scripting";
        #[doc = "@json"] JSON = 21, "json";
        #[doc = "@bloom"] BLOOM = 22, "bloom";
        #[doc = "@cuckoo"] CUCKOO = 23, "cuckoo";
        #[doc = "@topk"] TOPK = 24, "topk";
        #[doc = "@cms"] CMS = 25, "cms";
        #[doc = "@tdigest"] TDIGEST = 26, "tdigest";
        #[doc = "@timeseries"] TIMESERIES = 27, "timeseries";
        #[doc = "@search"] SEARCH = 28, "search";
    }
}

bits! {
    /// Flags of a key spec, as COMMAND INFO and GETKEYSANDFLAGS give them.
    KeyFlags: u16 {
        #[doc = "Read-only."] RO = 0, "RO";
        #[doc = "Read-write."] RW = 1, "RW";
        #[doc = "Overwrite."] OW = 2, "OW";
        #[doc = "Remove."] RM = 3, "RM";
        #[doc = "Returns or uses the value."] ACCESS = 4, "access";
        #[doc = "Updates existing data."] UPDATE = 5, "update";
        #[doc = "Only inserts."] INSERT = 6, "insert";
        #[doc = "Deletes content."] DELETE = 7, "delete";
        #[doc = "No key, but routed like one."] NOT_KEY = 8, "not_key";
        #[doc = "The spec may miss keys."] INCOMPLETE = 9, "incomplete";
        #[doc = "The flags depend on the arguments."] VARIABLE_FLAGS = 10, "variable_flags";
    }
}

/// A key specification: where a search begins, and how it finds keys from there.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// What the command does with these keys.
    pub flags: KeyFlags,
    /// Where the keys begin.
    pub begin: Begin,
    /// How the keys follow.
    pub find: Find,
    /// The note of COMMAND INFO, or "".
    pub notes: &'static str,
}

/// Where a key search begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// After this keyword, searched from `start_from` (negative: backwards from the end).
    Keyword {
        /// The keyword, upper case.
        keyword: &'static str,
        /// Where the search starts.
        start_from: i16,
    },
    /// Not expressible: the command has its own rule ([`Find::Rule`]), or none.
    Unknown,
}

/// How keys follow the beginning.
#[derive(Clone, Copy, Debug)]
pub enum Find {
    /// From the beginning to `last` (relative; negative counts from the end), every `step`th;
    /// `limit` 2 or more, with `last` -1, takes only that fraction of the remaining arguments.
    Range {
        /// Last key, relative to the beginning.
        last: i16,
        /// Distance between keys.
        step: u16,
        /// 0, or the divisor of the remaining arguments.
        limit: u16,
    },
    /// A count argument at `count` (relative), keys from `first` (relative), every `step`th.
    Keynum {
        /// Position of the count.
        count: u16,
        /// Position of the first key.
        first: u16,
        /// Distance between keys.
        step: u16,
    },
    /// Not found by a declaration; shown as `unknown`. The keys are what this function finds
    /// (argument indexes with flags), or nothing.
    Rule(fn(crate::args::Args<'_>) -> Vec<(usize, KeyFlags)>),
    /// Not found by a declaration, and shown as `unknown`.
    Unknown,
}

/// Groups of COMMAND DOCS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are COMMAND DOCS's own")]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    Hyperloglog,
    List,
    Module,
    Pubsub,
    Scripting,
    Sentinel,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
    Bf,
    Cf,
    Cms,
    Topk,
    Tdigest,
    Timeseries,
    Json,
    VectorSet,
}

impl Group {
    /// The name COMMAND DOCS gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::Hyperloglog => "hyperloglog",
            Group::List => "list",
            Group::Module => "module",
            Group::Pubsub => "pubsub",
            Group::Scripting => "scripting",
            Group::Sentinel => "sentinel",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
            Group::Bf => "bf",
            Group::Cf => "cf",
            Group::Cms => "cms",
            Group::Topk => "topk",
            Group::Tdigest => "tdigest",
            Group::Timeseries => "timeseries",
            Group::Json => "json",
            Group::VectorSet => "vector_set",
        }
    }
}

/// An argument of the grammar, as COMMAND DOCS describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: ArgKind,
    /// Text shown instead of the name, where it differs ("" otherwise).
    pub display: &'static str,
    /// For keys: the index of its key spec, or -1.
    pub key_spec: i8,
    /// Token before the argument, or "".
    pub token: &'static str,
    /// Version that introduced it, or "".
    pub since: &'static str,
    /// Version that deprecated it, or "".
    pub deprecated_since: &'static str,
    /// May be absent.
    pub optional: bool,
    /// May be repeated.
    pub multiple: bool,
    /// Repeated with its token.
    pub multiple_token: bool,
    /// Members of a block or alternatives of a oneof.
    pub sub: &'static [ArgSpec],
}

/// Kinds of arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are COMMAND DOCS's own")]
pub enum ArgKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    Oneof,
    Block,
}

impl ArgKind {
    /// The name COMMAND DOCS gives it.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::Oneof => "oneof",
            ArgKind::Block => "block",
        }
    }
}

impl ArgSpec {
    /// A plain required argument; the other constructors and methods refine it.
    pub const fn new(name: &'static str, kind: ArgKind) -> ArgSpec {
        ArgSpec {
            name,
            kind,
            display: "",
            key_spec: -1,
            token: "",
            since: "",
            deprecated_since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            sub: &[],
        }
    }
    /// A key of the given key spec.
    pub const fn key(name: &'static str, spec: i8) -> ArgSpec {
        ArgSpec { key_spec: spec, ..ArgSpec::new(name, ArgKind::Key) }
    }
    /// A string.
    pub const fn string(name: &'static str) -> ArgSpec {
        ArgSpec::new(name, ArgKind::String)
    }
    /// An integer.
    pub const fn integer(name: &'static str) -> ArgSpec {
        ArgSpec::new(name, ArgKind::Integer)
    }
    /// A bare token.
    pub const fn token(name: &'static str, token: &'static str) -> ArgSpec {
        ArgSpec { token, ..ArgSpec::new(name, ArgKind::PureToken) }
    }
    /// One of the alternatives.
    pub const fn oneof(name: &'static str, sub: &'static [ArgSpec]) -> ArgSpec {
        ArgSpec { sub, ..ArgSpec::new(name, ArgKind::Oneof) }
    }
    /// A group of arguments.
    pub const fn block(name: &'static str, sub: &'static [ArgSpec]) -> ArgSpec {
        ArgSpec { sub, ..ArgSpec::new(name, ArgKind::Block) }
    }
    /// Optional.
    pub const fn opt(self) -> ArgSpec {
        ArgSpec { optional: true, ..self }
    }
    /// Repeatable.
    pub const fn multi(self) -> ArgSpec {
        ArgSpec { multiple: true, ..self }
    }
    /// Repeatable with its token.
    pub const fn multi_token(self) -> ArgSpec {
        ArgSpec { multiple: true, multiple_token: true, ..self }
    }
    /// Preceded by a token.
    pub const fn after(self, token: &'static str) -> ArgSpec {
        ArgSpec { token, ..self }
    }
    /// Introduced in a version.
    pub const fn since(self, since: &'static str) -> ArgSpec {
        ArgSpec { since, ..self }
    }
    /// Deprecated in a version.
    pub const fn deprecated(self, version: &'static str) -> ArgSpec {
        ArgSpec { deprecated_since: version, ..self }
    }
    /// Shown under another name.
    pub const fn shown(self, display: &'static str) -> ArgSpec {
        ArgSpec { display, ..self }
    }
}
