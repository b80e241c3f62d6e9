//! Settings: raw flags become a validated type; every limit and queue size, with its default.
