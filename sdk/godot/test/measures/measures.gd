extends Node
## What measure.js asks for: a flood of events, or coming back after restarts of the server.

var _frames: Array[float] = []
var _last := 0
var _is_measuring := false


func _ready() -> void:
	RenderingServer.render_loop_enabled = false
	var arguments := OS.get_cmdline_user_args()
	Godra.server_url = arguments[1]
	Godra.options.session_store = GodraSessionStore.new("")
	await Godra.guest()
	if arguments[0] == "flood":
		await _flood(arguments[2])
	else:
		await _restarts(int(arguments[2]))
	get_tree().quit(0)


func _process(_delta: float) -> void:
	var now := Time.get_ticks_usec()
	if _is_measuring:
		_frames.append((now - _last) / 1000.0)
	_last = now


func _flood(url: String) -> void:
	Godra.server_url = url
	var room: GodraRoom = (await Godra.join("a")).value
	var state := {"events": 0, "is_over": false, "late_ms": 0.0}
	room.use_lobby_reducers()
	room.on(
		"player_moved",
		func(payload: Dictionary, _seq: int) -> void:
			state["events"] += 1
			var late: float = Time.get_unix_time_from_system() * 1000 - payload["at"]
			state["late_ms"] = maxf(state["late_ms"], late)
	)
	room.on("over", func(_payload: Variant, _seq: int) -> void: state["is_over"] = true)
	_is_measuring = true
	var begin := Time.get_ticks_msec()
	while not state["is_over"]:
		await get_tree().process_frame
	_is_measuring = false
	_frames.sort()
	var seconds := (Time.get_ticks_msec() - begin) / 1000.0
	state["seconds"] = seconds
	state["frame_ms_median"] = _frames[_frames.size() / 2]
	state["frame_ms_p99"] = _frames[int(_frames.size() * 0.99)]
	state["frame_ms_max"] = _frames.back()
	state["resyncs"] = room.stats()["resyncs"]
	print("RESULT ", JSON.stringify(state))


func _restarts(count: int) -> void:
	var room: GodraRoom = (await Godra.create_room()).value
	for i in count:
		await room.request("move_player", {"x": i, "y": 0}, true)
		print("@stop")
		while room.connection == GodraRoom.Connection.JOINED:
			await get_tree().process_frame
		await room.request("move_player", {"x": i, "y": 1}, true)
		print("@playing")
	print("RESULT {}")
