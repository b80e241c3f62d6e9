class_name GodraSession
extends RefCounted
## A login: whose it is, and its tokens. Keep it as safe as a password.

const _MAX_EXPIRES_IN := 10.0 * 365 * 24 * 3600

## The access token.
var token := ""
## Good for one refresh, which the SDK does by itself; empty if there is none.
var refresh_token := ""
## For so many seconds the token was good when it came.
var expires_in := 0.0
## When it ends, in seconds since 1970 by the device's clock.
var expires_at := 0.0
## A number as text for an account, [code]guest:…[/code] for a guest.
var user_id := ""
## The user's name.
var username := ""
## [code]guest[/code], [code]player[/code] or [code]manager[/code].
var role := ""


## What a store keeps.
func to_dictionary() -> Dictionary:
	return {
		"token": token,
		"refresh_token": refresh_token,
		"expires_in": expires_in,
		"expires_at": expires_at,
		"user_id": user_id,
		"username": username,
		"role": role,
	}


## Who is logged in, without the tokens.
func me() -> Dictionary:
	return {"user_id": user_id, "username": username, "role": role}


## What [method to_dictionary] gave; null if it is anything else.
static func from_dictionary(kept: Variant) -> GodraSession:
	if not kept is Dictionary or not kept.get("token") is String or kept["token"] == "":
		return null
	var session := GodraSession.new()
	for field: String in ["token", "refresh_token", "user_id", "username", "role"]:
		if kept.get(field) is String:
			session.set(field, kept[field])
	session.expires_in = _number(kept.get("expires_in"))
	session.expires_at = _number(kept.get("expires_at"))
	return session


## The session of a login's answer, which came at [param now]; null if that is no login.
static func from_login(login: Dictionary, now: float) -> GodraSession:
	var session := from_dictionary(login)
	if session == null or session.user_id == "" or session.refresh_token == "":
		return null
	if not login.get("expires_in") is float:
		return null
	session.expires_in = clampf(session.expires_in, 0, _MAX_EXPIRES_IN)
	session.expires_at = now + session.expires_in
	return session


static func _number(value: Variant) -> float:
	return float(value) if value is float or value is int else 0.0
