class_name GodraError
extends RefCounted
## Why a call failed, or what went wrong in a room.
##
## [member code] is for programs, [member message] for people.

const _KINDS := {
	"timeout": "network",
	"unavailable": "network",
	"disconnected": "network",
	"refused": "network",
	"session_ended": "session",
	"unauthorized": "session",
	"token_expired": "session",
	"bad_response": "protocol",
	"bad_message": "protocol",
	"unsupported": "protocol",
	"queue_full": "usage",
	"cancelled": "usage",
	"bad_request": "usage",
	"too_large": "usage",
	"forbidden": "server",
	"not_found": "server",
	"conflict": "server",
	"rate_limited": "server",
	"out_of_order": "server",
	"busy": "server",
}
const _RETRYABLE: Array[String] = [
	"timeout", "unavailable", "disconnected", "busy", "rate_limited", "out_of_order"
]

## A code of the server, of a script of the game, or of the SDK: [code]timeout[/code],
## [code]unavailable[/code], [code]disconnected[/code], [code]cancelled[/code],
## [code]refused[/code], [code]session_ended[/code], [code]bad_response[/code],
## [code]bad_message[/code], [code]queue_full[/code], [code]unsupported[/code],
## [code]bad_request[/code] or [code]too_large[/code].
var code: String
## For people.
var message: String
## The HTTP status, or 0.
var status := 0
## What a script added to its error: any JSON, or null.
var details: Variant = null
## So many seconds the server asks to wait; negative if it asks for nothing.
var retry_after := -1.0
## The close code of the connection whose end this is, or 0.
var close_code := 0
## Of an input: [code]none[/code] (it did not run), [code]unknown[/code] (it may have run) or
## [code]ran[/code] (it ran and failed, and has changed nothing); empty for anything else.
var outcome := ""
## Where the failure comes from: [code]server[/code], [code]script[/code], [code]network[/code],
## [code]session[/code], [code]protocol[/code] or [code]usage[/code].
var kind: String:
	get:
		return _KINDS.get(code, "script")
## Whether the same call may succeed later, and does no harm if it is made again.
var retryable: bool:
	get:
		return code in _RETRYABLE and (outcome == "" or outcome == "none")

## Whether the server itself gave this error, rather than a proxy in front of it.
var is_servers_own := false
## Whether a script ran, so that the call must not be made again by itself.
var has_run := false


func _init(error_code := "", error_message := "") -> void:
	code = error_code
	message = error_message


func _to_string() -> String:
	return "%s: %s" % [code, message]
