//! Short forms of what most declarations say in the same words: key specs, their flags, and the `key` argument.

use viator_engine::command::{ArgSpec, Begin, Find, KeyFlags, KeySpec};

/// The argument of a command's first key.
pub const KEY: ArgSpec = ArgSpec::key("key", 0);

/// Asks about the key, without its value.
pub const RO: KeyFlags = KeyFlags::RO;
/// Reads the value.
pub const RO_ACCESS: KeyFlags = KeyFlags::RO.or(KeyFlags::ACCESS);
/// Reads the value, and may change its metadata or representation.
pub const RW_ACCESS: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS);
/// Adds to the value.
pub const RW_INSERT: KeyFlags = KeyFlags::RW.or(KeyFlags::INSERT);
/// Changes the value or its expiration.
pub const RW_UPDATE: KeyFlags = KeyFlags::RW.or(KeyFlags::UPDATE);
/// Takes elements away.
pub const RW_DELETE: KeyFlags = KeyFlags::RW.or(KeyFlags::DELETE);
/// Changes elements and takes others away.
pub const RW_UPDATE_DELETE: KeyFlags = KeyFlags::RW.or(KeyFlags::UPDATE).or(KeyFlags::DELETE);
/// Reads the value and adds to it.
pub const RW_ACCESS_INSERT: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::INSERT);
/// Reads the value and changes it.
pub const RW_ACCESS_UPDATE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE);
/// Reads the value and takes it, or elements of it, away.
pub const RW_ACCESS_DELETE: KeyFlags = KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE);
/// Reads the value and changes it, or only one of these: the arguments tell.
pub const RW_ACCESS_UPDATE_VARIABLE_FLAGS: KeyFlags =
    KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE).or(KeyFlags::VARIABLE_FLAGS);
/// Deletes the key, after reading it if the arguments say so.
pub const RW_DELETE_VARIABLE_FLAGS: KeyFlags = KeyFlags::RW.or(KeyFlags::DELETE).or(KeyFlags::VARIABLE_FLAGS);
/// Writes the key where there was none.
pub const OW_INSERT: KeyFlags = KeyFlags::OW.or(KeyFlags::INSERT);
/// Overwrites the key, whatever it was.
pub const OW_UPDATE: KeyFlags = KeyFlags::OW.or(KeyFlags::UPDATE);
/// Deletes the key.
pub const RM_DELETE: KeyFlags = KeyFlags::RM.or(KeyFlags::DELETE);
/// No key, but routed like one.
pub const NOT_KEY: KeyFlags = KeyFlags::NOT_KEY;

/// The one key at argument `index`.
pub const fn one_key(index: u16, flags: KeyFlags) -> KeySpec {
    keys(index, 0, 1, flags)
}

/// Every `step`th argument from `index` to `last`, which counts from `index`, or if negative from the end.
pub const fn keys(index: u16, last: i16, step: u16, flags: KeyFlags) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, notes: "" }
}

/// A count at `index`, and that many keys after it.
pub const fn counted_keys(index: u16, flags: KeyFlags) -> KeySpec {
    KeySpec { flags, begin: Begin::Index(index), find: Find::Keynum { count: 0, first: 1, step: 1 }, notes: "" }
}

/// The one key after a keyword, which is searched from an argument on.
pub const fn keyword_key(keyword: &'static str, start_from: i16, flags: KeyFlags) -> KeySpec {
    KeySpec {
        flags,
        begin: Begin::Keyword { keyword, start_from },
        find: Find::Range { last: 0, step: 1, limit: 0 },
        notes: "",
    }
}

/// Keys that a declaration cannot find.
pub const fn unknown_keys(flags: KeyFlags) -> KeySpec {
    KeySpec { flags, begin: Begin::Unknown, find: Find::Unknown, notes: "" }
}

/// The spec with the note that COMMAND INFO shows.
pub const fn noted(spec: KeySpec, notes: &'static str) -> KeySpec {
    KeySpec { notes, ..spec }
}
