//! SAVE and BGSAVE; DEBUG RELOAD.

use std::sync::atomic::Ordering::Relaxed;
use viator_engine::args;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler, Outcome};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::persistence::{self, Duplicates, load_file, save_held};
use viator_engine::scripting;

/// BGSAVE.
pub static BGSAVE: Command = Command {
    name: "bgsave",
    arity: -1,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING),
    group: Group::Server,
    since: "1.0.0",
    summary: "Asynchronously saves the database(s) to disk.",
    complexity: "O(1)",
    history: &[("3.2.2", "Added the `SCHEDULE` option.")],
    args: &[ArgSpec::token("schedule", "SCHEDULE").since("3.2.2").opt()],
    examples: &["BGSAVE LATER", "BGSAVE SCHEDULE extra"],
    handler: Handler::Admin(bgsave),
    ..Command::BASE
};

fn bgsave(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let schedule = match ctx.args.len() {
        1 => false,
        2 if args::is(ctx.args.at(1), "schedule") => true,
        _ => return Err(Error::Syntax),
    };
    let p = &ctx.server.persistence;
    let taken = ctx.server.snapshot.lock().is_some();
    let running = p.running.lock().as_ref().map(|r| r.background);
    let busy = running.map_or(taken, |background| !background);
    // a transaction holds the locks that a snapshot needs to begin
    if (schedule && busy) || ctx.in_exec() {
        p.scheduled.store(true, Relaxed);
        ctx.out.simple("Background saving scheduled");
        return Ok(());
    }
    persistence::bgsave(ctx.server, ctx.local.clock.now_ms())?;
    ctx.out.simple("Background saving started");
    Ok(())
}

/// SAVE.
pub static SAVE: Command = Command {
    name: "save",
    arity: 1,
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::NO_MULTI),
    group: Group::Server,
    since: "1.0.0",
    summary: "Synchronously saves the database(s) to disk.",
    complexity: "O(N) where N is the total number of keys in all databases",
    examples: &["SAVE now"],
    handler: Handler::Admin(save),
    ..Command::BASE
};

fn save(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    persistence::save(ctx.server, ctx.local.clock.now_ms())?;
    ctx.out.ok();
    Ok(())
}

const RELOAD_FAILED: Error = Error::Static("ERR Error trying to load the RDB dump, check server logs.");

/// DEBUG RELOAD: saves, empties and loads the dataset, or some of that, at one moment for everybody else.
pub fn reload(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let (mut save, mut flush, mut duplicates) = (true, true, Duplicates::Refused);
    for option in ctx.args.from(2).iter() {
        if args::is(option, "merge") {
            duplicates = Duplicates::Replace;
        } else if args::is(option, "noflush") {
            flush = false;
        } else if args::is(option, "nosave") {
            save = false;
        } else {
            return Err(Error::Static("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."));
        }
    }
    let now = ctx.local.clock.now_ms();
    let server = ctx.server;
    ctx.with_keys_mut(0, |keys| {
        if save {
            save_held(server, keys.guards(), now).map_err(|_| Error::Static("ERR "))?;
        }
        if flush {
            for db in 0..server.keyspace.databases() {
                keys.flush(db, false);
            }
        }
        let path = keys.cfg().dbfilename.clone();
        load_file(server, Some(keys.guards()), &path, duplicates, now).map_err(|e| {
            tracing::warn!("{e}");
            RELOAD_FAILED
        })
    })?;
    let libraries = std::mem::take(&mut *server.persistence.functions.lock());
    if flush {
        scripting::flush_libraries(ctx);
    }
    for code in libraries {
        scripting::load_library(ctx, &code, duplicates == Duplicates::Replace).map_err(|e| {
            tracing::warn!("Failed loading library, {e}");
            RELOAD_FAILED
        })?;
    }
    tracing::warn!("DB reloaded by DEBUG RELOAD");
    ctx.out.ok();
    Ok(())
}
