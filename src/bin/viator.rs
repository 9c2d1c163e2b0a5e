//! The server.

use std::process::ExitCode;
use viator_engine::config::Config;

#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let mut cfg = Config::default();
    let args: Vec<String> = std::env::args().collect();
    for w in args.windows(2) {
        if let [a, b] = w {
            match a.as_str() {
                "--port" => cfg.port = b.parse().unwrap_or(6379),
                "--io-threads" => cfg.io_threads = b.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
    viator_server::serve(cfg, String::new())
}
