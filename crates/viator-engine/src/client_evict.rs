//! `maxmemory-clients`: closing the clients that need the most memory when all together need too much.

use crate::client::{ClientShared, flag};
use crate::client_list::ClientType;
use crate::config::Config;
use crate::server::Server;
use std::cmp::Reverse;
use std::sync::Arc;

/// The least limit that is in force, bytes: below it no client could talk to the server to correct it.
const LEAST: u64 = 128 * 1024;

/// The limit in bytes: `maxmemory-clients`, or its percentage of `maxmemory`. `None`: there is no limit.
pub fn limit(cfg: &Config) -> Option<u64> {
    let bytes = match cfg.maxmemory_clients {
        0 => return None,
        n if n > 0 => n.unsigned_abs(),
        _ if cfg.maxmemory == 0 => return None,
        percent => {
            u64::try_from(u128::from(cfg.maxmemory) * u128::from(percent.unsigned_abs()) / 100).unwrap_or(u64::MAX)
        }
    };
    Some(bytes.max(LEAST))
}

/// Closes clients until all together need less than the limit: those of the highest power of two of memory first, in it
/// the largest first. Clients with CLIENT NO-EVICT and replicas stay, but the former count. Returns how many were closed.
pub fn evict_clients(server: &Server, cfg: &Config) -> usize {
    let Some(limit) = limit(cfg) else { return 0 };
    let clients: Vec<(u64, Arc<ClientShared>)> = server
        .clients
        .all()
        .into_iter()
        .filter(|c| matches!(ClientType::of(c), ClientType::Normal | ClientType::Pubsub))
        .map(|c| (c.memory(), c))
        .collect();
    let sizes: Vec<(u64, bool)> = clients.iter().map(|(m, c)| (*m, !c.has_flag(flag::NO_EVICT))).collect();
    let chosen = choose(&sizes, limit);
    for (memory, c) in chosen.iter().filter_map(|&i| clients.get(i)) {
        tracing::info!("Evicting client: id={} addr={} tot-mem={memory}", c.id, c.addr);
        server.clients.remove(c.id);
        server.totals.evicted_clients.add_shared(1);
        c.close();
    }
    chosen.len()
}

/// Which of the clients, given as memory and whether they may be closed, have to go.
fn choose(clients: &[(u64, bool)], limit: u64) -> Vec<usize> {
    let mut total = clients.iter().fold(0u64, |sum, c| sum.saturating_add(c.0));
    if total < limit {
        return Vec::new();
    }
    let mut order: Vec<(u64, usize)> = clients.iter().enumerate().filter(|(_, c)| c.1).map(|(i, c)| (c.0, i)).collect();
    order.sort_by_key(|&(memory, i)| (Reverse(memory), i));
    let mut gone = Vec::new();
    for (memory, i) in order {
        if total < limit {
            break;
        }
        total -= memory;
        gone.push(i);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_limit_is_bytes_or_a_percentage() {
        let cfg = |clients, maxmemory| Config { maxmemory_clients: clients, maxmemory, ..Config::default() };
        assert_eq!(limit(&cfg(0, 1 << 30)), None);
        assert_eq!(limit(&cfg(10 << 20, 0)), Some(10 << 20));
        assert_eq!(limit(&cfg(1, 0)), Some(LEAST));
        assert_eq!(limit(&cfg(-10, 0)), None);
        assert_eq!(limit(&cfg(-10, 100 << 20)), Some(10 << 20));
    }

    proptest! {
        #[test]
        fn the_largest_go_and_no_more_than_needed(
            clients in prop::collection::vec((0u64..1000, any::<bool>()), 0..20), limit in 1u64..10_000
        ) {
            let gone = choose(&clients, limit);
            let total: u64 = clients.iter().map(|c| c.0).sum();
            let left = total - gone.iter().map(|&i| clients[i].0).sum::<u64>();
            // each that goes is needed, and if it is still too much nobody is left who may go
            if let Some(&last) = gone.last() {
                prop_assert!(left + clients[last].0 >= limit);
            }
            let evictable = clients.iter().filter(|c| c.1).count();
            prop_assert!(left < limit || gone.len() == evictable);
            // nobody stays who is larger than one that goes
            for &g in &gone {
                prop_assert!(clients[g].1);
                for (i, c) in clients.iter().enumerate() {
                    prop_assert!(!c.1 || gone.contains(&i) || c.0 <= clients[g].0);
                }
            }
        }
    }
}
