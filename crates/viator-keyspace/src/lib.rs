//! Values, entries, slot tables, shards, lock footprints, expiry, eviction and memory accounting.
