extends RefCounted
## Asks the server for a snapshot when something got lost here, at most once a second.

const Clock := preload("clock.gd")
const Position := preload("position.gd")

const EVERY_MS := 1000.0
const TIMEOUT := 10.0

## How often it asked.
var count := 0

var _clock: Clock
var _position: Position
var _ask: Callable
var _asked_ms := -INF
var _alarm: Clock.Alarm = null
var _is_open := false


## `ask` is func(action: String, timeout: float, answered: Callable).
func _init(clock: Clock, position: Position, ask: Callable) -> void:
	_clock = clock
	_position = position
	_ask = ask


func start() -> void:
	_is_open = true


func stop() -> void:
	_is_open = false
	if _alarm != null:
		_alarm.cancel()
	_alarm = null


func want() -> void:
	if not _is_open or _alarm != null:
		return
	_alarm = _clock.after(_asked_ms + EVERY_MS - _clock.now_ms(), _now)
	if _asked_ms + EVERY_MS <= _clock.now_ms():
		_alarm.cancel()
		_now()


func _now() -> void:
	_alarm = null
	# A snapshot may have come meanwhile.
	if not _is_open or not _position.is_doubtful:
		return
	_asked_ms = _clock.now_ms()
	count += 1
	_ask.call("resync", TIMEOUT, _answered)


func _answered(result: GodraResult) -> void:
	if not result.ok and result.error.code in ["rate_limited", "busy", "timeout"]:
		want()
