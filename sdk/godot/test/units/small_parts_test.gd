extends "res://test/harness/case.gd"

const Address := preload("res://addons/godra/core/address.gd")
const Ban := preload("res://addons/godra/core/ban.gd")
const Clock := preload("res://addons/godra/testing/virtual_clock.gd")
const CloseCodes := preload("res://addons/godra/core/close_codes.gd")
const Dispatch := preload("res://addons/godra/core/dispatch.gd")
const Position := preload("res://addons/godra/core/position.gd")
const RetryAfter := preload("res://addons/godra/core/retry_after.gd")


func test_addresses() -> void:
	equal(Address.new("http://a:1").of("ws"), "http://a:1/ws")
	equal(Address.new(" wss://a/games/x/?q#h ").of("ready"), "https://a/games/x/ready")
	for wrong: String in ["", "a", "ftp://a", "http://", "://a"]:
		equal(Address.new(wrong).base, "", wrong)
	var socket := Address.new("https://a/g").of_socket("r", "e&1", 7)
	equal(socket, "wss://a/g/ws?game_id=r&epoch=e%261&since=7&refuse=close")
	equal(Address.new("http://a").of_socket("r", "", -1), "ws://a/ws?game_id=r&refuse=close")
	socket = Address.new("http://a").of_socket("r", "", -1, '{"a":"&"}')
	equal(socket, "ws://a/ws?game_id=r&refuse=close&options=%7B%22a%22%3A%22%26%22%7D")


func test_lobby_ids() -> void:
	equal(Address.id_of("game:a-B_9"), "a-B_9")
	for wrong: String in ["", "game:", "a b", "ä", "a/b", "x".repeat(65), "game:game:a"]:
		equal(Address.id_of(wrong), "", wrong)


func test_lobby_ids_of_games() -> void:
	for said: String in ["a-B_9", "game:a-B_9", "chess~a-B_9", "game:chess~a-B_9"]:
		equal(Address.id_of(said, "chess"), "chess~a-B_9", said)
	for wrong: String in ["", "chess~", "go~a", "chess~chess~a", "~a"]:
		equal(Address.id_of(wrong, "chess"), "", wrong)
	equal(Address.id_of("chess~a"), "")


func test_close_codes() -> void:
	for code: int in [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4000, 4001, 4321, 4499]:
		check(CloseCodes.comes_back(code), "%d comes back" % code)
	for code: int in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4500, 4505, 4999, 5000]:
		check(not CloseCodes.comes_back(code), "%d stays away" % code)


func test_bans() -> void:
	equal(Ban.read("banned until 1795913806123: be nice: or else").get("until"), 1795913806123)
	equal(
		Ban.read("banned until 1795913806123: be nice: or else").get("reason"), "be nice: or else"
	)
	equal(Ban.read("banned"), {})


func test_retry_after() -> void:
	equal(RetryAfter.read("7", 0), 7.0)
	equal(RetryAfter.read("Sun, 06 Nov 1994 08:49:37 GMT", 784111767.0), 10.0)
	equal(RetryAfter.read("Sun, 06 Nov 1994 08:49:37 GMT", 784111787.0), 0.0)
	for wrong: String in ["", "soon", "-", "Sun, 06 Foo 1994 08:49:37 GMT"]:
		equal(RetryAfter.read(wrong, 0), -1.0, wrong)


func test_position() -> void:
	var position := Position.new()
	check(not position.can_resume, "nothing is known yet")
	position.welcome(false, "e", 5)
	check(position.event(6) and position.event(9) and not position.event(9), "numbers rise")
	check(position.event(-1), "events without a number are told as they come")
	position.reached(12)
	position.reached(3)
	equal(position.seq, 12)
	position.welcome(true, "e", 12)
	equal(position.seq, 12)
	position.doubt()
	check(not position.can_resume, "in doubt the state is asked for")
	position.snapshot("", 4)
	check(position.can_resume and position.seq == 4 and position.epoch == "e", "a snapshot heals")


func test_timers_run_in_order_and_can_be_cancelled() -> void:
	var clock := Clock.new()
	var ran: Array[String] = []
	clock.after(30, func() -> void: ran.append("b"))
	clock.after(10, func() -> void: clock.after(5, func() -> void: ran.append("a")))
	var never := clock.after(20, func() -> void: ran.append("never"))
	never.cancel()
	clock.advance(29)
	equal(ran, ["a"] as Array[String])
	clock.advance(1)
	equal(ran, ["a", "b"] as Array[String])


func test_a_handler_is_not_called_within_itself() -> void:
	var dispatch := Dispatch.new()
	var ran: Array[String] = []
	var second := func() -> void: ran.append("second")
	var first := func() -> void:
		dispatch.post(second)
		dispatch.run()
		ran.append("first")
	dispatch.post(first)
	dispatch.run()
	equal(ran, ["first", "second"] as Array[String])
