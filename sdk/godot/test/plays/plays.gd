extends Node
## Plays against the real server. What it prints with @ in front is done to the server by whoever runs it
## (plays.js), which says `done` into the page when it has.

const Case := preload("res://test/harness/case.gd")

var _case := Case.new()
var _passed := 0
var _failed := 0


func _ready() -> void:
	RenderingServer.render_loop_enabled = false
	_case.tree = get_tree()
	await get_tree().process_frame
	var wanted := OS.get_cmdline_user_args().slice(1)
	for method: Dictionary in get_script().get_script_method_list():
		var name: String = method["name"]
		var is_wanted := func(one: String) -> bool: return name.contains(one)
		if name.begins_with("play_") and (wanted.is_empty() or Array(wanted).any(is_wanted)):
			await _run(name)
	print("%d passed, %d failed" % [_passed, _failed])
	get_tree().quit(1 if _failed > 0 else 0)


func play_two_players_meet() -> void:
	var ann := client()
	var bob := client()
	_ok(await ann.ensure_session())
	_ok(await bob.ensure_session())
	var at_ann: GodraRoom = _ok(await ann.create_room(4, {"width": 500}))
	var page: Dictionary = _ok(await bob.list_rooms())
	_case.equal(page["lobbies"][0]["id"], "game:" + at_ann.id)
	var at_bob: GodraRoom = _ok(await bob.join(page["lobbies"][0]["id"]))
	at_bob.use_lobby_reducers()
	var heard := []
	at_bob.on(
		"chat", func(payload: Dictionary, _seq: int) -> void: heard.append(payload["message"])
	)
	var said := 'tab: \t \\ " é \u2028 😀'
	_ok(await at_ann.request("send_chat", {"message": said}))
	_case.check(at_ann.send("move_player", {"x": 1.0 / 3, "y": 2}), "sent")
	var id: String = at_ann.me["user_id"]
	await _case.until(
		func() -> bool: return absf(at_bob.state["players"][id].get("x", 9) - 1.0 / 3) < 1e-9,
		"Ann has moved"
	)
	_case.equal(heard, [said])
	_case.equal(at_bob.state["bounds"]["max_x"], 500.0)
	var refused: GodraResult = await at_ann.request("move_player", {"x": -1, "y": 2})
	_case.equal(
		[refused.error.code, refused.error.kind, refused.error.outcome],
		["out_of_bounds", "script", "ran"]
	)
	_case.equal(refused.error.details["y"], 2.0)
	_ok(await at_ann.ping())
	_case.check(at_ann.latency > 0 and at_ann.latency < 2, "latency %s" % at_ann.latency)
	var apart := absf(at_ann.server_time() - Time.get_unix_time_from_system())
	_case.check(apart < 1, "the clocks of one machine are %s s apart" % apart)
	_ok(await at_ann.leave())
	_case.equal(at_ann.connection, GodraRoom.Connection.LEFT)
	await _case.until(
		func() -> bool: return not at_bob.state["players"].has(id), "Ann has left Bob's state"
	)


