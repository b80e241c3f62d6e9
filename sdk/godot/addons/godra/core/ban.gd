extends RefCounted
## What the close of a ban says in its reason.


## `until` in milliseconds since 1970 (none if it is for ever), and `reason`.
static func read(close_reason: String) -> Dictionary:
	var words := close_reason.split(": ", true, 1)
	var ban := {}
	var until := words[0].trim_prefix("banned until ")
	if until.is_valid_int():
		ban["until"] = until.to_int()
	if words.size() > 1:
		ban["reason"] = words[1]
	return ban
