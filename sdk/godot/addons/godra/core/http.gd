extends RefCounted
## HTTP by the engine's HTTPRequest nodes, one for each call.

const Clock := preload("clock.gd")

## Of an answer.
const MAX_BYTES := 16 * 1024 * 1024

var _parent: Node
var _clock: Clock
var _calls: Array[Call] = []


## What was answered. A `status` of 0 means that nothing was: then `failure` says why.
class Answer:
	extends RefCounted
	var status := 0
	var failure := ""
	var why := ""
	var headers := {}
	var body := ""


class Call:
	extends RefCounted
	signal done(answer: Answer)
	var node: HTTPRequest
	var alarm: Clock.Alarm
	var is_done := false

	func finish(answer: Answer) -> void:
		if is_done:
			return
		is_done = true
		if alarm != null:
			alarm.cancel()
		if is_instance_valid(node):
			node.cancel_request()
			node.queue_free()
		done.emit(answer)


func _init(parent: Node, clock: Clock) -> void:
	_parent = parent
	_clock = clock


## `timeout` in seconds.
func send(
	method: HTTPClient.Method,
	url: String,
	headers: PackedStringArray,
	body: String,
	timeout: float,
	cancel: GodraCancel
) -> Answer:
	if cancel != null and cancel.is_cancelled:
		return _failed("cancelled", "the call was cancelled")
	var one := Call.new()
	one.node = HTTPRequest.new()
	# A redirect must not carry the token to somebody else.
	one.node.max_redirects = 0
	one.node.body_size_limit = MAX_BYTES
	_parent.add_child(one.node)
	one.node.request_completed.connect(_completed.bind(one))
	var late := "no answer within %s s" % timeout
	one.alarm = _clock.after(timeout * 1000, one.finish.bind(_failed("timeout", late)))
	var give_up := one.finish.bind(_failed("cancelled", "the call was cancelled"))
	if cancel != null:
		cancel.cancelled.connect(give_up)
	var began := one.node.request(url, headers, method, body)
	if began != OK:
		one.finish.call_deferred(
			_failed("unavailable", "the call could not be made: %s" % error_string(began))
		)
	_calls.append(one)
	var answer: Answer = await one.done
	_calls.erase(one)
	if cancel != null and cancel.cancelled.is_connected(give_up):
		cancel.cancelled.disconnect(give_up)
	return answer


## Ends all calls.
func close() -> void:
	for one: Call in _calls.duplicate():
		one.finish(_failed("cancelled", "the client was closed"))


func _completed(
	result: int, status: int, headers: PackedStringArray, body: PackedByteArray, one: Call
) -> void:
	if result == HTTPRequest.RESULT_BODY_SIZE_LIMIT_EXCEEDED:
		one.finish(_failed("bad_response", "the answer is longer than %d bytes" % MAX_BYTES))
		return
	var is_answer := (
		result in [HTTPRequest.RESULT_SUCCESS, HTTPRequest.RESULT_REDIRECT_LIMIT_REACHED]
	)
	if not is_answer or status == 0:
		one.finish(_failed("unavailable", "the server cannot be reached (%d)" % result))
		return
	var answer := Answer.new()
	answer.status = status
	answer.body = body.get_string_from_utf8()
	for header in headers:
		var colon := header.find(":")
		answer.headers[header.left(colon).to_lower()] = header.substr(colon + 1).strip_edges()
	one.finish(answer)


func _failed(failure: String, why: String) -> Answer:
	var answer := Answer.new()
	answer.failure = failure
	answer.why = why
	return answer
