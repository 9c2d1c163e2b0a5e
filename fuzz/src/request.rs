//! The parser of requests: however the bytes are cut, the same commands come out and the same error ends them, and it
//! holds no more memory than its input accounts for.

use crate::bytes::Bytes;
use viator_resp::request::{Limits, Parsed, Parser, ProtocolError};

type Commands = (Vec<Vec<Vec<u8>>>, Option<ProtocolError>);

/// Runs an input: its first bytes choose limits and cuts, the rest is what a client sends.
pub fn run(data: &[u8]) {
    let mut choices = Bytes(data);
    let max_bulk = choices.pick(&[1 << 29, 1 << 29, 0, 5, i64::MAX as u64]);
    let limits = Limits { max_bulk, authenticated: !choices.chance(40) };
    let cuts: Vec<usize> = choices.take(8).iter().map(|c| usize::from(*c) + 1).collect();
    let wire = choices.0;
    let whole = parse(wire, limits, &[wire.len().max(1)]);
    assert_eq!(parse(wire, limits, &[1]), whole, "one byte at a time");
    if !cuts.is_empty() {
        assert_eq!(parse(wire, limits, &cuts), whole, "cut at {cuts:?}");
    }
}

/// What a connection makes of the bytes when they come in pieces of these lengths, over and over.
fn parse(wire: &[u8], limits: Limits, cuts: &[usize]) -> Commands {
    let mut parser = Parser::new(|line| viator_data::args::split_args(line).ok());
    let mut commands = Vec::new();
    let (mut start, mut end, mut cuts) = (0, 0, cuts.iter().cycle());
    loop {
        let input = &wire[start..end];
        match parser.parse(input, limits) {
            Ok(Parsed::Command(n)) => {
                assert!(n > 0 && n <= input.len(), "{n} of {}", input.len());
                let args = parser.args(input);
                assert!(args.len() > 0);
                commands.push(args.iter().map(<[u8]>::to_vec).collect());
                assert!(!parser.in_command());
                start += n;
            }
            Ok(Parsed::Nothing(n)) => {
                assert!(n > 0 && n <= input.len(), "{n} of {}", input.len());
                start += n;
            }
            Ok(Parsed::Incomplete) => {
                parser.shrink();
                // an argument takes six bytes of input at least and eight of memory, in a list that grows by doubling
                assert!(parser.memory() <= 8192 + 4 * input.len(), "{} for {}", parser.memory(), input.len());
                if end == wire.len() {
                    return (commands, None);
                }
                end = (end + cuts.next().map_or(1, |c| *c)).min(wire.len());
            }
            Err(e) => return (commands, Some(e)),
        }
    }
}
