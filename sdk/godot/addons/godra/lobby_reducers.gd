class_name GodraLobbyReducers
extends RefCounted
## Reducers for the scripts that come with the server: with them [code]room.state.players[/code] and
## [code]room.state.state[/code] are always right. Events that are not shaped as those scripts make
## them change nothing.


## All of them, by the type of their event.
static func all() -> Dictionary:
	return {
		"player_joined": _joined,
		"player_left": _left,
		"player_moved": _moved,
		"player_away": _away,
		"player_back": _back,
		"player_upgraded": _upgraded,
		"state": _merged,
	}


static func _joined(state: Variant, payload: Variant) -> void:
	var id := _user_id(payload)
	if id == "" or not state is Dictionary:
		return
	var players := _at(state, "players")
	var player := _at(players, id)
	player["user_id"] = id
	player["username"] = payload.get("username")
	player.erase("away")


static func _left(state: Variant, payload: Variant) -> void:
	if state is Dictionary:
		_at(state, "players").erase(_user_id(payload))


static func _moved(state: Variant, payload: Variant) -> void:
	var player: Variant = _player(state, payload)
	if player is Dictionary:
		player["x"] = payload.get("x")
		player["y"] = payload.get("y")


static func _away(state: Variant, payload: Variant) -> void:
	var player: Variant = _player(state, payload)
	if player is Dictionary:
		player["away"] = true


static func _back(state: Variant, payload: Variant) -> void:
	var player: Variant = _player(state, payload)
	if player is Dictionary:
		player.erase("away")


# A player_left of the guest came just before, and took the position with it. The next move brings it
# again.
static func _upgraded(state: Variant, payload: Variant) -> void:
	if state is Dictionary and payload is Dictionary:
		_at(state, "players").erase(payload.get("old_id"))
	_joined(state, payload)


# What update_state passes on: the action "set" merges fields, and null removes one.
static func _merged(state: Variant, payload: Variant) -> void:
	if not state is Dictionary or not payload is Dictionary or not payload.get("action") is String:
		return
	if payload["action"] != "set" or not payload.get("payload") is Dictionary:
		return
	var fields := _at(state, "state")
	var changes: Dictionary = payload["payload"]
	for field: String in changes:
		if changes[field] == null:
			fields.erase(field)
		else:
			fields[field] = changes[field]


# Lua cannot tell an empty list from an empty object: without players it may be either.
static func _at(parent: Dictionary, name: String) -> Dictionary:
	if not parent.get(name) is Dictionary:
		parent[name] = {}
	return parent[name]


static func _player(state: Variant, payload: Variant) -> Variant:
	var id := _user_id(payload)
	return _at(state, "players").get(id) if id != "" and state is Dictionary else null


static func _user_id(payload: Variant) -> String:
	var id: Variant = payload.get("user_id") if payload is Dictionary else null
	return id if id is String else ""
