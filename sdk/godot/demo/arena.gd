extends Node
## A small arena: everybody who is in it sees the others move and talk. Enters the newest lobby that has
## a place, or makes one; `-- --room=ID` enters that one.

## In the arena's units a second: the server lets nobody be faster than 300.
const SPEED := 280.0

var room: GodraRoom

@onready var _field: Node2D = $Field
@onready var _status: Label = $Status
@onready var _chat: LineEdit = $Chat


func _ready() -> void:
	# A new guest in each window, so that one machine can try it with several.
	Godra.options.session_store = GodraSessionStore.new("")
	_chat.text_submitted.connect(_say)
	var entered := await _enter()
	if not entered.ok:
		_status.text = "Cannot play: %s" % entered.error.message
		return
	room = entered.value
	_field.watch(room)
	room.reconnecting.connect(_on_reconnecting)
	room.connected.connect(_on_connected)
	room.disconnected.connect(_on_disconnected)
	room.on("chat", _on_chat)
	_on_connected(room.welcome)


func _physics_process(delta: float) -> void:
	if room == null or _chat.visible:
		return
	var way := Input.get_vector("ui_left", "ui_right", "ui_up", "ui_down")
	if way != Vector2.ZERO:
		var at: Vector2 = _field.move_me(way * SPEED * delta)
		room.send_latest("move_player", {"x": at.x, "y": at.y})


func _unhandled_key_input(event: InputEvent) -> void:
	if event.is_action_pressed("ui_accept") and room != null:
		_chat.visible = true
		_chat.grab_focus()
		get_viewport().set_input_as_handled()


func _enter() -> GodraResult:
	var session: GodraResult = await Godra.ensure_session()
	if not session.ok:
		return session
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with("--room="):
			return await Godra.join(argument.trim_prefix("--room="))
	var page: GodraResult = await Godra.list_rooms()
	if page.ok:
		for lobby: Dictionary in page.value["lobbies"]:
			if lobby["members"] > 0 and lobby["members"] < lobby["capacity"]:
				return await Godra.join(lobby["id"])
	return await Godra.create_room(8)


func _say(text: String) -> void:
	_chat.clear()
	_chat.visible = false
	if text != "":
		room.send("send_chat", {"message": text})


func _on_chat(payload: Dictionary, _seq: int) -> void:
	_field.say(payload["user_id"], payload["message"])


func _on_connected(_welcome: Dictionary) -> void:
	_status.text = "%s in lobby %s" % [room.me["username"], room.id]


func _on_reconnecting(attempt: int, _delay: float) -> void:
	_status.text = "Connection lost, attempt %d …" % attempt


func _on_disconnected(code: int, _reason: String, will_reconnect: bool, cause: GodraError) -> void:
	if not will_reconnect:
		_status.text = "The end: %s" % (cause.message if cause != null else str(code))
		room = null
