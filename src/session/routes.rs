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
    /// `POST /register`
    Register,
    /// `POST /login`
    Login,
    /// `POST /refresh`
    Refresh,
    /// `POST /logout`
    Logout,
    /// `GET /account`
    Account,
    /// `POST /account/password`
    Password,
    /// `POST /account/upgrade`
    Upgrade,
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
    pub const ALL: [Self; 16] = [
        Self::GuestLogin,
        Self::Register,
        Self::Login,
        Self::Refresh,
        Self::Logout,
        Self::Account,
        Self::Password,
        Self::Upgrade,
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
            "/register" => Self::Register,
            "/login" => Self::Login,
            "/refresh" => Self::Refresh,
            "/logout" => Self::Logout,
            "/account" => Self::Account,
            "/account/password" => Self::Password,
            "/account/upgrade" => Self::Upgrade,
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
            Self::Register => "register",
            Self::Login => "login",
            Self::Refresh => "refresh",
            Self::Logout => "logout",
            Self::Account => "account",
            Self::Password => "account_password",
            Self::Upgrade => "account_upgrade",
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

    /// Whether it makes or changes something.
    fn is_post(self) -> bool {
        use Route::{GuestLogin, Login, Logout, Password, Refresh, Register, Rpc, Upgrade};
        matches!(self, GuestLogin | Register | Login | Refresh | Logout | Password | Upgrade | Rpc)
    }

    /// The methods that the route knows, for the `Allow` header.
    pub fn allow(self) -> &'static str {
        match self {
            _ if self.is_post() => "POST, OPTIONS",
            Self::WebSocket | Self::Echo => "GET, OPTIONS",
            Self::Unknown => "OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the route answers this request's method (`OPTIONS` is answered before).
    pub fn takes(self, request: &Request) -> bool {
        match self {
            _ if self.is_post() => request.method == Method::Post,
            Self::WebSocket | Self::Echo => request.method == Method::Get,
            Self::Unknown => true,
            _ => matches!(request.method, Method::Get | Method::Head),
        }
    }
}
