extends "res://test/harness/case.gd"

const Backoff := preload("res://addons/godra/core/backoff.gd")


func delay(fields: Dictionary, chance := 1.0) -> float:
	var about := Backoff.Situation.new()
	for field: String in fields:
		about.set(field, fields[field])
	return Backoff.delay_ms(about, 200, 20_000, func() -> float: return chance)


func test_doubles_up_to_the_cap_of_the_first_minute() -> void:
	var delays := []
	for attempt in range(1, 7):
		delays.append(delay({"attempt": attempt}))
	equal(delays, [200.0, 400.0, 800.0, 800.0, 800.0, 800.0])


func test_is_drawn_from_the_upper_half() -> void:
	equal(delay({"attempt": 3}, 0.0), 400.0)
	equal(delay({"attempt": 3}, 0.5), 600.0)


func test_waits_longer_in_a_longer_outage() -> void:
	equal(delay({"attempt": 30, "gone_ms": 59_999.0}), 800.0)
	equal(delay({"attempt": 30, "gone_ms": 60_000.0}), 5_000.0)
	equal(delay({"attempt": 30, "gone_ms": 300_000.0}), 20_000.0)


func test_first_wait_after_a_stop_is_half_a_second_to_one() -> void:
	equal(delay({"attempt": 1, "is_gentle": true}, 0.0), 500.0)
	equal(delay({"attempt": 1, "is_gentle": true}), 1_000.0)


func test_refusals_double_without_the_early_cap() -> void:
	var delays := []
	for attempt in range(1, 9):
		delays.append(delay({"attempt": attempt, "answers": attempt}))
	equal(delays, [200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, 12800.0, 20000.0])


func test_never_comes_before_what_the_server_asked_for() -> void:
	check(delay({"attempt": 1, "answers": 1, "retry_after": 7.0}, 0.0) >= 7_000, "too early")
	check(delay({"attempt": 1, "answers": 1, "retry_after": 1e9}) < 400_000, "a day is too long")
