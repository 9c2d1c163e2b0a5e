//! Bitmaps: strings seen as bits.

mod bit;
mod field;
mod op;

use viator_engine::command::Command;

/// The family.
pub static COMMANDS: &[&Command] =
    &[&bit::GETBIT, &bit::SETBIT, &bit::BITCOUNT, &bit::BITPOS, &field::BITFIELD, &field::BITFIELD_RO, &op::BITOP];
