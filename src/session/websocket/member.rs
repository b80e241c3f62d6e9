//! What a member's messages lead to.

use std::sync::Arc;

use super::numbering::{At, Numbering};
use super::{Outcome, TOO_MANY_INPUTS, send_error};
use crate::session::limits::{BusyLimit, InputRate, Verdict};
use crate::session::{Action, Actions, Context, DroppedInput, Input, Moment, Now, Rejection};
use crate::wire::ErrorCode;
use crate::wire::ids::Identity;
use crate::wire::message::{self, ClientMessage, HEARTBEAT, InputName, RESYNC};
use crate::wire::ws;
use crate::wire::ws::close_code;

/// How often a connection may ask for a snapshot.
const RESYNC_EVERY_MS: u64 = 1000;

/// A member of a room, as far as its messages go.
#[derive(Debug)]
pub(super) struct MemberSession {
    pub(super) identity: Arc<Identity>,
    /// When the token ends, in seconds of the monotonic clock.
    pub(super) expires_s: u32,
    /// What it may still send.
    pub(super) rate: InputRate,
    /// Malformed messages in excess of good ones.
    errors: u16,
    /// Inputs refused because too many wait.
    pub(super) busy: BusyLimit,
    /// Not before this time does it get another snapshot because it asks for one.
    resync_from: Moment,
    /// Its numbered inputs.
    pub(super) numbering: Numbering,
    /// Whether answers tell which version of which script ran.
    tells_script: bool,
}

impl MemberSession {
    /// A member whose last numbered input that ran was `n`, and who may be on this machine.
    pub(super) fn new(
        identity: Arc<Identity>,
        n: u64,
        tells_script: bool,
        is_local: bool,
        context: &Context<'_>,
    ) -> Self {
        let now = context.now;
        let rate = InputRate::new(context.services.settings().input_rate.holds_for(is_local));
        let valid_s = u64::from(identity.expires_at_s).saturating_sub(now.unix_s());
        let expires_s = now.monotonic_ms.div_ceil(1000).saturating_add(valid_s);
        let expires_s = u32::try_from(expires_s).unwrap_or(u32::MAX);
        let busy = BusyLimit::new(now.monotonic_ms);
        Self {
            identity,
            expires_s,
            rate,
            errors: 0,
            busy,
            resync_from: Moment::default(),
            numbering: Numbering::after(n),
            tells_script,
        }
    }

    pub(super) fn message(&mut self, text: &str, context: &Context<'_>, actions: &mut Actions) -> Outcome {
        match self.admit(text.len(), context) {
            Verdict::Pass => {}
            Verdict::Refuse { retry_after_s } => {
                self.limited(text, retry_after_s, actions);
                return Outcome::GoOn;
            }
            Verdict::Close => {
                actions.push(Action::DroppedInput(DroppedInput::Limited));
                return TOO_MANY_INPUTS;
            }
        }
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(error) => return self.malformed(error.id, &error.message, context, actions),
        };
        self.errors = self.errors.saturating_sub(1);
        if message.action == HEARTBEAT {
            self.heartbeat(message.name.id, context.now, actions);
        } else if message.action == RESYNC {
            self.resync(message.name.id, context.now, actions);
        } else if self.numbering.holds_back(At::Incoming, message.name.n) {
            self.held_back(message.name, context, actions);
        } else {
            let mut input = Input::new(self.identity.clone(), &message, text);
            input.tells_script = self.tells_script;
            actions.push(Action::Input(input));
        }
        Outcome::GoOn
    }

    fn heartbeat(&self, id: Option<u64>, now: Now, actions: &mut Actions) {
        if let Some(id) = id {
            actions.push(Action::Heartbeat { id, n: self.numbering.last_ran(), now_ms: now.unix_ms });
        }
    }

    /// Each costs a run of the room's `on_snapshot`.
    fn resync(&mut self, id: Option<u64>, now: Now, actions: &mut Actions) {
        let name = InputName { id, n: None };
        if now.monotonic_ms < self.resync_from.ms() {
            actions.push(Action::DroppedInput(DroppedInput::Limited));
            let message = "a connection gets at most one snapshot a second by resync";
            return send_error(name, &Rejection::new(ErrorCode::RateLimited, message), actions);
        }
        self.resync_from = Moment::at(now.monotonic_ms + RESYNC_EVERY_MS);
        if let Some(id) = id {
            actions.send(ws::text_frame(&message::reply(id, b"null")));
        }
        actions.push(Action::Resync);
    }

    /// An input was refused, and did nothing.
    pub(super) fn refused(
        &mut self,
        name: InputName,
        refused: &Rejection,
        context: &Context<'_>,
        actions: &mut Actions,
    ) {
        send_error(name, refused, actions);
        if refused.code == ErrorCode::Busy || refused.code == ErrorCode::OutOfOrder {
            self.busy.count(context.services.settings(), context.now.monotonic_ms);
        }
    }

    fn held_back(&mut self, name: InputName, context: &Context<'_>, actions: &mut Actions) {
        actions.push(Action::DroppedInput(DroppedInput::OutOfOrder));
        self.refused(name, &Rejection::out_of_order(), context, actions);
    }

    fn limited(&mut self, text: &str, retry_after_s: u32, actions: &mut Actions) {
        actions.push(Action::DroppedInput(DroppedInput::Limited));
        let message = ClientMessage::parse(text).ok();
        let name = message.as_ref().map(|message| message.name).unwrap_or_default();
        let refused = Rejection {
            details: Some(format!(r#"{{"retry_after":{retry_after_s}}}"#).into()),
            ..Rejection::new(ErrorCode::RateLimited, "too many inputs; this one did not run")
        };
        send_error(name, &refused, actions);
        if message.is_some_and(|message| !is_for_the_server(&message)) {
            self.numbering.refused(At::Incoming, name.n);
        }
    }

    fn admit(&mut self, bytes: usize, context: &Context<'_>) -> Verdict {
        let settings = context.services.settings();
        if self.busy.is_over(settings) {
            return Verdict::Close;
        }
        self.rate.admit(settings.input_rate.most, bytes, context.now.monotonic_ms)
    }

    /// Counts a frame that is no message: it costs the server as much as a small input. Says whether to answer it, or to close.
    pub(super) fn admit_frame(&mut self, context: &Context<'_>, actions: &mut Actions) -> Verdict {
        let per_second = context.services.settings().input_rate.most;
        let verdict = self.rate.admit(per_second, 0, context.now.monotonic_ms);
        if verdict != Verdict::Pass {
            actions.push(Action::DroppedInput(DroppedInput::Limited));
        }
        verdict
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
        let name = InputName { id, n: None };
        send_error(name, &Rejection::new(ErrorCode::BadRequest, reason), actions);
        Outcome::GoOn
    }
}

/// Whether the server itself answers it: it is no input, and a number in it means nothing.
fn is_for_the_server(message: &ClientMessage<'_>) -> bool {
    message.action == HEARTBEAT || message.action == RESYNC
}
