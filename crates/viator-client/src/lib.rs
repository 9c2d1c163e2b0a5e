//! A small blocking RESP client, used by the tools and the tests.
