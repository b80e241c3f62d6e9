extends Node
## A client for which the engine keeps little, with a session of the first server at the second one.


func _ready() -> void:
	RenderingServer.render_loop_enabled = false
	var urls := OS.get_cmdline_user_args()
	Godra.server_url = urls[0]
	Godra.options.inbound_buffer_bytes = 65536
	await Godra.guest()
	Godra.server_url = urls[1]
	await Godra.join("a", _prepare)


func _prepare(room: GodraRoom) -> void:
	room.connected.connect(func(_welcome: Dictionary) -> void: print("connected"))
	room.failed.connect(func(error: GodraError) -> void: print("failed ", error))
	room.event.connect(func(type: StringName, _p: Variant, seq: int) -> void: print(type, " ", seq))
