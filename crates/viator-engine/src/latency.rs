//! The latency monitor: spikes by event, the last 160 of each, one per second.

use std::collections::BTreeMap;

/// Samples kept per event.
const KEPT: usize = 160;

/// The samples of an event.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Ring of (Unix seconds, milliseconds).
    samples: std::collections::VecDeque<(i64, u32)>,
    /// The highest ever, milliseconds.
    pub max: u32,
    /// Their sum.
    pub sum: u64,
    /// Their number.
    pub count: u64,
}

impl Series {
    /// The samples, oldest first: (Unix seconds, milliseconds).
    pub fn samples(&self) -> impl DoubleEndedIterator<Item = (i64, u32)> + ExactSizeIterator + '_ {
        self.samples.iter().copied()
    }
}

/// All events' samples.
#[derive(Default)]
pub struct LatencyMonitor {
    series: BTreeMap<String, Series>,
}

impl LatencyMonitor {
    /// Records a spike that took at least the threshold.
    pub fn add(&mut self, event: &str, time: i64, ms: u32) {
        let s = self.series.entry(event.to_owned()).or_default();
        s.max = s.max.max(ms);
        s.sum += u64::from(ms);
        s.count += 1;
        // one sample per second: the highest
        if let Some(last) = s.samples.back_mut().filter(|l| l.0 == time) {
            last.1 = last.1.max(ms);
            return;
        }
        if s.samples.len() == KEPT {
            s.samples.pop_front();
        }
        s.samples.push_back((time, ms));
    }

    /// The events with their samples.
    pub fn series(&self) -> &BTreeMap<String, Series> {
        &self.series
    }

    /// Forgets an event, or all. Returns how many were forgotten.
    pub fn reset(&mut self, event: Option<&str>) -> usize {
        match event {
            Some(e) => usize::from(self.series.remove(e).is_some()),
            None => std::mem::take(&mut self.series).len(),
        }
    }
}