func play_what_players_keep() -> void:
	var ann := client()
	var ben := client()
	var ids := []
	for each: Array in [[ann, "keeper-ann"], [ben, "keeper-ben"]]:
		_ok(await each[0].register(each[1], "long enough 8"))
		var session: GodraSession = _ok(await each[0].login(each[1], "long enough 8"))
		ids.append(session.user_id)
	var of_ann := GodraPlayers.new(ann)
	var of_ben := GodraPlayers.new(ben)
	var own: Dictionary = _ok(
		await of_ann.set_profile({"name": "Ann", "settings": {"volume": 0.5}})
	)
	_case.equal([own["name"], own["settings"], own["version"]], ["Ann", {"volume": 0.5}, 1.0])
	var late: GodraResult = await of_ann.set_profile({"name": "A", "version": 7})
	_case.equal(late.error.code, "conflict")
	_case.equal(_ok(await of_ben.view_profile(ids[0]))["name"], "Ann")
	_case.equal(_ok(await of_ben.profile())["name"], "keeper-ben")
	_case.equal(_ok(await of_ann.change_friends("ask", ids[1])), "asked")
	_case.equal(_ok(await of_ben.change_friends("accept", ids[0])), "friends")
	_case.equal(_ok(await of_ann.friends())["friends"][0]["user_id"], ids[1])

	_case.equal(_ok(await of_ann.daily())["is_open"], true)
	_case.equal(_ok(await of_ann.claim_daily())["claimed"], true)
	_case.equal(_ok(await of_ann.claim_daily())["claimed"], false)
	var offer: Dictionary = _ok(await of_ann.offer_trade(ids[1], {"coin": 4}))
	var seen: Dictionary = _ok(await of_ben.inventory())["offers"][0]
	_case.equal(seen["version"], offer["version"])
	var other: GodraResult = await of_ben.accept_trade(ids[0], int(seen["version"]) + 1)
	_case.equal(other.error.code, "conflict")
	var traded: Dictionary = _ok(await of_ben.accept_trade(ids[0], int(seen["version"])))
	_case.equal(traded["items"], {"coin": 4.0})
	_ok(await of_ann.offer_trade(ids[1], {}, {"coin": 1}))
	_case.equal(_ok(await of_ben.cancel_trade(ids[0]))["status"], "none")
	var none: GodraResult = await of_ann.season("none")
	_case.equal(none.error.code, "not_found")

	# What was just saved is in the database a moment later.
	var documents := []
	for round in 200:
		documents = _ok(await ann.data())["documents"]
		if documents.size() == 4:
			break
		await get_tree().create_timer(0.02).timeout
	var collections := documents.map(func(one: Dictionary) -> String: return one["collection"])
	_case.equal(collections, ["daily", "friends", "inventory", "profile"])
	var page: Dictionary = _ok(await ann.data("", 1))
	var next: Dictionary = _ok(await ann.data(page["cursor"], 1))
	_case.equal(next["documents"][0]["collection"], "friends")
	var document: Dictionary = _ok(await ann.document("profile", ids[0]))
	_case.equal(document["value"]["username"], "keeper-ann")


func play_refusals_have_reasons() -> void:
	var ann := client()
	_ok(await ann.guest())
	var nowhere: GodraResult = await ann.join("no-such-lobby")
	_case.equal([nowhere.error.status, nowhere.error.kind], [403, "server"])
	_case.equal((await ann.join("no lobby")).error.code, "bad_request")
	_case.equal((await ann.rpc_call("no_such_script")).error.status, 404)
	_case.equal((await ann.login("nobody", "wrong password")).error.status, 401)
	var away := client("http://127.0.0.1:1")
	_case.equal((await away.guest()).error.code, "unavailable")
	_case.equal((await client("nonsense").guest()).error.code, "bad_request")


func play_a_guest_becomes_a_player_in_the_same_room() -> void:
	var ann := client()
	_ok(await ann.guest())
	var room: GodraRoom = _ok(await ann.create_room())
	var ends := []
	ann.session_ended.connect(func(error: GodraError) -> void: ends.append(error.code))
	room.disconnected.connect(
		func(_code: int, _why: String, will: bool, _cause: GodraError) -> void:
			if not will:
				ends.append("room")
	)
	var name := "ann-%d" % (Time.get_ticks_usec() % 1_000_000)
	_ok(await ann.upgrade(name, "a long password"))
	await _case.until(
		func() -> bool: return room.me.get("username") == name, "the room is the player's"
	)
	_ok(await room.request("send_chat", {"message": "it is me"}))
	_case.equal(ends, [])
	_ok(await ann.logout())
	await _case.until(func() -> bool: return ends.size() == 2, "the session and the room end")
	_case.equal(ends, ["session_ended", "room"])
	_ok(await ann.login(name, "a long password"))
	_case.equal(_ok(await ann.account())["username"], name)


func play_an_account_is_renamed_and_deleted_by_its_device() -> void:
	var ann := client()
	var ben := client()
	var phone := ann.new_device()
	var another := ben.new_device()
	var user: String = _ok(await ann.login_with_device(phone)).user_id
	_ok(await ben.login_with_device(another))
	var refused: GodraResult = await ann.rename_with("Phoebe", another)
	_case.equal(refused.error.code, "forbidden")
	_case.equal(_ok(await ann.rename_with("Phoebe", phone))["username"], "Phoebe")
	refused = await ann.delete_account_with(another)
	_case.equal(refused.error.code, "forbidden")
	_case.equal(_ok(await ann.account())["username"], "Phoebe")
	_ok(await ann.delete_account_with(phone))
	_case.equal(ann.session, null)
	_case.check(_ok(await ann.login_with_device(phone)).user_id != user, "another account")


