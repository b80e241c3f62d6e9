extends RefCounted
## Why a WebSocket did not come to its welcome, and whether trying again helps.

const Api := preload("api.gd")
const CloseCodes := preload("close_codes.gd")


## Whether the server is there, as it said something.
static func is_answer(error: GodraError) -> bool:
	return error.status != 0 or error.retry_after >= 0 or error.code in ["refused", "bad_message"]


## Whether another token is needed.
static func is_of_token(error: GodraError) -> bool:
	return error.status == 401 or error.close_code == CloseCodes.TOKEN_EXPIRED


## Whether the game's own server says no. A proxy in front of it may say so for a while, when the
## server is being replaced.
static func is_final(error: GodraError) -> bool:
	return error.is_servers_own and error.status in [400, 403, 404]


static func closed(code: int, reason: String) -> GodraError:
	var why := "" if reason == "" else ": " + reason
	var error := GodraError.new(
		"disconnected", "The server closed the connection (%d%s)" % [code, why]
	)
	error.close_code = code
	return error


## The engine and the browser hide what an HTTP refusal says, so what can be known is asked for.
static func explain(api: Api, token: String) -> GodraError:
	var ready := await api.read("ready")
	if not ready.ok and ready.error.code != "bad_response":
		var error := ready.error
		if error.status != 0:
			error.code = "unavailable"
			error.is_servers_own = false
		return error
	var account := await api.read("account", token)
	if not account.ok and account.error.status in [401, 403]:
		return account.error
	return GodraError.new(
		"refused", "The server is up, but refused the WebSocket: a proxy may not let it pass"
	)
