extends RefCounted
## What is said in a room over all its connections: inputs and their answers, events, and the place in
## the room's history.

const Clock := preload("clock.gd")
const Errors := preload("errors.gd")
const Heartbeat := preload("heartbeat.gd")
const Inbox := preload("inbox.gd")
const Inputs := preload("inputs.gd")
const Latest := preload("latest.gd")
const Outbox := preload("outbox.gd")
const Pending := preload("pending.gd")
const Position := preload("position.gd")
const Resync := preload("resync.gd")

## So soon a connection has to show that it lived through a sleep.
const WAKE_LIMIT := 3.0

var position := Position.new()
var inbox: Inbox
var heartbeat: Heartbeat
var resync: Resync
## How many inputs were not sent.
var dropped := 0

var _options: GodraOptions
var _send_text: Callable
var _pending: Pending
var _outbox: Outbox
var _latest: Latest
var _next_id := 1


## `send_text` is func(text: String) -> bool, `heard_ms` tells when anything was received, `died` ends
## the connection.
func _init(
	options: GodraOptions, clock: Clock, send_text: Callable, heard_ms: Callable, died: Callable
) -> void:
	_options = options
	_send_text = send_text
	_pending = Pending.new(clock)
	_outbox = Outbox.new(send_text, clock, options.random)
	_latest = Latest.new(send_text, clock)
	heartbeat = Heartbeat.new(clock, options, _beat, heard_ms, died)
	resync = Resync.new(clock, position, _ask)
	inbox = Inbox.new(position, _pending, _outbox)
	inbox.on_doubt = resync.want


func welcome(what: Dictionary) -> void:
	position.welcome(what["recovered"], what["epoch"], what["seq"])
	heartbeat.start(what["now"])
	resync.start()
	# Before the game hears of the connection, so that all that it sends then comes behind.
	_outbox.welcome(what["user_id"], what["epoch"], what["n"])
	_latest.welcome(what["sync_interval_ms"])


func send(action: String, payload: String) -> bool:
	var is_sent: bool = _send_text.call(Inputs.of(action, payload))
	if not is_sent:
		dropped += 1
	return is_sent


func send_latest(key: String, action: String, payload: String) -> void:
	_latest.put(key, Inputs.of(action, payload))


## Takes a request, and gives its id. A negative timeout is the default; `answered` is
## func(result: GodraResult).
func request(
	action: String, payload: String, once: bool, timeout: float, answered: Callable
) -> int:
	var id := _take_id()
	var text := Inputs.with(Inputs.of(action, payload), "id", id)
	if once:
		_outbox.add(id, action, text, timeout, answered)
	elif _pending.is_full:
		var why := "%d requests wait already: %s was not sent" % [Pending.MAX_WAITING, action]
		answered.call(GodraResult.failure(Errors.input("queue_full", why, "none")))
	elif not _send_text.call(text):
		answered.call(not_sent(action))
	else:
		_pending.add(id, action, timeout if timeout > 0 else _options.request_timeout, answered)
	return id


## Nobody waits for this request any more.
func forget(id: int) -> String:
	var outcome := _outbox.outcome_of(id)
	_pending.forget(id)
	_outbox.forget(id)
	return outcome


func check_now() -> void:
	heartbeat.check(WAKE_LIMIT)


func lost(why: String) -> void:
	heartbeat.stop()
	resync.stop()
	_pending.fail(why)
	_outbox.lost()
	_latest.lost()


## No connection will follow.
func end(why: String) -> void:
	lost(why)
	_outbox.fail(why)


static func not_sent(action: String) -> GodraResult:
	var why := "Not connected: %s was not sent" % action
	return GodraResult.failure(Errors.input("disconnected", why, "none"))


func _beat(timeout: float, answered: Callable) -> void:
	_ask("heartbeat", timeout, _beaten.bind(answered))


func _beaten(result: GodraResult, answered: Callable) -> void:
	if result.ok and result.value is Dictionary:
		position.reached(Inbox.Json.whole(result.value.get("seq")))
	answered.call(result)


func _ask(action: String, timeout: float, answered: Callable) -> void:
	var id := _take_id()
	if _send_text.call(Inputs.with(Inputs.of(action, "null"), "id", id)):
		_pending.add(id, action, timeout, answered)
	else:
		answered.call(not_sent(action))


func _take_id() -> int:
	_next_id += 1
	return _next_id - 1
