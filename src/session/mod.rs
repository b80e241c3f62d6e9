//! One connection's life as bytes in, actions out: no sockets here, no clock.
