extends "res://test/harness/case.gd"

var state := {}


func apply(type: String, payload: Variant) -> void:
	GodraLobbyReducers.all()[type].call(state, payload)


func test_players_come_move_and_go() -> void:
	apply("player_joined", {"user_id": "1", "username": "Ann"})
	apply("player_moved", {"user_id": "1", "x": 2.0, "y": 3.0})
	apply("player_moved", {"user_id": "nobody", "x": 2.0, "y": 3.0})
	same_json(state, {"players": {"1": {"user_id": "1", "username": "Ann", "x": 2.0, "y": 3.0}}})
	apply("player_away", {"user_id": "1"})
	check(state["players"]["1"]["away"], "away")
	apply("player_back", {"user_id": "1"})
	check(not state["players"]["1"].has("away"), "back")
	apply("player_left", {"user_id": "1"})
	same_json(state, {"players": {}})


func test_a_guest_becomes_a_player() -> void:
	apply("player_joined", {"user_id": "guest:1", "username": "Guest"})
	apply("player_upgraded", {"old_id": "guest:1", "user_id": "7", "username": "Ann"})
	same_json(state, {"players": {"7": {"user_id": "7", "username": "Ann"}}})


func test_fields_are_merged() -> void:
	apply("state", {"action": "set", "payload": {"a": 1, "b": 2}})
	apply("state", {"action": "set", "payload": {"a": null, "c": [1]}})
	apply("state", {"action": "other", "payload": {"b": 3}})
	same_json(state, {"state": {"b": 2, "c": [1]}})


func test_wrong_shapes_change_nothing() -> void:
	for type: String in GodraLobbyReducers.all():
		for payload: Variant in [
			null, 7, "x", [], {}, {"user_id": 7}, {"user_id": []}, {"action": 7}
		]:
			apply(type, payload)
			for strange: Variant in [null, 7, [], "x"]:
				GodraLobbyReducers.all()[type].call(strange, payload)
	check(state.get("players", {}).is_empty() and state.get("state", {}).is_empty(), str(state))