func play_a_restart_of_the_server() -> void:
	var ann := client()
	_ok(await ann.guest())
	var room: GodraRoom = _ok(await ann.create_room())
	room.use_lobby_reducers()
	_ok(await room.request("move_player", {"x": 1, "y": 1}))
	await server("stop")
	await _case.until(
		func() -> bool: return room.connection == GodraRoom.Connection.REJOINING, "the loss is seen"
	)
	var bought := {}
	var buy := func() -> void:
		bought["result"] = await room.request("move_player", {"x": 5, "y": 5}, true)
	buy.call()
	_case.check(not room.send("send_chat", {"message": "lost"}), "not sent")
	await server("start")
	var back := Time.get_ticks_msec()
	await _case.until(func() -> bool: return bought.has("result"), "what ran once is answered", 20)
	print("back after ", Time.get_ticks_msec() - back, " ms")
	_case.check(bought["result"].ok, str(bought["result"]))
	_case.equal(room.state["players"][room.me["user_id"]]["x"], 5.0)
	_case.equal(room.stats()["reconnects"], 1)


func play_the_same_player_twice() -> void:
	var ann := client()
	_ok(await ann.guest())
	var room: GodraRoom = _ok(await ann.create_room())
	var again := client()
	again.options.session_store.save_session(ann.session.to_dictionary())
	_case.check(again.load_session(), "the session was kept")
	var codes := []
	room.disconnected.connect(
		func(code: int, _why: String, will: bool, _cause: GodraError) -> void:
			codes.append([code, will])
	)
	_ok(await again.join(room.id))
	await _case.until(func() -> bool: return not codes.is_empty(), "the first one is closed")
	_case.equal(codes, [[4502, false]])


func play_many_events() -> void:
	var ann := client()
	_ok(await ann.guest())
	var room: GodraRoom = _ok(await ann.create_room(4, {"max_speed": 0}))
	var seqs := []
	room.use_lobby_reducers()
	room.on("player_moved", func(_payload: Dictionary, seq: int) -> void: seqs.append(seq))
	for x in 1000:
		if x % 100 == 99:
			# Then the others have run, too: a server that is busy refuses what is too much.
			_ok(await room.request("move_player", {"x": x, "y": 0}, false, 30))
		else:
			_case.check(room.send("move_player", {"x": x, "y": 0}), "sent")
	_ok(await room.request("send_chat", {"message": "done"}, false, 30))
	# A position takes the place of one that was not sent yet.
	await _case.until(
		func() -> bool: return room.state["players"][room.me["user_id"]].get("x") == 999.0,
		"the last"
	)
	_case.check(seqs == _sorted(seqs) and seqs.size() > 10, "in order")


func client(url := "") -> GodraClient:
	var made := GodraClient.new()
	made.server_url = OS.get_cmdline_user_args()[0] if url == "" else url
	made.options.session_store = GodraSessionStore.new("")
	add_child(made)
	return made


## Does something to the server.
func server(what: String) -> void:
	var window := JavaScriptBridge.get_interface("window")
	window.done = false
	print("@", what)
	await _case.until(func() -> bool: return window.done, "the server: %s" % what, 30)


func _sorted(list: Array) -> Array:
	var sorted := list.duplicate()
	sorted.sort()
	return sorted


func _ok(result: GodraResult) -> Variant:
	_case.check(result.ok, str(result))
	return result.value


func _run(name: String) -> void:
	_case.failures.clear()
	_case.checks = 0
	var state := {"is_done": false}
	_play(name, state)
	var end := Time.get_ticks_msec() + 60_000
	while not state["is_done"] and Time.get_ticks_msec() < end:
		await get_tree().process_frame
	if not state["is_done"]:
		_case.failures.append("it did not come to its end")
	var is_good := _case.failures.is_empty() and _case.checks > 0
	_passed += int(is_good)
	_failed += int(not is_good)
	print("ok      " if is_good else "FAILED  ", name, " ", "; ".join(_case.failures))
	for child in get_children():
		child.queue_free()


func _play(name: String, state: Dictionary) -> void:
	await call(name)
	state["is_done"] = true
