//! Type bytes of values and codes of a file's other parts.

/// A string.
pub const STRING: u8 = 0;
/// A list, element by element.
pub const LIST: u8 = 1;
/// A set, member by member.
pub const SET: u8 = 2;
/// A sorted set with scores as text.
pub const ZSET: u8 = 3;
/// A hash, field by field.
pub const HASH: u8 = 4;
/// A sorted set with binary scores.
pub const ZSET_2: u8 = 5;
/// A module's value of an early format, which tells nothing about its length.
pub const MODULE_PRE_GA: u8 = 6;
/// A module's value.
pub const MODULE_2: u8 = 7;
/// A hash in a zipmap.
pub const HASH_ZIPMAP: u8 = 9;
/// A list in a ziplist.
pub const LIST_ZIPLIST: u8 = 10;
/// A set in an intset.
pub const SET_INTSET: u8 = 11;
/// A sorted set in a ziplist.
pub const ZSET_ZIPLIST: u8 = 12;
/// A hash in a ziplist.
pub const HASH_ZIPLIST: u8 = 13;
/// A list in ziplists.
pub const LIST_QUICKLIST: u8 = 14;
/// A stream.
pub const STREAM_LISTPACKS: u8 = 15;
/// A hash in a listpack.
pub const HASH_LISTPACK: u8 = 16;
/// A sorted set in a listpack.
pub const ZSET_LISTPACK: u8 = 17;
/// A list in listpacks and large elements.
pub const LIST_QUICKLIST_2: u8 = 18;
/// A stream with its first id, greatest deleted id and number of entries ever added.
pub const STREAM_LISTPACKS_2: u8 = 19;
/// A set in a listpack.
pub const SET_LISTPACK: u8 = 20;
/// A stream whose consumers have an active time.
pub const STREAM_LISTPACKS_3: u8 = 21;
/// A hash with expiring fields, of a release candidate.
pub const HASH_METADATA_PRE_GA: u8 = 22;
/// A hash with expiring fields in a listpack, of a release candidate.
pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
/// A hash with expiring fields.
pub const HASH_METADATA: u8 = 24;
/// A hash with expiring fields in a listpack.
pub const HASH_LISTPACK_EX: u8 = 25;
/// A stream with what its producers sent (version 13).
pub const STREAM_LISTPACKS_4: u8 = 26;

/// Which slot the keys that follow are in, and how many they are.
pub const SLOT_INFO: u8 = 244;
/// A library of functions.
pub const FUNCTION: u8 = 245;
/// A function, of a release candidate.
pub const FUNCTION_PRE_GA: u8 = 246;
/// A module's data that belongs to no key.
pub const MODULE_AUX: u8 = 247;
/// Seconds that the next key has not been used.
pub const IDLE: u8 = 248;
/// How often the next key is used.
pub const FREQ: u8 = 249;
/// A name and a value that describe the file.
pub const AUX: u8 = 250;
/// How many keys a database has.
pub const RESIZE_DB: u8 = 251;
/// When the next key expires, in milliseconds.
pub const EXPIRE_MS: u8 = 252;
/// When the next key expires, in seconds.
pub const EXPIRE: u8 = 253;
/// The database of the keys that follow.
pub const SELECT_DB: u8 = 254;
/// The end; the checksum follows.
pub const EOF: u8 = 255;

/// What `redis-check-rdb` calls a type.
pub fn name(kind: u8) -> &'static str {
    match kind {
        STRING => "string",
        LIST => "list-linked",
        SET => "set-hashtable",
        ZSET => "zset-v1",
        HASH => "hash-hashtable",
        ZSET_2 => "zset-v2",
        MODULE_PRE_GA => "module-pre-release",
        MODULE_2 => "module-value",
        HASH_ZIPMAP => "hash-zipmap",
        LIST_ZIPLIST => "list-ziplist",
        SET_INTSET => "set-intset",
        ZSET_ZIPLIST => "zset-ziplist",
        HASH_ZIPLIST => "hash-ziplist",
        LIST_QUICKLIST => "quicklist",
        STREAM_LISTPACKS => "stream",
        HASH_LISTPACK => "hash-listpack",
        ZSET_LISTPACK => "zset-listpack",
        LIST_QUICKLIST_2 => "quicklist-v2",
        STREAM_LISTPACKS_2 => "stream-v2",
        SET_LISTPACK => "set-listpack",
        STREAM_LISTPACKS_3 => "stream-v3",
        HASH_METADATA_PRE_GA => "hash-hashtable-md-pre-release",
        HASH_LISTPACK_EX_PRE_GA => "hash-listpack-md-pre-release",
        HASH_METADATA => "hash-hashtable-md",
        HASH_LISTPACK_EX => "hash-listpack-md",
        STREAM_LISTPACKS_4 => "stream-v4",
        _ => "unknown",
    }
}

/// Whether it is the type byte of a value.
pub fn is_value(kind: u8) -> bool {
    kind <= STREAM_LISTPACKS_4 && kind != 8
}
