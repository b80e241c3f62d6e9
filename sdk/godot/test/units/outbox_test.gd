extends "res://test/harness/case.gd"

const Clock := preload("res://addons/godra/testing/virtual_clock.gd")
const Errors := preload("res://addons/godra/core/errors.gd")
const Outbox := preload("res://addons/godra/core/outbox.gd")

var clock := Clock.new()
var outbox := Outbox.new(_send, clock, _chance)
var sent: Array[int] = []
var answers := {}
var is_open := true


func _send(text: String) -> bool:
	if is_open:
		sent.append(int(JSON.parse_string(text)["n"]))
	return is_open


func _chance() -> float:
	return 1.0


func add(count: int, timeout := 0.0) -> void:
	for i in count:
		var id := answers.size() + 1
		answers[id] = null
		var text := '{"action":"a","payload":null,"id":%d}' % id
		outbox.add(id, "a", text, timeout, _answered.bind(id))


func _answered(result: GodraResult, id: int) -> void:
	answers[id] = result


func code(id: int) -> String:
	return "" if answers[id] == null else "ok" if answers[id].ok else answers[id].error.code


func refuse(id: int, with: String) -> void:
	outbox.settle(id, -1, GodraResult.failure(Errors.of_input({"code": with})))


func test_numbers_begin_above_the_welcomes() -> void:
	add(2)
	equal(sent, [] as Array[int])
	outbox.welcome("u", "e", 7)
	equal(sent, [8, 9] as Array[int])


func test_what_has_no_answer_is_sent_again_first_with_its_numbers() -> void:
	outbox.welcome("u", "e", 0)
	add(3)
	outbox.settle(2, -1, GodraResult.success("two"))
	outbox.lost()
	add(1)
	sent.clear()
	outbox.welcome("u", "e", 2)
	equal(sent, [1, 3, 4] as Array[int])
	equal([code(1), code(2), code(3)], ["", "ok", ""])


func test_sixteen_are_under_way_and_sixty_four_wait() -> void:
	outbox.welcome("u", "e", 0)
	add(65)
	equal(sent.size(), 16)
	equal([code(64), code(65)], ["", "queue_full"])
	equal(answers[65].error.outcome, "none")
	outbox.settle(1, -1, GodraResult.success())
	equal(sent.back(), 17)


func test_another_epoch_fails_what_was_sent() -> void:
	outbox.welcome("u", "e", 0)
	add(1)
	outbox.lost()
	add(1)
	outbox.welcome("u", "other", 0)
	equal([code(1), code(2)], ["disconnected", ""])
	equal(answers[1].error.outcome, "unknown")
	equal(sent, [1, 1] as Array[int])


func test_another_player_fails_all() -> void:
	outbox.welcome("u", "e", 0)
	add(1)
	outbox.lost()
	add(1)
	outbox.welcome("v", "e", 0)
	equal([code(1), code(2)], ["disconnected", "disconnected"])
	equal([answers[1].error.outcome, answers[2].error.outcome], ["unknown", "none"])


func test_a_busy_server_gets_it_and_all_behind_it_again_in_order() -> void:
	outbox.welcome("u", "e", 0)
	add(3)
	refuse(1, "busy")
	refuse(2, "out_of_order")
	refuse(3, "out_of_order")
	sent.clear()
	clock.advance(99)
	equal(sent, [] as Array[int])
	clock.advance(200)
	equal(sent, [1, 2, 3] as Array[int])


func test_a_script_s_error_is_an_answer() -> void:
	outbox.welcome("u", "e", 0)
	add(1)
	refuse(1, "too_poor")
	equal(code(1), "too_poor")
	equal(answers[1].error.outcome, "ran")


func test_a_timeout_says_what_is_known_and_the_input_stays() -> void:
	add(1, 5.0)
	clock.advance(5000)
	equal([code(1), answers[1].error.outcome], ["timeout", "none"])
	outbox.welcome("u", "e", 0)
	equal(sent, [] as Array[int])
	add(1, 5.0)
	clock.advance(5000)
	equal([code(2), answers[2].error.outcome], ["timeout", "unknown"])
	outbox.lost()
	outbox.welcome("u", "e", 0)
	equal(sent, [1, 1] as Array[int])


func test_a_socket_that_is_full_is_tried_again() -> void:
	outbox.welcome("u", "e", 0)
	is_open = false
	add(1)
	is_open = true
	clock.advance(1000)
	equal(sent, [1] as Array[int])


func test_a_server_without_numbers() -> void:
	add(1)
	outbox.welcome("u", "e", -1)
	add(1)
	equal([code(1), code(2)], ["unsupported", "unsupported"])
