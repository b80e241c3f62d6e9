//! HTTP/1.1 requests and responses (RFC 9112).
