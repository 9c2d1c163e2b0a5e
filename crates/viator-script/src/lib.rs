//! The Lua side of scripts: the sandbox, what Lua 5.4 lacks of Lua 5.1, the modules that Redis gives scripts (`cjson`,
//! `cmsgpack`, `struct`, `bit`), and the conversions between Lua's values and replies. What a script asks of the server
//! goes through [`Host`]; nothing here knows of keys or clients.

mod bit;
mod bridge;
mod cjson;
mod cmsgpack;
mod concat;
mod convert;
mod debugger;
mod declared;
mod direct;
mod errors;
mod library;
mod number;
mod packing;
mod rewrite;
mod source;
mod vm;

pub use debugger::{Console, Debugger, Heard};
pub use declared::{Arg, Call, calls};
pub use errors::{Failure, Raised};
pub use library::Library;
pub use vm::{Chunk, Flavour, Host, Registration, Vm};
