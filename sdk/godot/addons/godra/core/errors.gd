extends RefCounted
## How each source of failures becomes a GodraError.

const Answer := preload("answer.gd")
const Json := preload("json.gd")
const RetryAfter := preload("retry_after.gd")

## With these the server says that an input did not run. With `unavailable` nobody knows.
const _NOT_RUN: Array[String] = [
	"bad_request", "forbidden", "not_found", "out_of_order", "rate_limited", "busy"
]
const _OF_STATUS := {
	400: "bad_request",
	401: "unauthorized",
	403: "forbidden",
	404: "not_found",
	409: "conflict",
	413: "too_large",
	429: "rate_limited",
}


## An answer by HTTP that is no success.
static func of_answer(answer: Answer, path: String, now: float) -> GodraError:
	if answer.failure != "":
		var lost := GodraError.new(answer.failure, "%s: %s" % [path, answer.why])
		# A script may have run; all other calls do no harm if they are made again.
		lost.outcome = "unknown" if path == "api/rpc" else ""
		return lost
	var body: Variant = Json.parse(answer.body).value
	var given: Dictionary = {}
	if body is Dictionary and body.get("error") is Dictionary:
		given = body["error"]
	var error := _given(given, code_of_status(answer.status), "HTTP status %d" % answer.status)
	error.status = answer.status
	error.has_run = answer.headers.has("godra-script")
	error.retry_after = RetryAfter.read(answer.headers.get("retry-after", ""), now)
	return error


## For answers that are not the server's own, but a proxy's.
static func code_of_status(status: int) -> String:
	return _OF_STATUS.get(status, "unavailable" if status >= 500 else "bad_response")


## The answer to an input.
static func of_input(payload: Variant) -> GodraError:
	if not payload is Dictionary or not payload.get("code") is String:
		return input("bad_message", "The server sent an error of a wrong shape", "unknown")
	var error := _given(payload, "", "The server reported an error")
	if error.code == "unavailable":
		error.outcome = "unknown"
	else:
		error.outcome = "none" if error.code in _NOT_RUN else "ran"
	return error


## What comes in the place of a welcome: a refusal with all that HTTP would have said.
static func of_refusal(payload: Variant) -> GodraError:
	var given: Dictionary = payload if payload is Dictionary else {}
	var error := _given(given, "refused", "The server refused the WebSocket")
	error.status = maxi(Json.whole(given.get("status")), 0)
	var wait := Json.whole(given.get("retry_after"))
	error.retry_after = minf(wait, RetryAfter.MOST) if wait >= 0 else -1.0
	return error


static func input(code: String, message: String, outcome: String) -> GodraError:
	var error := GodraError.new(code, message)
	error.outcome = outcome
	return error


static func cancelled(what: String, outcome := "none") -> GodraError:
	return input("cancelled", "%s was cancelled" % what, outcome)


static func session_ended(why: String, cause: GodraError = null) -> GodraError:
	var error := GodraError.new("session_ended", why)
	if cause != null:
		error.status = cause.status
		error.details = cause.details
		error.close_code = cause.close_code
	return error


static func no_token() -> GodraError:
	return GodraError.new(
		"unauthorized", "Not logged in: call ensure_session, guest or login first"
	)


static func _given(given: Dictionary, code: String, message: String) -> GodraError:
	var error := GodraError.new(code, message)
	if given.get("code") is String:
		error.code = given["code"]
		error.is_servers_own = true
	if given.get("message") is String:
		error.message = given["message"]
	error.details = given.get("details")
	return error
