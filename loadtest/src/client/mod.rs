//! A client of the server: HTTP calls, and the client's side of RFC 6455. None of it is shared with the server, so that it can find
//! the server's mistakes. It knows nothing of rooms, events and measuring.

pub(crate) mod codec;
pub(crate) mod connection;
pub(crate) mod handshake;
pub(crate) mod http;
mod inflate;
pub(crate) mod stream;
pub(crate) mod tls;
