//! What sessions may ask for at once, answered by the parts of this process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::account::guest::new_guest;
use crate::account::refresh::RefreshToken;
use crate::account::revocations::Revocations;
use crate::account::service::unix_ms;
use crate::account::token::{TokenAuthority, TokenError, new_family};
use crate::config::Config;
use crate::metrics::{Counter, Metrics, RefusalReason, Row};
use crate::pages::Pages;
use crate::session::limits::Buckets;
use crate::session::pages::PageSet;
use crate::session::{Client, Counted, GuestLogin, Now, Rejection, SHUTTING_DOWN, Services, Settings};
use crate::state::{Engine, NoSurvey};
use crate::wire::ErrorCode;
use crate::wire::http;
use crate::wire::ids::{Identity, NetworkId, Role};

/// The services of this process.
pub(super) struct ServerServices {
    /// Set once the server has begun to stop.
    pub draining: AtomicBool,
    settings: Settings,
    tokens: Arc<TokenAuthority>,
    revocations: Arc<Revocations>,
    refresh_ttl_s: u64,
    metrics: Arc<Metrics>,
    engine: Arc<dyn Engine>,
    pages: Arc<Pages>,
    refusals: Row<RefusalReason, Counter>,
    /// By address.
    logins: Buckets,
    /// By user; refreshes by address.
    calls: Buckets,
    /// The metrics that those elsewhere were told last.
    page: KeptPage,
}

/// A page that is written at most once a second.
#[derive(Default)]
struct KeptPage(Mutex<Option<(Instant, Bytes)>>);

impl KeptPage {
    /// The page of the last second, or what `write` writes; others who want it meanwhile wait for that.
    fn get(&self, now: Instant, write: impl FnOnce() -> Bytes) -> Bytes {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((at, page)) if now.saturating_duration_since(*at) < Duration::from_secs(1) => page.clone(),
            _ => kept.insert((now, write())).1.clone(),
        }
    }
}

impl ServerServices {
    /// Services that answer from these parts, on this port.
    pub(super) fn new(
        config: &Config,
        port: u16,
        tokens: Arc<TokenAuthority>,
        revocations: Arc<Revocations>,
        metrics: Arc<Metrics>,
        engine: Arc<dyn Engine>,
        pages: Arc<Pages>,
    ) -> Self {
        Self {
            draining: AtomicBool::new(false),
            settings: session_settings(config, port),
            tokens,
            revocations,
            refresh_ttl_s: config.refresh_ttl.as_secs(),
            refusals: metrics.refusals(),
            metrics,
            engine,
            pages,
            logins: Buckets::per_minute(config.login_rate),
            calls: Buckets::per_second(config.rpc_rate),
            page: KeptPage::default(),
        }
    }
}

impl Services for ServerServices {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn verify_token(&self, token: &str, unix_s: u64) -> Result<Identity, Rejection> {
        let identity = self.tokens.verify(token, unix_s).map_err(|error| {
            log::debug!("a token was refused reason={error:?}");
            // A new token helps in both cases: the second is also what becomes of tokens when --token-ttl is lowered.
            let is_over = matches!(error, TokenError::Expired | TokenError::TooLong);
            let code = if is_over { ErrorCode::TokenExpired } else { ErrorCode::Unauthorized };
            Rejection::new(code, error.to_string())
        })?;
        self.revocations.admit(identity, unix_s).map_err(|revoked| revoked.refused())
    }

    fn standing(&self, identity: &Identity, unix_s: u64) -> Result<(), (u16, Box<str>)> {
        self.revocations.check(identity, unix_s).map_err(|revoked| revoked.close())
    }

    fn guest_login(&self, unix_s: u64) -> GuestLogin {
        let (user_id, username) = new_guest();
        let family = new_family();
        let token = self.tokens.issue(&user_id, &username, Role::Guest, &family, unix_ms());
        let refresh_token = RefreshToken {
            family,
            generation: 0,
            expires_at_s: unix_s + self.refresh_ttl_s,
            user_id: user_id.clone(),
            guest_name: username.clone(),
        };
        let refresh_token = refresh_token.seal(&self.tokens);
        GuestLogin { token, refresh_token, expires_in_s: self.tokens.ttl_s(), user_id, username }
    }

