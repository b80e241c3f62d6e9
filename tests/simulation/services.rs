//! What sessions ask for: a token is its user's id, and nobody is kept out.

use std::sync::Arc;

use bytes::Bytes;

use crate::session::cors::AllowedOrigins;
use crate::session::limits::Limit;
use crate::session::pages::PageSet;
use crate::session::{Client, Counted, GuestLogin, Now, Rejection, Services, Settings};
use crate::wire::http::RequestLimits;
use crate::wire::ids::{Identity, Role};
use crate::wire::ws::deflate::CompressionLevel;

pub(super) struct OpenDoor {
    settings: Settings,
}

impl OpenDoor {
    pub(super) fn new(sync_interval_ms: u64) -> Self {
        Self { settings: settings(sync_interval_ms) }
    }
}

impl Services for OpenDoor {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn verify_token(&self, token: &str, unix_s: u64) -> Result<Identity, Rejection> {
        Ok(Identity {
            user_id: token.into(),
            username: token.into(),
            role: Role::Player,
            expires_at_s: (unix_s + 100_000) as u32,
            login: Default::default(),
        })
    }

    fn standing(&self, _identity: &Identity, _unix_s: u64) -> Result<(), (u16, Box<str>)> {
        Ok(())
    }

    fn guest_login(&self, _unix_s: u64) -> GuestLogin {
        unreachable!("nobody logs in here")
    }

    fn admit(&self, _counted: Counted<'_>, _client: Client, _now: Now) -> Result<(), u32> {
        Ok(())
    }

    fn readiness(&self) -> Result<(), &'static str> {
        Ok(())
    }

    fn largest_rooms(&self, _: usize) -> Result<String, Rejection> {
        Ok(String::new())
    }

    fn pages(&self) -> Arc<PageSet> {
        Arc::default()
    }

    fn metrics(&self, _: bool) -> (&'static str, Bytes) {
        ("text/plain", Bytes::new())
    }
}

/// The server's, but for shorter times.
fn settings(sync_interval_ms: u64) -> Settings {
    Settings {
        http: RequestLimits { head_bytes: 2000, headers: 20, body_bytes: 2000 },
        head_timeout_ms: 10_000,
        body_timeout_ms: 30_000,
        keep_alive_timeout_ms: 75_000,
        ping_after_ms: 3_000,
        pong_timeout_ms: 2_000,
        close_timeout_ms: 2_000,
        max_message_bytes: 4000,
        max_echo_bytes: 2000,
        compress: CompressionLevel::new(1),
        max_inflated_bytes: 4000,
        max_pipelined: 16,
        max_frames: 256,
        input_rate: Limit::NONE,
        max_errors: 3,
        max_busy: 2048,
        busy_window_ms: 10_000,
        allow_origins: AllowedOrigins::Any,
        debug_echo: false,
        metrics_elsewhere: false,
        sync_interval_ms,
        trusted_proxies: Vec::new(),
        https_redirect: None,
    }
}
