//! Which request goes where: the table of routes.
//!
//! To add one, add a line to the table, and say in `http/requests.rs` what answers it; the compiler asks for that. Describe it in
//! `sdk/PROTOCOL.md`: a test looks for its method and path there. Metrics take their labels from here.

use super::documents;
use crate::wire::http::{Method, Request};

/// Bytes of a body that are kept for a client whose token has not been looked at: names, passwords and tokens take less.
pub const STRANGERS_BODY: usize = 16 * 1024;
/// What the paths of single identities begin with.
pub(super) const IDENTITIES_PREFIX: &str = "/account/identities/";
/// Longest text of a join's options, in bytes.
pub const MAX_OPTIONS_BYTES: usize = 1024;

/// The methods of a route. `OPTIONS` is answered everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Methods {
    /// `POST`: it makes or changes something.
    Post,
    /// `GET` and `HEAD`.
    Read,
    /// `GET`, `HEAD` and `POST`: a list, and one more for it.
    List,
    /// `DELETE`: what the path names ends.
    Delete,
    /// `GET`, `HEAD`, `PUT` and `DELETE`: what is there is read, replaced or removed.
    Resource,
    /// `GET`, `HEAD`, `PATCH` and `DELETE`: the caller's own, which it may read, change and end.
    Own,
    /// `GET` alone, to upgrade from.
    Upgrade,
    /// Whatever is asked, the answer is the same.
    Any,
}

/// How a route learns who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Anybody may ask; a token is not looked at.
    None,
    /// `Authorization: Bearer TOKEN`.
    Header,
    /// In one of the ways that browsers have at an upgrade.
    Upgrade,
}

