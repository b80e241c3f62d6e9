extends RefCounted
## Which close codes a client comes back from (sdk/PROTOCOL.md).
## Made by sdk/protocol/generate from sdk/protocol.json: change that, and run it.

## Nothing is wrong: the client is done. The server sends it only in answer.
const NORMAL := 1000
## The server is stopping, and takes no new connections.
const SHUTTING_DOWN := 1001
## A frame broke RFC 6455.
const PROTOCOL_ERROR := 1002
## A kind of data that the client does not take.
const UNSUPPORTED_DATA := 1003
## Stands for a close frame without a code.
const NO_STATUS := 1005
## Stands for an end without a close frame.
const BROKEN := 1006
## Text was not UTF-8, or what was compressed cannot be decompressed.
const INVALID_PAYLOAD := 1007
## Something on the way forbids it.
const POLICY_VIOLATION := 1008
## A message was too large.
const MESSAGE_TOO_BIG := 1009
## The client needs an extension that the server does not have.
const MISSING_EXTENSION := 1010
## The server failed, for instance a script on_snapshot.
const INTERNAL_ERROR := 1011
## Something on the way restarts.
const SERVICE_RESTART := 1012
## Something on the way has too much to do.
const TRY_AGAIN_LATER := 1013
## Something on the way does not reach the server.
const BAD_GATEWAY := 1014
## The client gives up this connection, and comes back by another.
const WILL_COME_BACK := 4000
## The token is void: after token_expired refresh it, after session_ended log in.
const TOKEN_EXPIRED := 4001
## The client reads too slowly, or a message of its came too slowly.
const SLOW_CONSUMER := 4002
## Far too many inputs.
const RATE_LIMITED := 4003
## No answer to a ping.
const NO_PONG := 4004
## Not let in for now: the server is full, busy or stopping; after token_expired with a new token.
const REFUSED_FOR_NOW := 4005
## Removed from the room, or left it by an RPC.
const KICKED := 4500
## Kept out, for ever or until a time in ms since the Unix epoch.
const BANNED := 4501
## The same user joined the room by another connection.
const REPLACED := 4502
## The room is no more: the store has lost its data.
const ROOM_CLOSED := 4503
## Too many malformed messages.
const TOO_MANY_ERRORS := 4504
## Not let in; where the refusal's status is 401, first with a new token.
const REFUSED := 4505

const _COME_BACK: Array[int] = [
	SHUTTING_DOWN,
	NO_STATUS,
	BROKEN,
	INTERNAL_ERROR,
	SERVICE_RESTART,
	TRY_AGAIN_LATER,
	BAD_GATEWAY,
]


## Whether a client should come back after this close code.
static func comes_back(code: int) -> bool:
	return code in _COME_BACK or (code >= 4000 and code <= 4499)


## Whether haste would do harm: many come back at once, or this one was in too much of a hurry.
static func is_gentle(code: int) -> bool:
	return code == SHUTTING_DOWN or code == RATE_LIMITED
