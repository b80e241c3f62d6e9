//! The commands, one file a type.
