extends RefCounted
## Finds connections that are dead although nobody closed them: a network that vanishes tells nobody.
## Measures the round trip, and the server's clock.

const Clock := preload("clock.gd")
const Json := preload("json.gd")

const _SAMPLES := 5
const _OFFSETS := 10

## The median of the last round trips in milliseconds; -1 before the first.
var latency_ms := -1.0

var _clock: Clock
var _every: float
var _timeout: float
var _ask: Callable
var _heard_ms: Callable
var _died: Callable
var _alarm: Clock.Alarm = null
## The latest check; one that it overtook says nothing any more.
var _check := 0
var _round_trips: Array[float] = []
var _offsets: Array[Offset] = []
var _first_offset_ms := NAN


## From this side's time to the server's, as one heartbeat showed it.
class Offset:
	extends RefCounted
	var ms := 0.0
	var round_trip_ms := 0.0


## `ask` is func(timeout: float, answered: Callable), `heard_ms` gives when anything was received,
## `died` ends the connection.
func _init(
	clock: Clock, options: GodraOptions, ask: Callable, heard_ms: Callable, died: Callable
) -> void:
	_clock = clock
	_every = options.heartbeat
	_timeout = options.request_timeout
	_ask = ask
	_heard_ms = heard_ms
	_died = died


## A connection was made; `now` is what its welcome said of the server's clock, or -1.
func start(now: int) -> void:
	_offsets.clear()
	_first_offset_ms = now - _clock.now_ms() if now >= 0 else NAN
	_wait()


func stop() -> void:
	if _alarm != null:
		_alarm.cancel()
	_alarm = null
	_check += 1


## Asks now, and gives up after so many seconds. `then` gets the result: the round trip in seconds.
func check(limit := _timeout, then := Callable()) -> void:
	stop()
	var mine := _check
	var sent := _clock.now_ms()
	_ask.call(limit, func(result: GodraResult) -> void: _answered(result, mine, sent, then))


## The server's clock in milliseconds since 1970; NAN if it is not known.
func server_time_ms() -> float:
	if _offsets.is_empty():
		return _clock.now_ms() + _first_offset_ms
	# The shortest way leaves the least doubt.
	var best := _offsets[0]
	for one in _offsets:
		if one.round_trip_ms < best.round_trip_ms:
			best = one
	return _clock.now_ms() + best.ms


func _wait() -> void:
	if _every > 0:
		_alarm = _clock.after(_every * 1000, check)


func _answered(result: GodraResult, mine: int, sent: float, then: Callable) -> void:
	var round_trip := _clock.now_ms() - sent
	if result.ok:
		_measured(round_trip)
		_compared(result.value, sent, round_trip)
	if mine == _check:
		if not result.ok and result.error.code == "timeout" and _heard_ms.call() <= sent:
			_died.call()
		else:
			_wait()
	if then.is_valid():
		then.call(GodraResult.success(round_trip / 1000) if result.ok else result)


func _measured(round_trip_ms: float) -> void:
	_round_trips.append(round_trip_ms)
	if _round_trips.size() > _SAMPLES:
		_round_trips.pop_front()
	var sorted := _round_trips.duplicate()
	sorted.sort()
	latency_ms = sorted[sorted.size() / 2]


func _compared(answer: Variant, sent_ms: float, round_trip_ms: float) -> void:
	var now := Json.whole(answer.get("now")) if answer is Dictionary else -1
	if now < 0:
		return
	var offset := Offset.new()
	offset.round_trip_ms = round_trip_ms
	offset.ms = now - sent_ms - round_trip_ms / 2
	_offsets.append(offset)
	if _offsets.size() > _OFFSETS:
		_offsets.pop_front()
