//! What players say and what comes back: inputs that can be recognised ([`traffic`]), and a fast reader of the server's messages
//! ([`scan`]). It knows no sockets and no clock.

mod json;
pub(crate) mod scan;
pub(crate) mod traffic;
