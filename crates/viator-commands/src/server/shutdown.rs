//! SHUTDOWN.

use viator_engine::args;
use viator_engine::command::Outcome;
use viator_engine::command::{ArgSpec, Command, Flags, Group, Handler};
use viator_engine::ctx::AdminCtx;
use viator_engine::error::Error;
use viator_engine::server::ShutdownRequest;
use viator_engine::session::Blocked;

/// SHUTDOWN.
pub static SHUTDOWN: Command = Command {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .or(Flags::NOSCRIPT)
        .or(Flags::LOADING)
        .or(Flags::STALE)
        .or(Flags::ALLOW_BUSY)
        .or(Flags::NO_MULTI),
    group: Group::Server,
    since: "1.0.0",
    summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise \
        O(1)",
    history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
    args: &[
        ArgSpec::oneof("save-selector", &[ArgSpec::token("nosave", "NOSAVE"), ArgSpec::token("save", "SAVE")]).opt(),
        ArgSpec::token("now", "NOW").since("7.0.0").opt(),
        ArgSpec::token("force", "FORCE").since("7.0.0").opt(),
        ArgSpec::token("abort", "ABORT").since("7.0.0").opt(),
    ],
    examples: &["SHUTDOWN NOW LATER", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN ABORT"],
    handler: Handler::Admin(shutdown),
    ..Command::BASE
};

fn shutdown(ctx: &mut AdminCtx<'_, '_>) -> Outcome {
    let mut request = ShutdownRequest { save: None, now: false, force: false, client: Some(ctx.session.id()) };
    let mut abort = false;
    for a in ctx.args.from(1).iter() {
        if args::is(a, "nosave") && request.save != Some(true) {
            request.save = Some(false);
        } else if args::is(a, "save") && request.save != Some(false) {
            request.save = Some(true);
        } else if args::is(a, "now") {
            request.now = true;
        } else if args::is(a, "force") {
            request.force = true;
        } else if args::is(a, "abort") {
            abort = true;
        } else {
            return Err(Error::Syntax);
        }
    }
    if abort {
        if ctx.args.len() > 2 {
            return Err(Error::Syntax);
        }
        if !ctx.server.host.abort_shutdown() {
            return Err(Error::Static("ERR No shutdown in progress."));
        }
        ctx.out.ok();
        return Ok(());
    }
    if ctx.server.is_busy() && request.save != Some(false) {
        return Err(ctx.server.scripting.running.busy_error());
    }
    ctx.session.block(ctx.server, Blocked::Shutdown);
    ctx.server.host.shutdown(request);
    // who waits for its locks in order to save knows by now that nothing is to be saved
    if ctx.server.is_busy() {
        ctx.server.scripting.running.kill_all();
    }
    Ok(())
}
