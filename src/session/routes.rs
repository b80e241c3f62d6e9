//! Which request goes where.

use crate::wire::http::{Method, Request};

/// A page that the server carries in itself.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// The path in the URL.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

/// What a path leads to; the closed set that metrics count by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `POST /guest-login`
    GuestLogin,
    /// `POST /api/rpc`
    Rpc,
    /// `GET /ws`
    WebSocket,
    /// `GET /echo`, with `--debug-echo`
    Echo,
    /// `GET /health`
    Health,
    /// `GET /ready`
    Ready,
    /// `GET /metrics`
    Metrics,
    /// The demo page and its files.
    Page,
    /// Anything else, and what could not be read as a request.
    Unknown,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 9] = [
        Self::GuestLogin,
        Self::Rpc,
        Self::WebSocket,
        Self::Echo,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::Page,
        Self::Unknown,
    ];

    /// The route of a path. `/echo` leads nowhere unless `debug_echo`.
    pub fn of_path(path: &str, debug_echo: bool, pages: &[Page]) -> Self {
        match path {
            "/guest-login" => Self::GuestLogin,
            "/api/rpc" => Self::Rpc,
            "/ws" => Self::WebSocket,
            "/echo" if debug_echo => Self::Echo,
            "/health" => Self::Health,
            "/ready" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ if pages.iter().any(|page| page.path == path) => Self::Page,
            _ => Self::Unknown,
        }
    }

    /// The label in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::GuestLogin => "guest_login",
            Self::Rpc => "rpc",
            Self::WebSocket => "ws",
            Self::Echo => "echo",
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
            Self::Page => "page",
            Self::Unknown => "unknown",
        }
    }

    /// The methods that the route knows, for the `Allow` header.
    pub fn allow(self) -> &'static str {
        match self {
            Self::GuestLogin | Self::Rpc => "POST, OPTIONS",
            Self::WebSocket | Self::Echo => "GET, OPTIONS",
            Self::Unknown => "OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the route answers this request's method (`OPTIONS` is answered before).
    pub fn takes(self, request: &Request) -> bool {
        match self {
            Self::GuestLogin | Self::Rpc => request.method == Method::Post,
            Self::WebSocket | Self::Echo => request.method == Method::Get,
            Self::Unknown => true,
            _ => matches!(request.method, Method::Get | Method::Head),
        }
    }
}