    fn admit(&self, counted: Counted<'_>, client: Client, now: Now) -> Result<(), u32> {
        let (is_local, now_ms) = (client.is_local(), now.monotonic_ms);
        let (admitted, reason) = match counted {
            Counted::Login => {
                (self.logins.admit(NetworkId::of(client.address), is_local, now_ms), RefusalReason::LoginRate)
            }
            Counted::Refresh => {
                (self.calls.admit(NetworkId::of(client.address), is_local, now_ms), RefusalReason::RpcRate)
            }
            Counted::Call(user) => (self.calls.admit(user, is_local, now_ms), RefusalReason::RpcRate),
        };
        admitted.inspect_err(|_| _ = self.refusals.at(reason).inc())
    }

    fn readiness(&self) -> Result<(), &'static str> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(SHUTTING_DOWN);
        }
        if self.engine.is_ready() { Ok(()) } else { Err("the state engine is not available") }
    }

    fn largest_rooms(&self, most: usize) -> Result<String, Rejection> {
        match self.engine.survey() {
            Ok(survey) => Ok(survey.to_json(most, Instant::now())),
            Err(NoSurvey::NotYet) => {
                let message = "the rooms are being counted; ask again in a moment";
                Err(Rejection::new(ErrorCode::Busy, message).retry_after(1))
            }
            Err(NoSurvey::Refused(why)) => Err(Rejection::new(ErrorCode::Unavailable, why).retry_after(10)),
        }
    }

    fn pages(&self) -> Arc<PageSet> {
        self.pages.current()
    }

    fn metrics(&self, of_last_second: bool) -> (&'static str, Bytes) {
        let encode = || {
            self.metrics.engine_queue_depth.set(self.engine.queue_depth() as i64);
            Bytes::from(self.metrics.encode())
        };
        let text = if of_last_second { self.page.get(Instant::now(), encode) } else { encode() };
        (Metrics::CONTENT_TYPE, text)
    }
}

fn session_settings(config: &Config, port: u16) -> Settings {
    let (http, websocket) = (&config.limits.http, &config.limits.websocket);
    let milliseconds = |duration: std::time::Duration| duration.as_millis() as u64;
    Settings {
        http: http::RequestLimits {
            head_bytes: http.max_head_bytes,
            headers: http.max_headers,
            body_bytes: http.max_body_bytes,
        },
        head_timeout_ms: milliseconds(http.head_timeout),
        body_timeout_ms: milliseconds(http.body_timeout),
        keep_alive_timeout_ms: milliseconds(http.keep_alive_timeout),
        max_pipelined: http.max_pipelined,
        max_frames: config.limits.queues.read_budget_frames,
        ping_after_ms: milliseconds(websocket.ping_after),
        pong_timeout_ms: milliseconds(websocket.pong_wait),
        close_timeout_ms: milliseconds(websocket.close_wait),
        max_message_bytes: config.max_message_bytes,
        max_echo_bytes: websocket.max_echo_message_bytes,
        compress: config.compress,
        max_inflated_bytes: config.limits.queues.read_budget_bytes,
        input_rate: config.input_rate,
        max_errors: websocket.max_errors,
        max_busy: websocket.max_busy,
        busy_window_ms: milliseconds(websocket.busy_window),
        allow_origins: config.allow_origins.clone(),
        debug_echo: config.debug_echo,
        metrics_elsewhere: config.metrics_address.is_some(),
        sync_interval_ms: milliseconds(config.sync_interval),
        trusted_proxies: config.trusted_proxies.clone(),
        https_redirect: config.https_redirect.as_ref().map(|redirect| redirect.of_port(port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_at_most_once_a_second() {
        let (page, began) = (KeptPage::default(), Instant::now());
        let get = |after_ms, text: &'static str| {
            page.get(began + Duration::from_millis(after_ms), || Bytes::from_static(text.as_bytes()))
        };
        assert_eq!(get(0, "a"), "a");
        assert_eq!(get(999, "b"), "a");
        assert_eq!(get(1000, "c"), "c");
        assert_eq!(get(1999, "d"), "c");
    }
}
