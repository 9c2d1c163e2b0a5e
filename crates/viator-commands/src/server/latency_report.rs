//! The texts of LATENCY DOCTOR and LATENCY GRAPH.

use std::fmt::Write;
use viator_engine::config::Config;
use viator_engine::latency::{LatencyMonitor, Series};

/// Rows of a graph.
const ROWS: u32 = 4;
/// Most samples in a graph; the oldest are left out.
const COLUMNS: usize = 80;
/// What a column's topmost cell shows, by how much of it is filled.
const TOPS: [char; 3] = ['_', 'o', '#'];

/// An event's samples as columns of characters, the newest on the right, with the age of each written below it from top
/// to bottom. `now`: Unix seconds.
pub fn graph(name: &str, series: &Series, now: i64) -> String {
    let skip = series.samples().len().saturating_sub(COLUMNS);
    let samples: Vec<(i64, u32)> = series.samples().skip(skip).collect();
    let high = samples.iter().map(|s| s.1).max().unwrap_or(0);
    let low = samples.iter().map(|s| s.1).min().unwrap_or(0);
    let mut out = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", series.max);
    out.push_str(&"-".repeat(COLUMNS));
    out.push('\n');

    // heights in thirds of a row
    let steps = u64::from(ROWS) * TOPS.len() as u64;
    let heights: Vec<u64> =
        samples.iter().map(|s| u64::from(s.1 - low) * (steps - 1) / u64::from((high - low).max(1))).collect();
    for row in (0..u64::from(ROWS)).rev() {
        let base = row * TOPS.len() as u64;
        for &h in &heights {
            out.push(match h.checked_sub(base) {
                None => ' ',
                Some(rest) => usize::try_from(rest).ok().and_then(|r| TOPS.get(r)).copied().unwrap_or('|'),
            });
        }
        out.push('\n');
    }

    let ages: Vec<Vec<char>> = samples.iter().map(|s| age(now - s.0).chars().collect()).collect();
    for line in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        out.push('\n');
        out.extend(ages.iter().map(|a| a.get(line).copied().unwrap_or(' ')));
    }
    out.push('\n');
    out
}

/// A short form of an age in seconds.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3600 => format!("{}m", s / 60),
        s @ 3600..86400 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86400),
    }
}

/// What the samples tell, and what to do about it.
pub fn doctor(monitor: &LatencyMonitor, cfg: &Config) -> String {
    let threshold = cfg.latency_monitor_threshold;
    if monitor.series().is_empty() && threshold == 0 {
        return "Latency monitoring is off. Switch it on with \
                \"CONFIG SET latency-monitor-threshold <milliseconds>\", and ask again when spikes were observed.\n"
            .into();
    }
    if monitor.series().is_empty() {
        return format!("No latency spike of {threshold} milliseconds or more was observed.\n");
    }
    let mut out = String::from("Latency spikes were observed:\n\n");
    for (n, (name, series)) in monitor.series().iter().enumerate() {
        let s = Summary::of(series);
        // writing into a String cannot fail
        let _ = writeln!(
            out,
            "{}. {name}: {} latency spikes (average {}ms, mean deviation {}ms, period {:.2} sec). Worst all time event \
             {}ms.",
            n + 1,
            s.count,
            s.average,
            s.deviation,
            s.period,
            series.max
        );
    }
    out.push_str("\nAdvice:\n\n");
    let mut advise = |line: &str| {
        out.push_str("- ");
        out.push_str(line);
        out.push('\n');
    };
    let has = |prefix: &str| monitor.series().keys().any(|k| k.starts_with(prefix));
    let slower = cfg.slowlog_log_slower_than;
    if has("command") || has("fast-command") {
        if slower < 0 || slower > threshold.saturating_mul(1000) {
            advise(&format!(
                "The slow log misses some of these commands. Use \"CONFIG SET slowlog-log-slower-than {}\".",
                threshold.saturating_mul(1000)
            ));
        }
        advise("SLOWLOG GET shows which commands were slow.");
        advise(
            "Long commands on one key hold back other commands on keys of the same shard: prefer many small values.",
        );
    }
    if has("fast-command") {
        advise("Commands that are fast by nature were slow: the machine may be short of CPU, or swapping.");
    }
    if has("expire-") || has("eviction-") {
        advise("Freeing large values takes time: set lazyfree-lazy-expire and lazyfree-lazy-eviction to yes.");
    }
    if has("aof-") {
        advise("The disk is slow: give the append only file a faster one, or a more relaxed appendfsync.");
    }
    out
}

/// Statistics of an event's samples.
struct Summary {
    count: usize,
    average: u64,
    deviation: u64,
    period: f64,
}

impl Summary {
    fn of(series: &Series) -> Summary {
        let count = series.samples().len();
        let n = count.max(1) as u64;
        let average = series.samples().map(|s| u64::from(s.1)).sum::<u64>() / n;
        let deviation = series.samples().map(|s| u64::from(s.1).abs_diff(average)).sum::<u64>() / n;
        let first = series.samples().next().map_or(0, |s| s.0);
        let last = series.samples().next_back().map_or(0, |s| s.0);
        Summary { count, average, deviation, period: (last - first) as f64 / n as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(samples: &[(i64, u32)]) -> LatencyMonitor {
        let mut m = LatencyMonitor::default();
        for &(t, ms) in samples {
            m.add("command", t, ms);
        }
        m
    }

    #[test]
    fn graph_scales_between_low_and_high() {
        let m = monitor(&[(100, 120), (102, 310), (103, 2)]);
        let g = graph("command", &m.series()["command"], 104);
        let lines: Vec<&str> = g.lines().collect();
        assert_eq!(lines[0], "command - high 310 ms, low 2 ms (all time high 310 ms)");
        assert_eq!(lines[1].len(), 80);
        assert_eq!(&lines[2..6], [" # ", " | ", "o| ", "||_"]);
        assert_eq!(&lines[7..9], ["421", "sss"]);
    }

    #[test]
    fn graph_of_equal_samples_is_flat() {
        let m = monitor(&[(1, 7), (2, 7)]);
        let g = graph("command", &m.series()["command"], 100_000);
        assert!(g.contains("\n__\n"), "{g}");
    }

    #[test]
    fn doctor_names_the_event() {
        let d = doctor(&monitor(&[(10, 100), (12, 200)]), &Config::default());
        assert!(
            d.contains("1. command: 2 latency spikes (average 150ms, mean deviation 50ms, period 1.00 sec)"),
            "{d}"
        );
        assert!(doctor(&LatencyMonitor::default(), &Config::default()).contains("off"));
    }
}