macro_rules! routes {
    ($($(#[$doc:meta])+ $route:ident $path:literal $methods:ident $token:ident;)+) => {
        /// What a path leads to; the closed set that metrics count by.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Route { $($(#[$doc])+ $route),+ }

        impl Route {
            /// Every route, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$route),+];

            /// The path, which is the label in metrics as well.
            pub fn path(self) -> &'static str {
                match self { $(Self::$route => $path),+ }
            }

            /// The methods that it answers.
            pub fn methods(self) -> Methods {
                match self { $(Self::$route => Methods::$methods),+ }
            }

            /// Where it takes a token from.
            pub fn token(self) -> TokenSource {
                match self { $(Self::$route => TokenSource::$token),+ }
            }

            fn named(path: &str) -> Option<Self> {
                match path { $($path => Some(Self::$route),)+ _ => None }
            }
        }
    };
}

routes! {
    /// Makes a guest.
    GuestLogin "/guest-login" Post None;
    /// Makes an account.
    Register "/register" Post None;
    /// Begins a session of an account.
    Login "/login" Post None;
    /// Gives a new pair of tokens.
    Refresh "/refresh" Post None;
    /// Ends a session.
    Logout "/logout" Post Header;
    /// Whose token it is; changes or deletes the account.
    Account "/account" Own Header;
    /// Changes a password.
    Password "/account/password" Post Header;
    /// Sets another password by a code.
    Reset "/account/reset" Post None;
    /// Makes a guest an account.
    Upgrade "/account/upgrade" Post Header;
    /// Begins a session of the account of another issuer's user.
    ExternalLogin "/external-login" Post None;
    /// Begins a session of a device's account.
    DeviceLogin "/device-login" Post None;
    /// An account's other ways to log in.
    Identities "/account/identities" List Header;
    /// One of these.
    Identity "/account/identities/ISSUER/SUBJECT" Delete Header;
    /// The caller's documents.
    OwnData "/account/data" Read Header;
    /// A collection's documents, for managers.
    Documents "/api/data/COLLECTION" Read Header;
    /// A document, for managers.
    Document "/api/data/COLLECTION/KEY" Resource Header;
    /// An account of a ledger, for managers.
    Ledger "/api/ledger/COLLECTION/KEY" List Header;
    /// A document of the caller's.
    ReadDocument "/data/COLLECTION/KEY" Read Header;
    /// Makes such a code for somebody, for managers.
    UserReset "/api/users/ID/reset" Post Header;
    /// Runs a script.
    Rpc "/api/rpc" Post Header;
    /// Which rooms take most of the store, for managers.
    LargestRooms "/rooms/largest" Read Header;
    /// Joins a room.
    WebSocket "/ws" Upgrade Upgrade;
    /// Sends back what comes, with `--debug-echo`.
    Echo "/echo" Upgrade None;
    /// Whether the process lives.
    Health "/health" Read None;
    /// Whether the server takes players.
    Ready "/ready" Read None;
    /// For Prometheus.
    Metrics "/metrics" Read None;
    /// The game's own page or the demo, and their files, on whatever path.
    Page "/" Read None;
    /// Anything else, and what could not be read as a request.
    Unknown "other" Any None;
}

impl Route {
    /// The route of a path; `is_page` is asked where no other has it. `/echo` leads nowhere unless `debug_echo`.
    pub fn of_path(path: &str, debug_echo: bool, is_page: impl Fn(&str) -> bool) -> Self {
        match Self::named(path) {
            None if path.starts_with(IDENTITIES_PREFIX) => Self::Identity,
            _ if user_to_reset(path).is_some() => Self::UserReset,
            Some(Self::Echo) if !debug_echo => Self::Unknown,
            None if documents::route_of(path).is_some() => documents::route_of(path).unwrap_or(Self::Unknown),
            None | Some(Self::Page) if is_page(path) => Self::Page,
            None | Some(Self::Page) => Self::Unknown,
            Some(route) => route,
        }
    }

    /// Whether a file of that path could not be asked for, as the path leads elsewhere.
    pub fn has_path(path: &str) -> bool {
        let is_named = Self::named(path).is_some_and(|route| route != Self::Page);
        is_named
            || path.starts_with(IDENTITIES_PREFIX)
            || user_to_reset(path).is_some()
            || documents::route_of(path).is_some()
    }

    /// The methods that the route knows, for the `Allow` header.
    pub fn allow(self) -> &'static str {
        match self.methods() {
            Methods::Post => "POST, OPTIONS",
            Methods::Read => "GET, HEAD, OPTIONS",
            Methods::List => "GET, HEAD, POST, OPTIONS",
            Methods::Delete => "DELETE, OPTIONS",
            Methods::Resource => "GET, HEAD, PUT, DELETE, OPTIONS",
            Methods::Own => "GET, HEAD, PATCH, DELETE, OPTIONS",
            Methods::Upgrade => "GET, OPTIONS",
            Methods::Any => "OPTIONS",
        }
    }

    /// The longest body that the route takes, of `most` bytes that any may have: only a call's arguments and documents may be many.
    pub fn longest_body(self, most: usize) -> usize {
        if matches!(self, Self::Rpc | Self::Document | Self::Ledger) {
            most
        } else {
            most.min(STRANGERS_BODY)
        }
    }

    /// Whether the route answers this request's method (`OPTIONS` is answered before).
    pub fn takes(self, request: &Request) -> bool {
        match self.methods() {
            Methods::Post => request.method == Method::Post,
            Methods::Read => matches!(request.method, Method::Get | Method::Head),
            Methods::List => matches!(request.method, Method::Get | Method::Head | Method::Post),
            Methods::Delete => request.method == Method::Delete,
            Methods::Resource => {
                matches!(request.method, Method::Get | Method::Head | Method::Put | Method::Delete)
            }
            Methods::Own => {
                matches!(request.method, Method::Get | Method::Head | Method::Patch | Method::Delete)
            }
            Methods::Upgrade => request.method == Method::Get,
            Methods::Any => true,
        }
    }
}

/// The user's id in the path of [`Route::UserReset`].
pub(super) fn user_to_reset(path: &str) -> Option<&str> {
    let id = path.strip_prefix("/api/users/")?.strip_suffix("/reset")?;
    Some(id).filter(|id| !id.is_empty() && !id.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let is_page = |path: &str| path == "/";
        for &route in Route::ALL {
            assert_eq!(Route::of_path(route.path(), true, is_page), route);
        }
        assert_eq!(Route::of_path("/echo", false, is_page), Route::Unknown);
        assert_eq!(Route::of_path("/", true, |_| false), Route::Unknown);
        assert_eq!(Route::of_path("/login/", true, is_page), Route::Unknown);
        assert_eq!(Route::of_path("/login", true, |_| true), Route::Login);
        assert!(Route::has_path("/login") && !Route::has_path("/") && !Route::has_path("/a"));
        assert_eq!(Route::of_path("/account/identities/device/x", true, is_page), Route::Identity);
        assert_eq!(Route::of_path("/account/identitiesx", true, is_page), Route::Unknown);
        assert_eq!(Route::of_path("/api/users/42/reset", true, is_page), Route::UserReset);
        assert_eq!(user_to_reset("/api/users/42/reset"), Some("42"));
        for path in ["/api/users//reset", "/api/users/4/2/reset", "/api/users/reset", "/api/users/42"] {
            assert_eq!(Route::of_path(path, true, is_page), Route::Unknown, "{path}");
        }
    }
}
