// Made by sdk/protocol/generate from sdk/protocol.json: change that, and run it.

/// Nothing is wrong: the client is done. The server sends it only in answer.
const closedNormally = 1000;

/// The server is stopping, and takes no new connections.
const closedShuttingDown = 1001;

/// A frame broke RFC 6455.
const closedProtocolError = 1002;

/// A kind of data that the client does not take.
const closedUnsupportedData = 1003;

/// Stands for a close frame without a code.
const closedNoStatus = 1005;

/// Stands for an end without a close frame.
const closedBroken = 1006;

/// Text was not UTF-8, or what was compressed cannot be decompressed.
const closedInvalidPayload = 1007;

/// Something on the way forbids it.
const closedPolicyViolation = 1008;

/// A message was too large.
const closedMessageTooBig = 1009;

/// The client needs an extension that the server does not have.
const closedMissingExtension = 1010;

/// The server failed, for instance a script on_snapshot.
const closedInternalError = 1011;

/// Something on the way restarts.
const closedServiceRestart = 1012;

/// Something on the way has too much to do.
const closedTryAgainLater = 1013;

/// Something on the way does not reach the server.
const closedBadGateway = 1014;

/// The client gives up this connection, and comes back by another.
const closedToComeBack = 4000;

/// The token is void: after token_expired refresh it, after session_ended log in.
const closedTokenExpired = 4001;

/// The client reads too slowly, or a message of its came too slowly.
const closedSlowConsumer = 4002;

/// Far too many inputs.
const closedRateLimited = 4003;

/// No answer to a ping.
const closedNoPong = 4004;

/// Not let in for now: the server is full, busy or stopping; after token_expired with a new token.
const closedRefusedForNow = 4005;

/// Removed from the room, or left it by an RPC.
const closedKicked = 4500;

/// Kept out, for ever or until a time in ms since the Unix epoch.
const closedBanned = 4501;

/// The same user joined the room by another connection.
const closedReplaced = 4502;

/// The room is no more: the store has lost its data.
const closedRoomClosed = 4503;

/// Too many malformed messages.
const closedTooManyErrors = 4504;

/// Not let in; where the refusal's status is 401, first with a new token.
const closedRefused = 4505;

/// Whether a client comes back after this code, known or not.
bool comesBackAfter(int code) => switch (code) {
      closedShuttingDown ||
      closedNoStatus ||
      closedBroken ||
      closedInternalError ||
      closedServiceRestart ||
      closedTryAgainLater ||
      closedBadGateway =>
        true,
      >= 4000 && <= 4499 => true,
      _ => false,
    };

/// Whether haste would do harm: many come back at once, or this one was in too much of a hurry.
bool isGentle(int code) => code == closedShuttingDown || code == closedRateLimited;
