# gdlint: disable=max-returns
extends Node
## One client of the add-on, and what it sees.

const Channel := preload("channel.gd")
const Events := preload("events.gd")
const Wake := preload("wake.gd")

var client := GodraClient.new()
var events: Events

var _rooms := {}
var _cancels := {}


func _init(channel: Channel, of: String) -> void:
	events = Events.new(channel, of, run)
	add_child(client)


func begin(url: String, options: Dictionary, store: GodraSessionStore) -> void:
	client.server_url = url
	var into := client.options
	for name: String in ["first_delay", "max_delay", "stable", "heartbeat"]:
		if options.has(name + "_ms"):
			into.set(name, options[name + "_ms"] / 1000)
	for name: String in ["request_timeout", "connect_timeout"]:
		if options.has(name + "_ms"):
			into.set(name, options[name + "_ms"] / 1000)
	# A call by HTTP takes some frames.
	into.http_timeout = maxf(into.request_timeout, 0.6)
	into.reconnect = options.get("reconnect", true)
	into.max_message_bytes = int(options.get("max_message_bytes", into.max_message_bytes))
	into.session_store = store
	if options.get("session") is Dictionary:
		var kept: Dictionary = options["session"].duplicate()
		kept["expires_at"] = kept.get("expires_at", 0.0) / 1000
		store.save_session(kept)
	client.load_session()
	client.session_ended.connect(events.session_ended)


func run(command: Dictionary) -> GodraResult:
	match command["do"]:
		"guest_login":
			return _who(await client.guest())
		"ensure":
			return _who(await client.ensure_session())
		"login":
			return _who(await client.login(command["username"], command["password"]))
		"register":
			return await client.register(command["username"], command["password"])
		"upgrade":
			return _who(await client.upgrade(command["username"], command["password"]))
		"refresh":
			return _who(await client.refresh())
		"logout":
			return _nothing(await client.logout())
		"account":
			return await client.account()
		"connect":
			return await _connect(command)
		"rpc":
			var keys: Array = command["keys"] if command.get("keys") is Array else []
			var args: Array = command["args"] if command.get("args") is Array else []
			return await client.rpc_call(command["script"], args, keys, _cancel_of(command))
		"list_rooms":
			var cursor: String = command["cursor"] if command.get("cursor") is String else ""
			return await client.list_rooms(command.get("limit", 20), cursor)
		"cancel":
			if _cancels.has(command["target"]):
				_cancels[command["target"]].cancel()
			return GodraResult.success()
		"same_room":
			var first := await client.join(command["room"])
			var second := await client.join(command["room"])
			return GodraResult.success(first.value == second.value)
		"reduce":
			client.options.reducers = GodraLobbyReducers.all()
			for room: GodraRoom in _rooms.values():
				room.use_lobby_reducers()
			return GodraResult.success()
		"act_in":
			events.act_in(command["event"], command["then"], _rooms.values())
			return GodraResult.success()
		"wake":
			Wake.signal_page(command["signal"])
			return GodraResult.success()
		"close_client":
			client.close()
			return GodraResult.success()
	var of := _room(command)
	if of == null:
		return GodraResult.failure(GodraError.new("no_room", "No room for %s" % command["do"]))
	return await _run_in(of, command)


func close() -> void:
	client.close()
	client.queue_free()


func _run_in(room: GodraRoom, command: Dictionary) -> GodraResult:
	var action: String = command.get("action", "")
	match command["do"]:
		"send":
			return GodraResult.success(room.send(action, command.get("payload")))
		"send_latest":
			var key: String = command["key"] if command.get("key") is String else ""
			for payload: Variant in command.get("payloads", [command.get("payload")]):
				room.send_latest(action, payload, key)
			return GodraResult.success()
		"request":
			var once: bool = command.get("once", false)
			var timeout: float = command.get("timeout_ms", 0.0) / 1000
			return await room.request(
				action, command.get("payload"), once, timeout, _cancel_of(command)
			)
		"requests":
			return await _requests(room, command)
		"unsendable":
			return await room.request(action, {"call": close})
		"state":
			return GodraResult.success(room.state)
		"connection":
			var name: String = GodraRoom.Connection.find_key(room.connection)
			return GodraResult.success(name.to_lower())
		"stats":
			return GodraResult.success(room.stats())
		"latency":
			return GodraResult.success(room.latency * 1000 if room.latency >= 0 else null)
		"server_time":
			return GodraResult.success(room.server_time() * 1000)
		"leave":
			return _nothing(await room.leave())
		"close":
			room.close()
			return GodraResult.success()
	var why := "This driver has no command %s" % command["do"]
	return GodraResult.failure(GodraError.new("no_command", why))


func _connect(command: Dictionary) -> GodraResult:
	var prepare := func(room: GodraRoom) -> void:
		if _rooms.get(room.id) != room:
			_rooms[room.id] = room
			events.watch(room)
	var joined := await client.join(command["room"], prepare, _cancel_of(command))
	return GodraResult.success(joined.value.welcome) if joined.ok else joined


func _requests(room: GodraRoom, command: Dictionary) -> GodraResult:
	var count := int(command["count"])
	var results := []
	results.resize(count)
	var left := {"count": count, "error": null}
	for i in count:
		_request_one(room, command, i, results, left)
	while left["count"] > 0 and left["error"] == null:
		await get_tree().process_frame
	if left["error"] != null:
		return GodraResult.failure(left["error"])
	return GodraResult.success(results)


func _request_one(
	room: GodraRoom, command: Dictionary, i: int, results: Array, left: Dictionary
) -> void:
	var result := await room.request(command["action"], i, command.get("once", false))
	results[i] = result.value
	left["count"] -= 1
	if not result.ok and left["error"] == null:
		left["error"] = result.error


func _cancel_of(command: Dictionary) -> GodraCancel:
	var id: Variant = command.get("id")
	if id == null:
		return null
	_cancels[id] = GodraCancel.new()
	return _cancels[id]


func _room(command: Dictionary) -> GodraRoom:
	if command.get("room") is String:
		return _rooms.get(command["room"].trim_prefix("game:"))
	return _rooms.values()[0] if _rooms.size() > 0 else null


func _who(result: GodraResult) -> GodraResult:
	return GodraResult.success(client.session.me()) if result.ok else result


func _nothing(result: GodraResult) -> GodraResult:
	return GodraResult.success() if result.ok else result
