extends RefCounted
## The link of a room that counts, one after another; and what all of them sent and received.

const Clock := preload("clock.gd")

const _FIGURES: Array[String] = ["bytes_in", "bytes_out", "frames_in", "frames_out"]

## func() -> a link.
var make_link: Callable
## func(text: String)
var on_text: Callable
## func(why: String): a message was lost.
var on_lost: Callable
## func(code: int, reason: String, was_opened: bool)
var on_ended: Callable
## func(): it took longer than it may.
var on_late: Callable
## func(link): it is closing, and to be polled until it is closed.
var on_closing: Callable
## When anything came.
var heard_ms := 0.0
## The token that it was opened with.
var token := ""

var _clock: Clock
## Null between two.
var _link: RefCounted = null
var _alarm: Clock.Alarm = null
var _past := {}


func _init(clock: Clock) -> void:
	_clock = clock
	for figure in _FIGURES:
		_past[figure] = 0


## `limit` in seconds, until [method is_welcome].
func open(url: String, with_token: String, limit: float) -> void:
	token = with_token
	_link = make_link.call()
	_link.on_text = _received
	_link.on_lost = _lost
	_link.on_ended = _ended
	_alarm = _clock.after(limit * 1000, _late)
	_link.open(url, token)


func is_welcome() -> void:
	if _alarm != null:
		_alarm.cancel()
	_alarm = null


func send(text: String) -> bool:
	return _link != null and _link.send(text)


## Reads what came. Gives whether there is more.
func poll(most: int, deadline: int) -> bool:
	return _link != null and _link.poll(most, deadline)


## Closes it; nothing is told of it any more.
func drop(code: int, reason: String) -> void:
	if _link == null:
		return
	# A reason has at most 123 bytes.
	_link.close(code, reason.left(40))
	on_closing.call(_link)
	_forget()


func stats() -> Dictionary:
	var figures := _past.duplicate()
	if _link != null:
		for figure in _FIGURES:
			figures[figure] += _link.get(figure)
	return figures


func _forget() -> void:
	is_welcome()
	_past = stats()
	_link = null


func _received(text: String) -> void:
	heard_ms = _clock.now_ms()
	on_text.call(text)


func _lost(why: String) -> void:
	heard_ms = _clock.now_ms()
	on_lost.call(why)


func _ended(code: int, reason: String, was_opened: bool) -> void:
	_forget()
	on_ended.call(code, reason, was_opened)


func _late() -> void:
	_alarm = null
	on_late.call()
