//! The JSON messages of the protocol, in both directions.
