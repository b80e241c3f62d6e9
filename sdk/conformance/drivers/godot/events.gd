extends RefCounted
## Reports what a game would see, and does in its handlers what the judge asked for.

const Channel := preload("channel.gd")
const Report := preload("report.gd")

var _channel: Channel
var _of: String
## func(command: Dictionary)
var _run: Callable
## Commands by the event in whose handler they run.
var _acts := {}


func _init(channel: Channel, of: String, run: Callable) -> void:
	_channel = channel
	_of = of
	_run = run


func watch(room: GodraRoom) -> void:
	room.connected.connect(_connected.bind(room.id))
	room.reconnecting.connect(_reconnecting.bind(room.id))
	room.disconnected.connect(_disconnected.bind(room.id))
	room.snapshot.connect(_snapshot.bind(weakref(room)))
	room.event.connect(_event.bind(room.id))
	room.failed.connect(_failed.bind(room.id))


func act_in(event: String, command: Dictionary, _rooms: Array) -> void:
	_acts[event] = command


func session_ended(error: GodraError) -> void:
	var report: Dictionary = _error(error)
	report["code"] = "session_ended"
	_tell("session_ended", report)


func _connected(welcome: Dictionary, room: String) -> void:
	var report := {"room": room}
	for field: String in ["seq", "epoch", "recovered", "n"]:
		report[field] = welcome[field]
	_tell("connected", report)
	_act("connected")


func _reconnecting(attempt: int, delay: float, room: String) -> void:
	_tell("reconnecting", {"room": room, "attempt": attempt, "delay_ms": delay * 1000})
	_act("reconnecting")


func _disconnected(code: int, reason: String, will: bool, cause: GodraError, room: String) -> void:
	var report := {
		"room": room, "code": code, "reason": reason, "will_reconnect": will, "cause": _error(cause)
	}
	_tell("disconnected", report)
	_act("disconnected")


func _snapshot(_state: Variant, room: WeakRef) -> void:
	_tell("snapshot", {"room": room.get_ref().id, "seq": room.get_ref().seq})
	_act("snapshot")


func _event(type: StringName, payload: Variant, seq: int, room: String) -> void:
	var report := {"room": room, "type": type, "payload": payload}
	if seq >= 0:
		report["seq"] = seq
	_tell("message", report)
	_act(type)


func _failed(error: GodraError, room: String) -> void:
	var report: Dictionary = _error(error)
	report["room"] = room
	_tell("error", report)


func _error(error: GodraError) -> Variant:
	return null if error == null else Report.of(error)


func _act(event: String) -> void:
	if _acts.has(event):
		_run.call(_acts[event])


func _tell(event: String, report: Dictionary) -> void:
	report["of"] = _of
	report["event"] = event
	_channel.tell(report)
