extends RefCounted
## The welcome as games see it: with whole numbers as int, and nothing missing.

const Json := preload("json.gd")


## Null if the payload is no welcome.
static func read(payload: Variant) -> Variant:
	if not payload is Dictionary:
		return null
	var welcome: Dictionary = payload
	for field: String in ["user_id", "username", "role", "game_id", "epoch"]:
		welcome[field] = Json.text(welcome.get(field))
	for field: String in ["seq", "n", "now"]:
		welcome[field] = Json.whole(welcome.get(field))
	var interval := Json.whole(welcome.get("sync_interval_ms"))
	welcome["sync_interval_ms"] = interval if interval >= 0 else 50
	welcome["recovered"] = welcome.get("recovered") is bool and welcome["recovered"]
	welcome["state"] = welcome.get("state")
	return welcome
