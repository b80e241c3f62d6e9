extends RefCounted
## Which close codes a client comes back from: see sdk/PROTOCOL.md.

const NORMAL := 1000
const GOING_AWAY := 1001
const NO_STATUS := 1005
const BROKEN := 1006
## Sent by this side: the place in the room is to be kept.
const WILL_COME_BACK := 4000
const TOKEN_EXPIRED := 4001
const RATE_LIMITED := 4003


static func comes_back(code: int) -> bool:
	if code >= 4000:
		return code <= 4499
	# 1005 and 1012 to 1014 never come from the server itself, but from proxies in front of it.
	return (
		code == GOING_AWAY or code == NO_STATUS or code == BROKEN or (code >= 1011 and code <= 1014)
	)


## Whether haste would do harm: many come back at once, or this one was in too much of a hurry.
static func is_gentle(code: int) -> bool:
	return code == GOING_AWAY or code == RATE_LIMITED
