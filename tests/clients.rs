//! Real client libraries, unmodified, against a running server: redis-py, ioredis and node-redis with the scripts of
//! `clients/`, and what is built on them: BullMQ, redlock, RQ, Celery. (redis-rs is in `redis_rs.rs`.)
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use common::{Launch, peers_dir, skip};

/// A script that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(180);

fn run(program: &Path, args: &[&str]) {
    let server = Launch::viator().start();
    let child = Command::new(program)
        .args(args)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients"))
        .env("VIATOR_PORT", server.port().to_string())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}", program.display()));
    let id = child.id();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = wait.recv_timeout(LIMIT) else {
        let _ = Command::new("kill").args(["-9", &id.to_string()]).status();
        let output = wait.recv().unwrap().unwrap();
        panic!(
            "no end within {LIMIT:?}:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let output = output.unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{} {}: {}\n{text}", program.display(), args.join(" "), output.status);
    println!("{text}");
}

fn node(module: &str, script: &str) {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules").join(module);
    if !installed.exists() {
        return skip(&format!("the npm package {module}"));
    }
    run(&PathBuf::from("node"), &["--test", script]);
}

fn python(package: &str, script: &str) {
    let python = peers_dir().join("venv/bin/python");
    if !python.exists() {
        return skip(package);
    }
    run(&python, &["-B", "-m", "unittest", "-v", script]);
}

#[test]
fn redis_py() {
    python("redis-py", "test_redis_py");
}

#[test]
fn rq() {
    python("RQ", "test_rq");
}

#[test]
fn celery() {
    python("Celery", "test_celery");
}

#[test]
fn bullmq() {
    node("bullmq", "test_bullmq.mjs");
}

#[test]
fn redlock() {
    node("redlock", "test_redlock.mjs");
}

#[test]
fn ioredis() {
    node("ioredis", "test_ioredis.mjs");
}

#[test]
fn node_redis() {
    node("redis", "test_node_redis.mjs");
}
