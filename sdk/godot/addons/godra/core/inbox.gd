extends RefCounted
## Reads the messages of the server, and hands each to whom it is for.

const Errors := preload("errors.gd")
const Json := preload("json.gd")
const Outbox := preload("outbox.gd")
const Pending := preload("pending.gd")
const Position := preload("position.gd")
const Welcome := preload("welcome.gd")

## func(welcome: Dictionary)
var on_welcome: Callable
## func(error: GodraError): in the place of a welcome.
var on_refusal: Callable
## func(type: String, payload: Variant, seq: int)
var on_event: Callable
## func(state: Variant, seq: int)
var on_snapshot: Callable
## func(error: GodraError): of an input that nobody waits for, or a message that makes no sense.
var on_error: Callable
## func(): something was lost that may have been an event.
var on_doubt: Callable
## How many events came.
var events := 0

var _position: Position
var _pending: Pending
var _outbox: Outbox
var _is_open := false


func _init(position: Position, pending: Pending, outbox: Outbox) -> void:
	_position = position
	_pending = pending
	_outbox = outbox


## The next message is the first of a new connection.
func restart() -> void:
	_is_open = false


func read(text: String) -> void:
	var parsed := Json.parse(text)
	if parsed.why != "":
		lost("The server sent a message that cannot be read: %s" % parsed.why)
	else:
		_one(parsed.value, false)


## Something came that could not be read, or got lost here. It may have been an event.
func lost(why: String) -> void:
	_malformed(why)
	if _is_open:
		_position.doubt()
		on_doubt.call()


func _malformed(why: String) -> void:
	on_error.call(GodraError.new("bad_message", why))


func _one(value: Variant, is_in_batch: bool) -> void:
	if not value is Dictionary:
		lost("The server sent a message that is not an object")
		return
	var message: Dictionary = value
	var type: Variant = message.get("type")
	if not type is String:
		lost("The server sent a message without a type")
		return
	match type:
		"batch":
			_batch(message, is_in_batch)
		"welcome":
			_welcome(message)
		"error" when not _is_open:
			on_refusal.call(Errors.of_refusal(message.get("payload")))
		"reply", "error":
			_settle(message, type == "error")
		_ when not _is_open:
			_malformed("The server sent %s before its welcome" % type)
		_:
			_event(message, type)


func _batch(message: Dictionary, is_in_batch: bool) -> void:
	if is_in_batch:
		lost("The server sent a batch in a batch")
	elif not message.get("events") is Array:
		lost("The server sent a batch without a list of events")
	else:
		for one: Variant in message["events"]:
			_one(one, true)


func _welcome(message: Dictionary) -> void:
	if _is_open:
		lost("The server sent a second welcome")
		return
	var welcome: Variant = Welcome.read(message.get("payload"))
	if welcome == null:
		# A good one may follow; if none does, the time limit ends the attempt.
		_malformed("The server sent a welcome of a wrong shape")
		return
	_is_open = true
	on_welcome.call(welcome)


func _event(message: Dictionary, type: String) -> void:
	var seq := Json.whole(message.get("seq"))
	if seq < 0 and message.get("seq") != null:
		lost("The server sent %s with a seq that is not a whole number" % type)
		return
	if type == "snapshot":
		_snapshot(message, seq)
	elif _position.event(seq):
		events += 1
		on_event.call(type, message.get("payload"), seq)


func _snapshot(message: Dictionary, seq: int) -> void:
	var epoch: Variant = message.get("epoch", "")
	if seq < 0 or not epoch is String:
		lost("The server sent a snapshot without a seq, or with an epoch that is not a text")
		return
	_position.snapshot(epoch, seq)
	if epoch != "":
		_outbox.epoch_is(epoch)
	on_snapshot.call(message.get("payload"), seq)


func _settle(message: Dictionary, is_error: bool) -> void:
	var id := Json.whole(message.get("id"))
	var n := Json.whole(message.get("n"))
	if (id < 0 and message.get("id") != null) or (n < 0 and message.get("n") != null):
		_malformed("The server sent an answer with an id or n that is not a whole number")
		return
	if id < 0 and n < 0 and not is_error:
		_malformed("The server sent a reply without an id")
		return
	var result := GodraResult.success(message.get("result"))
	if is_error:
		result = GodraResult.failure(Errors.of_input(message.get("payload")))
	if not _outbox.settle(id, n, result) and not _pending.settle(id, result) and is_error:
		on_error.call(result.error)
