//! What a member's messages lead to.

use std::sync::Arc;

use super::{Outcome, TOO_MANY_INPUTS, send_error};
use crate::session::limits::{BusyLimit, RateLimit, Verdict};
use crate::session::{Action, Actions, Context, DroppedInput, Input, Rejection};
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;
use crate::wire::message::{self, ClientMessage};
use crate::wire::ws::{self, close_code};

/// A member of a room, as far as its messages go.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) identity: Arc<Identity>,
    /// When the token ends, in seconds of the monotonic clock.
    pub(super) expires_s: u32,
    /// None without `--input-rate`.
    rate: Option<Box<RateLimit>>,
    /// Malformed messages in excess of good ones.
    errors: u16,
    /// Inputs refused because too many wait.
    pub(super) busy: BusyLimit,
}

impl Member {
    pub(super) fn new(identity: Arc<Identity>, context: &Context<'_>) -> Self {
        let (now, per_second) = (context.now, context.services.settings().input_rate);
        let rate = (per_second > 0).then(|| Box::new(RateLimit::new(per_second, now.monotonic_ms)));
        let valid_s = u64::from(identity.expires_at_s).saturating_sub(now.unix_s);
        let expires_s = now.monotonic_ms.div_ceil(1000).saturating_add(valid_s);
        let expires_s = u32::try_from(expires_s).unwrap_or(u32::MAX);
        Self { identity, expires_s, rate, errors: 0, busy: BusyLimit::new(now.monotonic_ms) }
    }

    pub(super) fn message(&mut self, text: &str, context: &Context<'_>, actions: &mut Actions) -> Outcome {
        match self.admit(context) {
            Verdict::Pass => {}
            Verdict::Refuse => return limited(text, actions),
            Verdict::Close => {
                actions.push(Action::DroppedInput(DroppedInput::Limited));
                return TOO_MANY_INPUTS;
            }
        }
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => return self.malformed(error.id, &error.message, context, actions),
        };
        if message.n.is_some() {
            let reason = "inputs numbered by \"n\" are not supported yet; send the input without it";
            return self.malformed(message.id, reason, context, actions);
        }
        self.errors = self.errors.saturating_sub(1);
        if message.action == "heartbeat" {
            heartbeat(message.id, actions);
        } else {
            actions.push(Action::Input(Input::new(self.identity.clone(), &message, text)));
        }
        Outcome::GoOn
    }

    fn admit(&mut self, context: &Context<'_>) -> Verdict {
        let settings = context.services.settings();
        if self.busy.is_over(settings) {
            return Verdict::Close;
        }
        let rate = self.rate.as_mut();
        rate.map_or(Verdict::Pass, |rate| rate.admit(settings.input_rate, context.now.monotonic_ms))
    }

    pub(super) fn malformed(
        &mut self,
        id: Option<u64>,
        reason: &str,
        context: &Context<'_>,
        actions: &mut Actions,
    ) -> Outcome {
        actions.push(Action::DroppedInput(DroppedInput::Malformed));
        if self.errors >= context.services.settings().max_errors {
            return Outcome::Close {
                code: close_code::TOO_MANY_ERRORS,
                reason: "too many malformed messages",
            };
        }
        self.errors += 1;
        send_error(id, &Rejection::new(ErrorCode::BadRequest, reason), actions);
        Outcome::GoOn
    }
}

fn limited(text: &str, actions: &mut Actions) -> Outcome {
    actions.push(Action::DroppedInput(DroppedInput::Limited));
    let id = ClientMessage::parse(text).ok().and_then(|message| message.id);
    let refused = Rejection::new(ErrorCode::RateLimited, "too many inputs; this one did not run");
    send_error(id, &refused, actions);
    Outcome::GoOn
}

fn heartbeat(id: Option<u64>, actions: &mut Actions) {
    if let Some(id) = id {
        actions.send(ws::text_frame(&message::reply(id, b"\"OK\"")));
    }
}
