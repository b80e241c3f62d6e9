extends RefCounted
## Brings what happens in a room to the game: in order, one after another, and nothing after the end.

const Connector := preload("connector.gd")
const Dispatch := preload("dispatch.gd")
const Log := preload("log.gd")
const Promise := preload("promise.gd")
const Replica := preload("replica.gd")

const WARN_EVERY_MS := 10_000

var replica := Replica.new()
var joined := Promise.new()
## Who this player is.
var me: Dictionary = {}
## The number of the newest event that the game has seen.
var seq := -1
## The game has closed the room: only its end comes.
var is_closed := false
## func(room: GodraRoom): it is over.
var on_over: Callable

var _dispatch: Dispatch
var _log: Log
var _room: WeakRef
var _handlers := {}
var _has_changed := false
## When an error that nobody listens to was last logged, by its code.
var _warned := {}


func _init(dispatch: Dispatch, logs: Log) -> void:
	_dispatch = dispatch
	_log = logs


func attach(room: GodraRoom, connector: Connector) -> void:
	_room = weakref(room)
	connector.on_connected = _post_connected
	connector.on_reconnecting = _post_reconnecting
	connector.on_disconnected = _post_disconnected
	connector.on_over = _over
	connector.on_joined = answer.bind(joined)
	var inbox := connector.conversation.inbox
	inbox.on_event = _post_event
	inbox.on_snapshot = _post_snapshot
	inbox.on_error = _post_error


func add_handler(type: StringName, callable: Callable) -> void:
	if not _handlers.has(type):
		_handlers[type] = []
	if not callable in _handlers[type]:
		_handlers[type].append(callable)


func remove_handler(type: StringName, callable: Callable) -> void:
	if _handlers.has(type):
		_handlers[type].erase(callable)


## Settles the promise where the result has its place among the events.
func answer(result: GodraResult, promise: Promise) -> void:
	_dispatch.post(_settle.bind(result, promise, _room.get_ref()))


## An error of a call that gives none back.
func report_now(error: GodraError) -> void:
	_post_error(error)
	_dispatch.run()


func run() -> void:
	_dispatch.run()


## What came with one message has been told.
func message_is_over() -> void:
	_dispatch.post(_changed.bind(_room.get_ref()))


# The room is bound to what is posted, so that it lives until then.
func _post_connected(welcome: Dictionary) -> void:
	_dispatch.post(_connected.bind(welcome, _room.get_ref()))


func _post_reconnecting(attempt: int, delay: float) -> void:
	_dispatch.post(_reconnecting.bind(attempt, delay, _room.get_ref()))


func _post_disconnected(code: int, reason: String, will: bool, cause: GodraError) -> void:
	_dispatch.post(_disconnected.bind(code, reason, will, cause, _room.get_ref()))


func _post_event(type: String, payload: Variant, seq: int) -> void:
	_dispatch.post(_event.bind(type, payload, seq, _room.get_ref()))


func _post_snapshot(state: Variant, seq: int) -> void:
	_dispatch.post(_snapshot.bind(state, seq, _room.get_ref()))


func _post_error(error: GodraError) -> void:
	_dispatch.post(_report.bind(error, _room.get_ref()))


func _over() -> void:
	if on_over.is_valid():
		on_over.call(_room.get_ref())


func _settle(result: GodraResult, promise: Promise, _kept: GodraRoom) -> void:
	promise.settle(result)


func _connected(welcome: Dictionary, room: GodraRoom) -> void:
	if is_closed:
		return
	me = {}
	for field: String in ["user_id", "username", "role"]:
		me[field] = welcome[field]
	if not welcome["recovered"]:
		replica.state = welcome["state"]
		seq = welcome["seq"]
		_has_changed = true
	_log.info("room %s: connected" % room.id, {"seq": welcome["seq"]})
	room.connected.emit(welcome)


func _reconnecting(attempt: int, delay: float, room: GodraRoom) -> void:
	if is_closed:
		return
	_log.info("room %s: attempt %d in %.3f s" % [room.id, attempt, delay])
	room.reconnecting.emit(attempt, delay)


func _disconnected(
	code: int, reason: String, will: bool, cause: GodraError, room: GodraRoom
) -> void:
	if is_closed and will:
		return
	is_closed = true if not will else is_closed
	_log.info("room %s: disconnected" % room.id, {"code": code, "reason": reason})
	room.disconnected.emit(code, reason, will, cause)


func _event(type: String, payload: Variant, event_seq: int, room: GodraRoom) -> void:
	if is_closed:
		return
	seq = maxi(seq, event_seq)
	_has_changed = replica.event(type, payload) or _has_changed
	for handler: Callable in _handlers.get(type, []).duplicate():
		if is_closed:
			return
		# Of a node that is freed.
		if not handler.is_valid():
			_handlers[type].erase(handler)
			continue
		handler.call(payload, event_seq)
	if not is_closed:
		room.event.emit(type, payload, event_seq)


func _snapshot(state: Variant, new_seq: int, room: GodraRoom) -> void:
	if is_closed:
		return
	replica.state = state
	seq = new_seq
	_has_changed = true
	room.snapshot.emit(state)


func _changed(room: GodraRoom) -> void:
	if _has_changed and not is_closed:
		_has_changed = false
		room.changed.emit(replica.state)


func _report(error: GodraError, room: GodraRoom) -> void:
	if is_closed:
		return
	if room.failed.get_connections().is_empty():
		_warn(error, room)
	else:
		room.failed.emit(error)


# A game that sends too much gets as many errors: the log tells of each kind now and then.
func _warn(error: GodraError, room: GodraRoom) -> void:
	var now := Time.get_ticks_msec()
	if now - _warned.get(error.code, -WARN_EVERY_MS) < WARN_EVERY_MS:
		return
	_warned[error.code] = now
	_log.warning("room %s: %s (connect to `failed` to hear of all)" % [room.id, error])
