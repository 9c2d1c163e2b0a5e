//! Facts of the process: from the allocator, the kernel, /proc.

use tikv_jemalloc_ctl::{epoch, stats};
use viator_engine::server::ProcessInfo;

/// All of them, as of now.
pub fn process_info() -> ProcessInfo {
    // without a new epoch the figures are old, not wrong
    let _ = epoch::advance();
    let own = rustix::process::getpid();
    let page = rustix::param::page_size() as u64;
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", own.as_raw_nonzero())).unwrap_or_default();
    let rss = statm.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok()).unwrap_or(0) * page;
    let (sys, user) = times("/proc/self/stat");
    let (sys_main, user_main) = times("/proc/thread-self/stat");
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory
        .lines()
        .find_map(|l| l.strip_prefix("MemTotal:"))
        .and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok())
        .unwrap_or(0);
    ProcessInfo {
        rss,
        allocated: stats::allocated::read().unwrap_or(0) as u64,
        active: stats::active::read().unwrap_or(0) as u64,
        resident: stats::resident::read().unwrap_or(0) as u64,
        muzzy: 0,
        total_system_memory: total * 1024,
        cpu: (sys, user),
        cpu_main: (sys_main, user_main),
        executable: std::env::current_exe().map(|p| p.display().to_string()).unwrap_or_default(),
        allocator: version().map_or_else(|| "jemalloc".into(), |v| format!("jemalloc-{v}")),
        os: {
            let u = rustix::system::uname();
            [u.sysname(), u.release(), u.machine()].map(|s| s.to_string_lossy().into_owned()).join(" ")
        },
    }
}

/// The allocator's version: the numbers before the dash.
fn version() -> Option<&'static str> {
    tikv_jemalloc_ctl::version::read().ok()?.split('-').next()
}

/// The allocator's report.
pub fn malloc_stats() -> String {
    let mut text = Vec::new();
    let options = tikv_jemalloc_ctl::stats_print::Options::default();
    match tikv_jemalloc_ctl::stats_print::stats_print(&mut text, options) {
        Ok(()) => String::from_utf8_lossy(&text).into_owned(),
        Err(e) => format!("no statistics: {e}"),
    }
}

/// Seconds of system and user time from a stat file.
fn times(path: &str) -> (f64, f64) {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // the name in parentheses may hold blanks
    let rest = stat.rsplit_once(')').map_or("", |r| r.1);
    let field = |n: usize| rest.split_whitespace().nth(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    let hz = rustix::param::clock_ticks_per_second() as f64;
    (field(12) / hz, field(11) / hz)
}

/// Gives unused pages back to the system.
pub fn purge() {
    // decaying all arenas is not offered safely by the allocator's bindings; a new epoch at least lets threads flush
    let _ = epoch::advance();
}
