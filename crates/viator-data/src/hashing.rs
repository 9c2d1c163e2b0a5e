//! The hash function of the collection tables, keyed once per process.
//!
//! Without a secret key a client could choose members that all fall into one bucket. The key comes from outside
//! (this crate has no random source), once, before the first table is built; without one a fixed key serves, which
//! makes tests repeatable.

use ahash::RandomState;
use core::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

static STATE: OnceLock<RandomState> = OnceLock::new();

/// Keys the hash function. Only the first call counts, and it must come before the first hash: returns whether it did.
pub fn init_seed(seed: [u64; 4]) -> bool {
    let [a, b, c, d] = seed;
    STATE.set(RandomState::with_seeds(a, b, c, d)).is_ok()
}

/// The keyed hash function, for tables of other kinds.
#[inline]
pub(crate) fn state() -> &'static RandomState {
    STATE.get_or_init(|| RandomState::with_seeds(0x5bd1_e995, 0x1b87_3593, 0xcc9e_2d51, 0x9747_b28c))
}

/// The keyed hash of some bytes.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = state().build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// The next number of a SplitMix64 sequence: spreads one random number over several choices.
#[inline]
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// `r` scaled to `0..n` (0 when `n` is 0).
#[inline]
pub fn below(r: u64, n: usize) -> usize {
    ((u128::from(r) * n as u128) >> 64) as usize
}

/// A sequence of random numbers from one: SplitMix64.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence that begins with a random number.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        let n = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        n
    }
}
