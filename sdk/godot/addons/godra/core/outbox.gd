extends RefCounted
## Requests that run exactly once: numbered, kept until they are answered, and sent again by the next
## connection, as sdk/PROTOCOL.md says of numbered inputs. No socket and no clock of its own.

const Backoff := preload("backoff.gd")
const Clock := preload("clock.gd")
const Errors := preload("errors.gd")
const Inputs := preload("inputs.gd")
const Item := preload("outbox_item.gd")
const Pending := preload("pending.gd")

## So many may wait for their answers.
const MAX_WAITING := 64
## So many are on their way at once, as the server keeps the first answers to so many: an answer that
## got lost can come again.
const MAX_UNDER_WAY := 16
const _FIRST_RETRY_MS := 100.0
const _MAX_RETRY_MS := 5000.0
## With these the server says: not now. They have not run, or nobody knows.
const _NOT_NOW: Array[String] = ["busy", "unavailable", "rate_limited", "out_of_order"]

## Oldest first.
var _waiting: Array[Item] = []
var _send: Callable
var _clock: Clock
var _random: Callable
var _is_open := false
var _is_numbered := true
var _next_n := 1
var _epoch := ""
var _user := ""
var _refusals := 0
var _retry: Clock.Alarm = null


## `send` is func(text: String) -> bool: whether it was sent.
func _init(send: Callable, clock: Clock, random: Callable) -> void:
	_send = send
	_clock = clock
	_random = random


## Takes a request, and answers it, by whichever connection that comes. `text` has its id; a timeout
## of 0 is none.
func add(id: int, action: String, text: String, timeout: float, answered: Callable) -> void:
	var item := Item.new()
	item.id = id
	item.action = action
	item.text = text
	item.answered = answered
	if not _is_numbered:
		item.answer(_unsupported(item))
		return
	if _waiting.size() >= MAX_WAITING:
		var why := "%d requests wait already: %s was not sent" % [MAX_WAITING, action]
		item.answer(GodraResult.failure(Errors.input("queue_full", why, "none")))
		return
	if timeout > 0:
		item.alarm = _clock.after(timeout * 1000, _timed_out.bind(item, timeout))
	_waiting.append(item)
	_flush()


## A connection is there: what waits goes out, the oldest first, with the numbers that it had. `n` is
## the last that ran, -1 if the server knows none of this.
func welcome(user: String, epoch: String, n: int) -> void:
	_is_open = true
	_is_numbered = n >= 0
	if not _is_numbered:
		_fail_if(func(_item: Item) -> bool: return true, _unsupported)
		return
	var is_other := _user != "" and user != _user
	if is_other:
		fail("The connection is another player's now")
	var is_lost := func(item: Item) -> bool: return item.epoch != "" and item.epoch != epoch
	_fail_if(is_lost, _disconnected.bind("The server has lost the room's data"))
	_next_n = n + 1 if is_other or epoch != _epoch else maxi(_next_n, n + 1)
	_epoch = epoch
	_user = user
	_flush()


## The store lost its data while the connection holds. What is under way gets its answer, unless the
## connection goes, too.
func epoch_is(epoch: String) -> void:
	_epoch = epoch


func lost() -> void:
	_is_open = false
	_refusals = 0
	if _retry != null:
		_retry.cancel()
	_retry = null
	for item in _waiting:
		item.is_under_way = false


## No connection will follow.
func fail(why: String) -> void:
	_fail_if(func(_item: Item) -> bool: return true, _disconnected.bind(why))


## Whether this was an answer to a numbered request.
func settle(id: int, n: int, result: GodraResult) -> bool:
	var item := _find(id, n)
	# What was sent twice is answered twice.
	if item == null:
		return n >= 0
	if not result.ok and result.error.code in _NOT_NOW:
		_put_off(item)
		return true
	_waiting.erase(item)
	_refusals = 0
	item.answer(result)
	_flush()
	return true


## Nobody waits for this one any more. One that was sent stays: see _timed_out.
func forget(id: int) -> void:
	for item in _waiting:
		if item.id == id:
			item.answered = Callable()
			if item.n == 0:
				_waiting.erase(item)
			return


func outcome_of(id: int) -> String:
	for item in _waiting:
		if item.id == id:
			return item.outcome
	return "unknown"


func _find(id: int, n: int) -> Item:
	for item in _waiting:
		if item.n > 0 and (item.id == id or item.n == n):
			return item
	return null


func _flush() -> void:
	if not _is_open or _retry != null:
		return
	var under_way := 0
	for item in _waiting:
		under_way += int(item.is_under_way)
	for item: Item in _waiting.duplicate():
		if item.is_under_way:
			continue
		if under_way >= MAX_UNDER_WAY:
			return
		if not _send_item(item):
			_retry_later()
			return
		under_way += 1


func _send_item(item: Item) -> bool:
	var n := item.n if item.n > 0 else _next_n
	if not _send.call(Inputs.with(item.text, "n", n)):
		return false
	item.n = n
	if item.epoch == "":
		item.epoch = _epoch
	item.is_under_way = true
	_next_n = maxi(_next_n, n + 1)
	return true


# What was sent behind it must not run before it, and the server refuses it, too: all of that goes
# again, in order.
func _put_off(refused: Item) -> void:
	for item in _waiting:
		if item.n >= refused.n:
			item.is_under_way = false
	_retry_later()


func _retry_later() -> void:
	if _retry != null:
		return
	_refusals += 1
	var about := Backoff.Situation.new()
	about.attempt = _refusals + 1
	about.answers = _refusals
	var delay := Backoff.delay_ms(about, _FIRST_RETRY_MS, _MAX_RETRY_MS, _random)
	_retry = _clock.after(delay, _retry_now)


func _retry_now() -> void:
	_retry = null
	_flush()


# One that was sent stays, unheard: it may have been refused, and then holds back all behind it until
# it comes again.
func _timed_out(item: Item, timeout: float) -> void:
	if item.n == 0:
		_waiting.erase(item)
	item.answer(GodraResult.failure(Pending.late(item.action, timeout, item.outcome)))


func _fail_if(is_meant: Callable, result_of: Callable) -> void:
	for item: Item in _waiting.duplicate():
		if is_meant.call(item):
			_waiting.erase(item)
			item.answer(result_of.call(item))


func _disconnected(item: Item, why: String) -> GodraResult:
	var more := "was not sent" if item.n == 0 else "may have run, or not"
	var message := "%s: %s %s" % [why, item.action, more]
	return GodraResult.failure(Errors.input("disconnected", message, item.outcome))


func _unsupported(item: Item) -> GodraResult:
	var why := "This server takes no numbered inputs: %s was not sent" % item.action
	return GodraResult.failure(Errors.input("unsupported", why, item.outcome))
