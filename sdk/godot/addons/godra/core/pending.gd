extends RefCounted
## Requests that wait for their answer on the connection that they went out by.

const Clock := preload("clock.gd")
const Errors := preload("errors.gd")

## The server lets 256 wait; more than this is a game that asks in a loop.
const MAX_WAITING := 1024

var is_full: bool:
	get:
		return _waiting.size() >= MAX_WAITING

var _waiting := {}
var _clock: Clock


class Waiter:
	extends RefCounted
	var action: String
	## func(result: GodraResult)
	var answered: Callable
	var alarm: Clock.Alarm


func _init(clock: Clock) -> void:
	_clock = clock


func add(id: int, action: String, timeout: float, answered: Callable) -> void:
	var waiter := Waiter.new()
	waiter.action = action
	waiter.answered = answered
	waiter.alarm = _clock.after(timeout * 1000, _timed_out.bind(id, timeout))
	_waiting[id] = waiter


## Whether somebody waited for this answer.
func settle(id: int, result: GodraResult) -> bool:
	var waiter := _take(id)
	if waiter == null:
		return false
	waiter.answered.call(result)
	return true


## Nobody waits for this one any more.
func forget(id: int) -> void:
	_take(id)


## The connection is gone, and the answers with it.
func fail(why: String) -> void:
	for id: int in _waiting.keys():
		var waiter := _take(id)
		var message := "%s: %s may have run, or not" % [why, waiter.action]
		var error := Errors.input("disconnected", message, "unknown")
		waiter.answered.call(GodraResult.failure(error))


static func late(action: String, timeout: float, outcome: String) -> GodraError:
	return Errors.input("timeout", "No reply to %s within %s s" % [action, timeout], outcome)


func _timed_out(id: int, timeout: float) -> void:
	var waiter := _take(id)
	if waiter != null:
		waiter.answered.call(GodraResult.failure(late(waiter.action, timeout, "unknown")))


func _take(id: int) -> Waiter:
	var waiter: Waiter = _waiting.get(id)
	if waiter != null:
		_waiting.erase(id)
		waiter.alarm.cancel()
	return waiter
