//! Keys, values and expiry.
