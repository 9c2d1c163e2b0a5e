//! Statistics by command: the sections Commandstats, Errorstats and Latencystats, and LATENCY HISTOGRAM.

use super::{Lines, Source};
use crate::server::Server;
use crate::stats::{BUCKETS, bucket_top};
use crate::table::Entry;
use viator_data::num::format_f64;

/// A command's calls, over all threads.
#[derive(Default)]
struct Calls {
    calls: u64,
    ns: u64,
    rejected: u64,
    failed: u64,
}

pub(super) fn commandstats(source: &Source<'_>, out: &mut Lines) {
    out.section("Commandstats");
    let threads = source.server.threads();
    for entry in source.server.table.entries() {
        let mut c = Calls::default();
        for s in threads.iter().filter_map(|t| t.commands.get(entry.id)) {
            c.calls += s.calls.get();
            c.ns += s.ns.get();
            c.rejected += s.rejected.get();
            c.failed += s.failed.get();
        }
        if c.calls + c.rejected + c.failed == 0 {
            continue;
        }
        let usec = c.ns / 1000;
        let per_call = if c.calls == 0 { 0.0 } else { usec as f64 / c.calls as f64 };
        out.line(
            &format!("cmdstat_{}", entry.name),
            format_args!(
                "calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                c.calls, c.rejected, c.failed
            ),
        );
    }
}

pub(super) fn errorstats(source: &Source<'_>, out: &mut Lines) {
    out.section("Errorstats");
    for (code, n) in source.server.error_stats.lock().iter() {
        out.line(&format!("errorstat_{code}"), format_args!("count={n}"));
    }
}

pub(super) fn latencystats(source: &Source<'_>, out: &mut Lines) {
    out.section("Latencystats");
    if !source.cfg.latency_tracking {
        return;
    }
    for h in histograms(source.server) {
        let mut shown = String::new();
        for p in &source.cfg.latency_tracking_info_percentiles {
            let mut text = Vec::new();
            format_f64(*p, &mut text);
            let comma = if shown.is_empty() { "" } else { "," };
            shown += &format!("{comma}p{}={:.3}", String::from_utf8_lossy(&text), h.percentile(*p) as f64 / 1000.0);
        }
        out.line(&format!("latency_percentiles_usec_{}", h.entry.name), shown);
    }
}

/// The durations of a command's calls.
pub struct Histogram<'s> {
    /// The command.
    pub entry: &'s Entry,
    buckets: Box<[u64; BUCKETS]>,
}

/// The histograms of all commands that were called since the last CONFIG RESETSTAT, in table order.
pub fn histograms(server: &Server) -> Vec<Histogram<'_>> {
    let threads = server.threads();
    let mut all = Vec::new();
    for entry in server.table.entries() {
        let mut buckets = Box::new([0; BUCKETS]);
        for s in threads.iter().filter_map(|t| t.commands.get(entry.id)) {
            s.add_histogram(&mut buckets);
        }
        if buckets.iter().any(|n| *n > 0) {
            all.push(Histogram { entry, buckets });
        }
    }
    all
}

impl Histogram<'_> {
    /// Number of calls.
    pub fn total(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The duration, in nanoseconds, that `p` percent of the calls did not exceed.
    fn percentile(&self, p: f64) -> u64 {
        let due = ((p / 100.0 * self.total() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (b, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= due {
                return bucket_top(b);
            }
        }
        bucket_top(BUCKETS - 1)
    }

    /// (microseconds, calls that took no longer), for durations that double from 1 µs on; steps at which no call is
    /// added are left out.
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut out = Vec::new();
        let (mut seen, mut shown) = (0, 0);
        let mut step = |exponent: u32, seen: u64| {
            if seen > shown {
                shown = seen;
                // the bounds that clients know from Redis, whose histogram has 128 steps per doubling
                out.push((((1u64 << exponent) + (1 << (exponent - 7)) - 1) / 1000, seen));
            }
        };
        let mut buckets = self.buckets.iter();
        // the first bucket holds what took up to a microsecond
        seen += buckets.next().copied().unwrap_or(0);
        step(10, seen);
        seen += buckets.by_ref().take(7).sum::<u64>();
        step(11, seen);
        let rest: Vec<u64> = buckets.copied().collect();
        for (octave, counts) in rest.chunks(8).enumerate() {
            seen += counts.iter().sum::<u64>();
            step(12 + octave as u32, seen);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::stats::CommandStat;
    use crate::table::Table;

    static PING: Command = Command { name: "ping", ..Command::BASE };

    fn histogram<'t>(table: &'t Table, times_us: &[u64]) -> Histogram<'t> {
        let stat = CommandStat::default();
        for t in times_us {
            stat.record(t * 1000);
        }
        let mut buckets = Box::new([0; BUCKETS]);
        stat.add_histogram(&mut buckets);
        Histogram { entry: &table.entries()[0], buckets }
    }

    #[test]
    fn steps_double_and_add_up() {
        let table = Table::new([&PING].into_iter(), &[]).unwrap();
        let h = histogram(&table, &[0, 1, 3, 100, 100, 3000]);
        assert_eq!(h.cumulative(), [(1, 2), (4, 3), (132, 5), (4227, 6)]);
        assert_eq!(h.total(), 6);
    }

    #[test]
    fn percentiles_bound_the_calls() {
        let table = Table::new([&PING].into_iter(), &[]).unwrap();
        let h = histogram(&table, &(1..=1000).collect::<Vec<_>>());
        for (p, us) in [(0.0, 1.0), (50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let got = h.percentile(p) as f64 / 1000.0;
            assert!(got >= us && got <= us * 1.16, "p{p}: {got}");
        }
    }
}
