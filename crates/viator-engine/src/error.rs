//! Errors of commands, and the one place where they become Redis's error lines.

use std::borrow::Cow;
use thiserror::Error as ThisError;

/// What a command fails with. `Display` is the error line, code first.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    /// Any syntax error among the options.
    #[error("ERR syntax error")]
    Syntax,
    /// The key holds another type.
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// Not a 64-bit integer.
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    /// Not a floating-point number.
    #[error("ERR value is not a valid float")]
    NotFloat,
    /// The key does not exist and must.
    #[error("ERR no such key")]
    NoSuchKey,
    /// An index beyond the end.
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// A database number out of range.
    #[error("ERR DB index is out of range")]
    DbIndex,
    /// Wrong number of arguments; the command's full name.
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(String),
    /// A negative, zero or overflowing expiry.
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(String),
    /// A string that would grow beyond `proto-max-bulk-len`.
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    TooLong,
    /// Memory is over `maxmemory` and nothing can be evicted.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    Oom,
    /// A fixed line, with its code.
    #[error("{0}")]
    Static(&'static str),
    /// A composed line, with its code.
    #[error("{0}")]
    Text(Cow<'static, str>),
    /// Already replied, an error that was counted when it first came up.
    #[error("")]
    RepliedCounted,
    /// Already replied: the handler wrote its own error reply.
    #[error("")]
    Replied,
}

impl Error {
    /// A composed error line, with its code.
    pub fn text(line: impl Into<Cow<'static, str>>) -> Error {
        Error::Text(line.into())
    }
}
