extends "res://test/harness/case.gd"

var fake := GodraFakeRoom.new("a")
var told: Array[String] = []


func before() -> void:
	var room := fake.room
	room.connected.connect(func(_welcome: Dictionary) -> void: told.append("connected"))
	room.reconnecting.connect(func(n: int, _delay: float) -> void: told.append("attempt %d" % n))
	room.disconnected.connect(_disconnected)
	room.snapshot.connect(func(_state: Variant) -> void: told.append("snapshot"))
	room.event.connect(_event)
	room.failed.connect(func(error: GodraError) -> void: told.append(error.code))


func _disconnected(code: int, _reason: String, will: bool, cause: GodraError) -> void:
	var why := "" if cause == null else " " + cause.code
	told.append("%s %d%s" % ["lost" if will else "over", code, why])


func _event(type: StringName, _payload: Variant, seq: int) -> void:
	told.append("%s %d" % [type, seq])


func take() -> Array[String]:
	var taken := told.duplicate()
	told.clear()
	return taken


func sees(want: Array[String]) -> void:
	equal(take(), want)


func test_welcome_and_events_in_order() -> void:
	fake.welcome({"x": 1.0})
	fake.event("chat", {})
	fake.receive({"type": "chat", "payload": 1, "seq": 1})
	fake.receive({"type": "private", "payload": 1})
	sees(["connected", "chat 1", "private -1"] as Array[String])
	same_json(fake.room.state, {"x": 1.0})


func test_state_changes_are_told_once_for_each_message() -> void:
	var changes := []
	fake.room.changed.connect(func(_state: Variant) -> void: changes.append(1))
	fake.room.use_lobby_reducers()
	fake.welcome({})
	var moves := []
	for i in 5:
		moves.append({"type": "player_joined", "payload": {"user_id": str(i)}, "seq": i + 1})
	fake.receive({"type": "batch", "events": moves})
	equal(changes.size(), 2)
	equal(fake.room.state["players"].size(), 5)


func test_comes_back_with_its_place_and_keeps_its_state() -> void:
	fake.welcome({"x": 1.0})
	fake.event("chat")
	fake.close(1006)
	sees(["connected", "chat 1", "lost 1006", "attempt 1"] as Array[String])
	fake.advance(0.3)
	check(fake.url().ends_with("epoch=fake&since=1&refuse=close"), fake.url())
	fake.welcome(null, {"recovered": true})
	same_json(fake.room.state, {"x": 1.0})
	equal(fake.room.connection, GodraRoom.Connection.JOINED)


func test_stays_away_after_4500_and_says_so_once() -> void:
	fake.welcome()
	fake.close(4500, "be nice")
	fake.advance(60)
	fake.room.close()
	sees(["connected", "over 4500 disconnected"] as Array[String])


func test_nothing_comes_after_close_within_a_handler() -> void:
	fake.room.on("stop", func(_payload: Variant, _seq: int) -> void: fake.room.close())
	fake.welcome()
	var events := []
	for type: String in ["stop", "late", "later"]:
		events.append({"type": type, "payload": null, "seq": events.size() + 1})
	fake.receive({"type": "batch", "events": events})
	fake.advance(10)
	sees(["connected", "over 1000"] as Array[String])


func test_requests_are_answered() -> void:
	fake.welcome()
	var got := []
	var ask := func() -> void: got.append(await fake.room.request("jump", {"h": 1}))
	ask.call()
	fake.reply(null)
	ask.call()
	fake.reply_error("too_low", "No", {"by": 2})
	ask.call()
	fake.advance(10)
	ask.call()
	fake.close()
	ask.call()
	equal(got.size(), 5)
	check(got[0].ok and got[0].value == null, "null is an answer")
	equal(
		[got[1].error.code, got[1].error.kind, got[1].error.outcome], ["too_low", "script", "ran"]
	)
	equal([got[2].error.code, got[2].error.outcome], ["timeout", "unknown"])
	equal([got[3].error.code, got[3].error.outcome], ["disconnected", "unknown"])
	equal([got[4].error.code, got[4].error.outcome], ["disconnected", "none"])


