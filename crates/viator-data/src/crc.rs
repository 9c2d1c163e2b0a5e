//! Checksums: CRC-16 of cluster slots, CRC-64 of RDB files and DUMP payloads.

use crate::glob;

/// Hash slots of a cluster.
pub const SLOTS: u16 = 16384;

/// CRC-16/XMODEM: polynomial 0x1021, start 0.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const CRC16: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = (i as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// CRC-64/Jones, reflected; table `n` is for a byte with `n` bytes after it.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
static CRC64: [[u64; 256]; 8] = {
    // 0xad93d23594c935a9, bits reversed.
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    let mut tables = [[0u64; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 != 0 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut i = 0;
        while i < 256 {
            let crc = tables[n - 1][i];
            tables[n][i] = (crc >> 8) ^ tables[0][(crc & 0xff) as usize];
            i += 1;
        }
        n += 1;
    }
    tables
};

/// CRC-16/XMODEM of `bytes`, as the cluster specification has it.
#[expect(clippy::indexing_slicing, reason = "a u8 indexes a table of 256")]
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, b| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ b)])
}

/// The part of a key that decides its slot: what is between the first `{` and the first `}` after it, unless that is
/// nothing; else the key.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        rest.get(..rest.iter().position(|b| *b == b'}')?)
    });
    tag.filter(|t| !t.is_empty()).unwrap_or(key)
}

/// The hash slot of a key, below [`SLOTS`].
pub fn key_slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS
}

/// The one slot that holds every key that a [`glob`] pattern can match, if the pattern alone tells.
pub fn pattern_slot(pattern: &[u8]) -> Option<u16> {
    let literal = glob::literal_prefix(pattern);
    // A tag that is complete in the literal part is the tag of every match.
    (literal.len() == pattern.len() || hash_tag(literal).len() < literal.len()).then(|| key_slot(literal))
}

/// Continues the CRC-64 `crc` (0 to begin with) with `bytes`.
#[expect(clippy::indexing_slicing, reason = "a u8 indexes tables of 256, of which there are 8")]
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let crc = words.iter().fold(crc, |crc, word| {
        let [a, b, c, d, e, f, g, h] = (crc ^ u64::from_le_bytes(*word)).to_le_bytes().map(usize::from);
        CRC64[7][a] ^ CRC64[6][b] ^ CRC64[5][c] ^ CRC64[4][d] ^ CRC64[3][e] ^ CRC64[2][f] ^ CRC64[1][g] ^ CRC64[0][h]
    });
    rest.iter().fold(crc, |crc, b| (crc >> 8) ^ CRC64[0][usize::from(crc as u8 ^ b)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_answers() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn slots() {
        assert_eq!(key_slot(b"foo"), 12182);
        assert_eq!(key_slot(b"bar"), 5061);
        assert_eq!(key_slot(b""), 0);
        assert_eq!(key_slot(b"{user1000}.following"), key_slot(b"user1000"));
        assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
        assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
        assert_eq!(hash_tag(b"foo{bar"), b"foo{bar");
        assert_eq!(hash_tag(b"}foo{bar}"), b"bar");
    }

    #[test]
    fn slots_of_patterns() {
        assert_eq!(pattern_slot(b"foo"), Some(12182));
        assert_eq!(pattern_slot(b"{foo}*"), Some(12182));
        assert_eq!(pattern_slot(b"a{foo}[xy]"), Some(12182));
        assert_eq!(pattern_slot(b"{f*o}"), None);
        assert_eq!(pattern_slot(b"{}foo*"), None);
        assert_eq!(pattern_slot(b"{}a{foo}*"), None);
        assert_eq!(pattern_slot(b"*{foo}"), None);
        assert_eq!(pattern_slot(b"*"), None);
    }

    proptest! {
        #[test]
        fn in_pieces(a: Vec<u8>, b: Vec<u8>) {
            let whole = [a.clone(), b.clone()].concat();
            prop_assert_eq!(crc64(crc64(0, &a), &b), crc64(0, &whole));
            let bitwise = whole.iter().fold(0u64, |crc, byte| (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xad93_d235_94c9_35a9u64.reverse_bits() } else { crc >> 1 }
            }));
            prop_assert_eq!(crc64(0, &whole), bitwise);
        }

        #[test]
        fn patterns_and_keys_agree(pattern in "[a{}]{0,6}[*]?", tail in "[a{}]{0,4}") {
            if let Some(slot) = pattern_slot(pattern.as_bytes()) {
                prop_assert_eq!(key_slot(pattern.replace('*', &tail).as_bytes()), slot);
            }
        }
    }
}
