//! One file for each family of commands: a function that makes a random step.
//!
//! A new family is a file with `pub const FAMILY: Family` and a line below.

use crate::random;

macro_rules! families {
    ($($name:ident)*) => {
        $(
            mod $name;
            #[test]
            fn $name() { random::run(&$name::FAMILY); }
        )*

        /// All of them.
        pub const ALL: &[&random::Family] = &[$(&$name::FAMILY),*];
    };
}

families! { bitmap generic geo hash hyperloglog list pubsub set stream string transactions zset }
