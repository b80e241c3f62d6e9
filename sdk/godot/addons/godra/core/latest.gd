extends RefCounted
## Inputs of which only the newest counts, such as a position: at most one an interval and key goes
## out. No socket and no clock of its own.

const Clock := preload("clock.gd")

## What is older than this when the connection is back is not sent any more.
const MAX_AGE_MS := 1000.0

var _slots := {}
var _send: Callable
var _clock: Clock
var _interval_ms := 50.0
var _is_open := false


class Slot:
	extends RefCounted
	var text := ""
	var put_ms := 0.0
	var alarm: Clock.Alarm = null


## `send` is func(text: String) -> bool: whether it was sent.
func _init(send: Callable, clock: Clock) -> void:
	_send = send
	_clock = clock


func put(key: String, text: String) -> void:
	if not _slots.has(key):
		_slots[key] = Slot.new()
	var slot: Slot = _slots[key]
	slot.text = text
	slot.put_ms = _clock.now_ms()
	if _is_open and slot.alarm == null:
		_send_slot(key, slot)


func welcome(interval_ms: float) -> void:
	_is_open = true
	_interval_ms = interval_ms
	for key: String in _slots.keys():
		var slot: Slot = _slots[key]
		if slot.text != "" and _clock.now_ms() - slot.put_ms < MAX_AGE_MS:
			_send_slot(key, slot)
		else:
			_slots.erase(key)


func lost() -> void:
	_is_open = false
	for slot: Slot in _slots.values():
		if slot.alarm != null:
			slot.alarm.cancel()
			slot.alarm = null


# A connection that is too far behind takes it later, or a newer one.
func _send_slot(key: String, slot: Slot) -> void:
	if _send.call(slot.text):
		slot.text = ""
	slot.alarm = _clock.after(_interval_ms, _due.bind(key, slot))


func _due(key: String, slot: Slot) -> void:
	slot.alarm = null
	if not _is_open:
		return
	if slot.text != "":
		_send_slot(key, slot)
	else:
		_slots.erase(key)