func test_a_request_can_be_cancelled() -> void:
	fake.welcome()
	var cancel := GodraCancel.new()
	var got := []
	var ask := func() -> void: got.append(await fake.room.request("jump", null, false, 0, cancel))
	ask.call()
	cancel.cancel()
	fake.reply("late")
	ask.call()
	equal([got[0].error.code, got[1].error.code], ["cancelled", "cancelled"])
	equal(fake.sent("jump").size(), 1)


func test_once_survives_a_lost_connection() -> void:
	fake.welcome()
	var got := []
	var ask := func() -> void: got.append(await fake.room.request("buy", null, true))
	ask.call()
	fake.close()
	fake.advance(1)
	fake.welcome(null, {"recovered": true})
	var sent := fake.sent("buy")
	equal(sent.size(), 2)
	equal([sent[0]["n"], sent[1]["n"]], [1.0, 1.0])
	fake.reply("sword")
	equal(got[0].value, "sword")


func test_latest_wins() -> void:
	fake.welcome()
	for x in 10:
		fake.room.send_latest("move", {"x": x})
	fake.advance(0.05)
	fake.advance(1)
	var sent := fake.sent("move")
	equal([sent.size(), sent[0]["payload"]["x"], sent[1]["payload"]["x"]], [2, 0.0, 9.0])


func test_latest_waits_for_the_connection_but_not_for_long() -> void:
	fake.welcome()
	fake.close()
	fake.room.send_latest("move", {"x": 1.0})
	fake.advance(0.3)
	fake.welcome(null, {"recovered": true})
	equal(fake.sent("move").size(), 1)
	fake.close()
	fake.room.send_latest("move", {"x": 2})
	fake.advance(2)
	fake.welcome(null, {"recovered": true})
	equal(fake.sent("move").size(), 1)


func test_what_cannot_be_sent_is_a_usage_error() -> void:
	fake.welcome()
	take()
	check(not fake.room.send("move", Vector2.ONE), "a vector is no JSON")
	fake.room.send_latest("move", {"at": Vector2.ONE})
	var big: GodraResult = await fake.room.request("say", "é".repeat(40_000))
	sees(["bad_request", "bad_request"] as Array[String])
	equal([big.error.code, big.error.kind, big.error.outcome], ["too_large", "usage", "none"])
	equal(fake.all_sent().size(), 0)


func test_hostile_messages_are_told_and_the_state_is_asked_for_once_a_second() -> void:
	fake.welcome()
	take()
	var hostile: Array[String] = [
		"{", "7", "null", '{"type":7}', '{"type":"batch"}', '{"type":"chat","seq":"1"}', '"\\ud800"'
	]
	hostile.append('{"type":"batch","events":[{"type":"batch","events":[]}]}')
	for text in hostile:
		fake.receive_text(text)
	equal(told.count("bad_message"), hostile.size())
	equal(fake.sent("resync").size(), 1)
	fake.advance(1)
	equal(fake.sent("resync").size(), 2)
	fake.snapshot({"x": 2})
	fake.advance(5)
	equal(fake.sent("resync").size(), 2)
	fake.event("chat")
	equal(told.back(), "chat 2")


func test_a_dead_connection_is_found_by_the_heartbeat() -> void:
	fake.options.heartbeat = 20.0
	fake.welcome()
	fake.advance(20)
	equal(fake.sent("heartbeat").size(), 1)
	fake.advance(10)
	sees(["connected", "lost 1006", "attempt 1"] as Array[String])


func test_a_wake_up_looks_at_once() -> void:
	fake.welcome()
	fake.room.check_now()
	fake.advance(3)
	sees(["connected", "lost 1006", "attempt 1"] as Array[String])
	fake.room.check_now()
	check(fake.url().contains("game_id=a"), "no attempt")


func test_the_servers_clock() -> void:
	fake.welcome({}, {"now": 5_000_000})
	fake.advance(2)
	equal(fake.room.server_time(), 5002.0)


func test_handlers_of_freed_nodes_are_forgotten() -> void:
	var node := Label.new()
	fake.room.on("chat", func(payload: Variant, _seq: int) -> void: node.text = payload)
	var bound := node.set_text
	fake.room.on("say", func(_payload: Variant, _seq: int) -> void: told.append("say"))
	fake.room.off("chat", bound)
	fake.welcome()
	fake.event("chat", "hi")
	equal(node.text, "hi")
	node.free()
	fake.event("say")
	sees(["connected", "chat 1", "say", "say 2"] as Array[String])
