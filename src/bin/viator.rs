//! The server: reads its configuration and runs.

use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use viator_engine::config::{DiskFiles, LoadError, StartMode, load, start_mode};

#[global_allocator]
static ALLOC: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const USAGE: &str = "\
Usage: viator [/path/to/redis.conf] [options] [-]
       viator - (read config from stdin)
       viator -v or --version
       viator -h or --help

Examples:
       viator (run the server with default conf)
       echo 'maxmemory 128mb' | viator -
       viator /etc/redis/6379.conf
       viator --port 7777
       viator --port 7777 --io-threads 2
       viator /etc/myredis.conf --loglevel verbose -

Options are the directives of redis.conf with `--` before their names.";

fn main() -> ExitCode {
    let args: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    match start_mode(&args) {
        StartMode::Server => {}
        StartMode::Version => {
            println!("{}", viator_server::version_line());
            return ExitCode::SUCCESS;
        }
        StartMode::Help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        mode => {
            eprintln!("viator: {mode:?} is not available");
            return ExitCode::FAILURE;
        }
    }
    // standard input is read once, since a process that goes into the background hands it on
    let mut input = Vec::new();
    if args.iter().any(|a| a == b"-")
        && let Err(e) = std::io::stdin().lock().read_to_end(&mut input)
    {
        eprintln!("Fatal error, can't open config file '-': {e}");
        return ExitCode::FAILURE;
    }
    match load(&args, &DiskFiles, &mut input.as_slice()) {
        Ok(loaded) => viator_server::serve(loaded, &input),
        Err(e @ LoadError::Unreadable { .. }) => {
            println!("{e}");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprint!("{e}");
            ExitCode::FAILURE
        }
    }
}
