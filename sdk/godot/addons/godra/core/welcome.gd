extends RefCounted
## The welcome as games see it: with whole numbers as int, and nothing missing.

const Json := preload("json.gd")

## What is taken where an older server says nothing.
const _FIELDS := {
	"user_id": "",
	"username": "",
	"role": "",
	"game_id": "",
	"epoch": "",
	"seq": -1,
	"n": -1,
	"recovered": false,
}


## Null if the payload is no welcome: what is there must be of its kind.
static func read(payload: Variant) -> Variant:
	if not payload is Dictionary:
		return null
	var welcome: Dictionary = payload
	for field: String in _FIELDS:
		var value: Variant = welcome.get(field)
		var default: Variant = _FIELDS[field]
		if value == null:
			welcome[field] = default
		elif default is int:
			welcome[field] = Json.whole(value)
			if welcome[field] < 0:
				return null
		elif typeof(value) != typeof(default):
			return null
	# What these say is a help alone.
	welcome["now"] = Json.whole(welcome.get("now"))
	var interval := Json.whole(welcome.get("sync_interval_ms"))
	welcome["sync_interval_ms"] = interval if interval > 0 else 50
	welcome["state"] = welcome.get("state")
	return welcome
