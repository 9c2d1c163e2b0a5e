//! The command families: each a list of Command constants beside their handlers.
