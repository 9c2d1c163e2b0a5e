//! Listeners, connections, event loops, timers, shutdown.
