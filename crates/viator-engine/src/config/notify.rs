//! The classes of keyspace events (`notify-keyspace-events`).

/// A set of event classes, and of the two ways to publish an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NotifyFlags(pub u32);

impl NotifyFlags {
    /// `K`: publish to `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: Self = Self(1);
    /// `E`: publish to `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: Self = Self(1 << 1);
    /// `g`: commands of no type (DEL, EXPIRE, RENAME…).
    pub const GENERIC: Self = Self(1 << 2);
    /// `$`: string commands.
    pub const STRING: Self = Self(1 << 3);
    /// `l`: list commands.
    pub const LIST: Self = Self(1 << 4);
    /// `s`: set commands.
    pub const SET: Self = Self(1 << 5);
    /// `h`: hash commands.
    pub const HASH: Self = Self(1 << 6);
    /// `z`: sorted set commands.
    pub const ZSET: Self = Self(1 << 7);
    /// `x`: keys that expired.
    pub const EXPIRED: Self = Self(1 << 8);
    /// `e`: keys evicted for `maxmemory`.
    pub const EVICTED: Self = Self(1 << 9);
    /// `t`: stream commands.
    pub const STREAM: Self = Self(1 << 10);
    /// `m`: reads of keys that do not exist; not part of `A`.
    pub const KEY_MISS: Self = Self(1 << 11);
    /// `d`: commands of the module types.
    pub const MODULE: Self = Self(1 << 12);
    /// `n`: keys that came into being; not part of `A`.
    pub const NEW: Self = Self(1 << 13);
    /// `o`: values replaced as a whole; not part of `A`.
    pub const OVERWRITTEN: Self = Self(1 << 14);
    /// `c`: values replaced by one of another type; not part of `A`.
    pub const TYPE_CHANGED: Self = Self(1 << 15);
    /// `A`: `g$lshzxetd`.
    pub const ALL: Self = Self(0b1_0111_1111_1100);

    /// The letters in the order in which CONFIG GET shows them; those up to `c` are left out when `A` stands for them.
    const LETTERS: [(u8, Self); 16] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW),
        (b'o', Self::OVERWRITTEN),
        (b'c', Self::TYPE_CHANGED),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// Reads the letters, in any order; `None` when one is no class.
    pub fn parse(text: &[u8]) -> Option<Self> {
        text.iter().try_fold(Self::default(), |flags, letter| {
            let class = match letter {
                b'A' => Self::ALL,
                _ => Self::LETTERS.iter().find(|(l, _)| l == letter)?.1,
            };
            Some(Self(flags.0 | class.0))
        })
    }

    /// The letters as CONFIG GET shows them. As in Redis, `n`, `o` and `c` do not show beside `A`.
    pub fn letters(self) -> String {
        let all = self.contains(Self::ALL);
        let hidden = Self::NEW.0 | Self::OVERWRITTEN.0 | Self::TYPE_CHANGED.0 | Self::ALL.0;
        let letters =
            Self::LETTERS.iter().filter(|(_, class)| self.contains(*class) && !(all && class.0 & hidden != 0));
        all.then_some('A').into_iter().chain(letters.map(|(l, _)| char::from(*l))).collect()
    }

    /// Whether all of `other` is in it.
    #[inline]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether an event of `class` is to be published at all: the class is on, and `K` or `E` is.
    #[inline]
    pub fn wants(self, class: Self) -> bool {
        self.0 & class.0 != 0 && self.0 & (Self::KEYSPACE.0 | Self::KEYEVENT.0) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_print_in_the_order_of_redis() {
        for (given, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("Ag", "A"),
            ("g$lshzxetdmnoc", "Am"),
            ("KEg$lshzxetd", "AKE"),
            ("KEAmn", "AKEm"),
            ("KEAoc", "AKE"),
            ("KEgxmnoc", "gxnocKEm"),
            ("KEt$", "$tKE"),
            ("no", "no"),
            ("cE", "cE"),
            ("K$eglshzx", "g$lshzxeK"),
            ("KKKK", "K"),
        ] {
            assert_eq!(NotifyFlags::parse(given.as_bytes()).map(NotifyFlags::letters).as_deref(), Some(shown));
        }
        for bad in ["q", "K E", "KEAZ", "0", "a"] {
            assert_eq!(NotifyFlags::parse(bad.as_bytes()), None);
        }
    }

    #[test]
    fn classes_are_distinct_and_all_is_their_union() {
        let every = NotifyFlags::LETTERS.iter().fold(0, |bits, (_, class)| {
            assert_eq!(bits & class.0, 0);
            bits | class.0
        });
        assert_eq!(every, 0xffff);
        assert_eq!(NotifyFlags::parse(b"g$lshzxetd"), Some(NotifyFlags::ALL));
    }

    #[test]
    fn nothing_is_published_without_a_way_to_publish() {
        let flags = |text: &[u8]| NotifyFlags::parse(text).unwrap_or_default();
        assert!(flags(b"Ex").wants(NotifyFlags::EXPIRED));
        assert!(!flags(b"A").wants(NotifyFlags::EXPIRED));
        assert!(!flags(b"KEg").wants(NotifyFlags::EXPIRED));
    }
}
