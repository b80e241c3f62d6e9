//! The event loops: the only place that touches sockets.
