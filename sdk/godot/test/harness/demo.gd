extends Node
## Runs the demo, and prints what its room knows whenever that changes.

var _arena: Node = load("res://demo/arena.tscn").instantiate()
var _watched: GodraRoom


func _ready() -> void:
	add_child(_arena)


func _process(_delta: float) -> void:
	if _arena.room != null and _arena.room != _watched:
		_watched = _arena.room
		_watched.changed.connect(_tell)
		_watched.on("chat", _tell_chat)
		_tell(_watched.state)


func _tell(state: Variant) -> void:
	var at := {"room": _watched.id, "me": _watched.me["user_id"], "players": state["players"]}
	print("STATE ", JSON.stringify(at))


func _tell_chat(payload: Dictionary, _seq: int) -> void:
	print("SAID ", payload["message"])
