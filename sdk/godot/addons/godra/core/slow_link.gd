extends RefCounted
## A link over a bad network: the option `simulate`. Holds up what comes and goes, in order, and breaks
## now and then.

const Clock := preload("clock.gd")
const CloseCodes := preload("close_codes.gd")

var on_opened: Callable
var on_text: Callable
var on_lost: Callable
var on_ended: Callable
var bytes_in: int:
	get:
		return _link.bytes_in
var bytes_out: int:
	get:
		return _link.bytes_out
var frames_in: int:
	get:
		return _link.frames_in
var frames_out: int:
	get:
		return _link.frames_out

var _link: RefCounted
var _clock: Clock
var _simulate: Dictionary
var _random: Callable
var _in_ms := 0.0
var _out_ms := 0.0
var _is_over := false


## `simulate` as in GodraOptions.
func _init(link: RefCounted, clock: Clock, simulate: Dictionary, random: Callable) -> void:
	_link = link
	_clock = clock
	_simulate = simulate
	_random = random
	_link.on_text = _received
	_link.on_lost = _lost
	_link.on_ended = _ended


func open(url: String, token: String) -> void:
	_link.on_opened = on_opened
	_link.open(url, token)
	var drop_every: float = _simulate.get("drop_every", 0.0)
	if drop_every > 0:
		_clock.after(drop_every * 1000 * (0.5 + _random.call()), _break)


func poll(most: int, deadline: int) -> bool:
	return not _is_over and _link.poll(most, deadline)


func send(text: String) -> bool:
	if _is_over:
		return false
	_out_ms = _due(_out_ms)
	_clock.after(_out_ms - _clock.now_ms(), _send_now.bind(text))
	return true


func close(code: int, reason: String) -> void:
	_is_over = true
	_link.close(code, reason)


func is_closed() -> bool:
	return _link.is_closed()


# One way takes half of the latency. What comes later is never earlier than what came before it.
func _due(last_ms: float) -> float:
	var way: float = _simulate.get("latency", 0.0) / 2
	var jitter: float = _simulate.get("jitter", 0.0)
	var chance: float = _random.call()
	return maxf(last_ms, _clock.now_ms() + (way + jitter * chance) * 1000)


func _later(action: Callable) -> void:
	_in_ms = _due(_in_ms)
	_clock.after(_in_ms - _clock.now_ms(), action)


func _received(text: String) -> void:
	_later(_tell.bind(text))


func _lost(why: String) -> void:
	_later(_tell_lost.bind(why))


func _ended(code: int, reason: String, was_opened: bool) -> void:
	_later(_tell_end.bind(code, reason, was_opened))


func _tell(text: String) -> void:
	if not _is_over:
		on_text.call(text)


func _tell_lost(why: String) -> void:
	if not _is_over:
		on_lost.call(why)


func _tell_end(code: int, reason: String, was_opened: bool) -> void:
	if not _is_over:
		_is_over = true
		on_ended.call(code, reason, was_opened)


func _send_now(text: String) -> void:
	if not _is_over:
		_link.send(text)


func _break() -> void:
	if _is_over:
		return
	_link.close(CloseCodes.WILL_COME_BACK, "simulated")
	_tell_end(CloseCodes.BROKEN, "simulated", true)
