extends RefCounted
## Time, and timers that run within [method tick].
##
## Timers count the time in which the game ran: after a pause, as long as it may have been, what
## arrived meanwhile is read before anything is given up.

## A frame that took longer was a pause.
const LONGEST_STEP_MS := 1500.0

var _timers: Array[Alarm] = []
var _last_ms := -1.0
var _paused_ms := 0.0


class Alarm:
	extends RefCounted
	var due_ms: float
	var action: Callable

	func cancel() -> void:
		action = Callable()


## Never jumps.
func now_ms() -> float:
	return Time.get_ticks_usec() / 1000.0


## By the device's clock, which may be wrong. In seconds since 1970.
func wall() -> float:
	return Time.get_unix_time_from_system()


func after(delay_ms: float, action: Callable) -> Alarm:
	var timer := Alarm.new()
	timer.due_ms = _running_ms() + maxf(delay_ms, 0)
	timer.action = action
	_timers.append(timer)
	return timer


## Notes that time has passed. Gives for how long the game was paused, or 0.
func tick() -> float:
	var now := now_ms()
	var step := now - _last_ms if _last_ms >= 0 else 0.0
	_last_ms = now
	var pause := maxf(step - LONGEST_STEP_MS, 0)
	_paused_ms += pause
	return pause


## Runs the timers that are due, the earliest first.
func run_due() -> void:
	var now := _running_ms()
	var due: Array[Alarm] = []
	var later: Array[Alarm] = []
	for timer in _timers:
		if not timer.action.is_valid():
			continue
		if timer.due_ms <= now:
			due.append(timer)
		else:
			later.append(timer)
	_timers = later
	due.sort_custom(func(a: Alarm, b: Alarm) -> bool: return a.due_ms < b.due_ms)
	for timer in due:
		if timer.action.is_valid():
			timer.action.call()


## When the next timer is due; INF without one. By now_ms, if there was no pause.
func next_due_ms() -> float:
	var next := INF
	for alarm in _timers:
		if alarm.action.is_valid():
			next = minf(next, alarm.due_ms)
	return next


func _running_ms() -> float:
	return now_ms() - _paused_ms
