//! Keyspace notifications: the events of a command, published when it ends, still under its locks so that subscribers see
//! them in the order of the changes.

use crate::config::NotifyFlags;
use crate::local::Local;
use crate::server::Server;

/// Publishes the recorded events.
#[inline]
pub fn publish_events(server: &Server, local: &mut Local) {
    if !local.events.is_empty() {
        publish_all(server, local);
    }
}

#[cold]
fn publish_all(server: &Server, local: &mut Local) {
    let flags = local.cfg.notify_keyspace_events;
    for e in std::mem::take(&mut local.events) {
        if !flags.wants(e.class) {
            continue;
        }
        if flags.contains(NotifyFlags::KEYSPACE) {
            let channel = [format!("__keyspace@{}__:", e.db).as_bytes(), &e.key].concat();
            server.pubsub.publish(&channel, e.name.as_bytes());
        }
        if flags.contains(NotifyFlags::KEYEVENT) {
            let channel = format!("__keyevent@{}__:{}", e.db, e.name);
            server.pubsub.publish(channel.as_bytes(), &e.key);
        }
    }
}
