//! Bitmaps: strings seen as bits.

mod bit;
mod field;
mod op;

use viator_engine::args::int;
use viator_engine::command::Command;
use viator_engine::config::Config;
use viator_engine::error::Error;

/// The family.
pub static COMMANDS: &[&Command] =
    &[&bit::GETBIT, &bit::SETBIT, &bit::BITCOUNT, &bit::BITPOS, &field::BITFIELD, &field::BITFIELD_RO, &op::BITOP];

const BAD_OFFSET: Error = Error::Static("ERR bit offset is not an integer or out of range");

/// A bit's offset: its byte is within `proto-max-bulk-len`.
fn bit_offset(arg: &[u8], cfg: &Config) -> Result<u64, Error> {
    checked_offset(int(arg).ok(), cfg)
}

fn checked_offset(offset: Option<i64>, cfg: &Config) -> Result<u64, Error> {
    let offset = offset.and_then(|n| u64::try_from(n).ok());
    offset.filter(|n| n / 8 < crate::string::max_len(cfg)).ok_or(BAD_OFFSET)
}
