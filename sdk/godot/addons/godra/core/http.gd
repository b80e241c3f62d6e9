extends RefCounted
## HTTP: in browsers by their own fetch, elsewhere by the engine's HTTPRequest nodes.

const Answer := preload("answer.gd")
const BrowserHttp := preload("browser_http.gd")
const Clock := preload("clock.gd")

## Of an answer.
const MAX_BYTES := 16 * 1024 * 1024

var _parent: Node
var _clock: Clock
var _browser := BrowserHttp.new()
var _calls: Array[Call] = []


class Call:
	extends RefCounted
	signal done
	var answer: Answer = null
	## Ends what is under way.
	var stop: Callable

	func finish(with: Answer) -> void:
		if answer != null:
			return
		answer = with
		if stop.is_valid():
			stop.call()
		done.emit()

	func fail(failure: String, why: String) -> void:
		var failed := Answer.new()
		failed.failure = failure
		failed.why = why
		finish(failed)


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
	var one := Call.new()
	_calls.append(one)
	var give_up := one.fail.bind("cancelled", "the call was cancelled")
	if cancel != null and cancel.is_cancelled:
		give_up.call()
	elif _browser.is_there():
		_fetch(one, method, url, headers, body)
	else:
		_request(one, method, url, headers, body)
	var late := "no answer within %s s" % timeout
	var alarm := _clock.after(timeout * 1000, one.fail.bind("timeout", late))
	if cancel != null:
		cancel.cancelled.connect(give_up)
	if one.answer == null:
		await one.done
	if cancel != null:
		cancel.cancelled.disconnect(give_up)
	alarm.cancel()
	_calls.erase(one)
	return one.answer


## Ends all calls.
func close() -> void:
	for one: Call in _calls.duplicate():
		one.fail("cancelled", "the client was closed")


func _fetch(
	one: Call, method: HTTPClient.Method, url: String, headers: PackedStringArray, body: String
) -> void:
	var fetch := _browser.start(method, url, headers, body)
	one.stop = func() -> void: fetch.controller.abort()
	fetch.done.connect(one.finish)


func _request(
	one: Call, method: HTTPClient.Method, url: String, headers: PackedStringArray, body: String
) -> void:
	var node := HTTPRequest.new()
	# A redirect must not carry the token to somebody else.
	node.max_redirects = 0
	node.body_size_limit = MAX_BYTES
	_parent.add_child(node)
	one.stop = _stop.bind(node)
	node.request_completed.connect(_completed.bind(one))
	var began := node.request(url, headers, method, body)
	if began != OK:
		one.fail("unavailable", "the call could not be made: %s" % error_string(began))


func _stop(node: HTTPRequest) -> void:
	if is_instance_valid(node):
		node.cancel_request()
		node.queue_free()


func _completed(
	result: int, status: int, headers: PackedStringArray, body: PackedByteArray, one: Call
) -> void:
	match result:
		HTTPRequest.RESULT_SUCCESS:
			one.finish(_answer(status, headers, body))
		HTTPRequest.RESULT_REDIRECT_LIMIT_REACHED:
			one.fail("bad_response", "the server redirects, which is not followed with a token")
		HTTPRequest.RESULT_BODY_SIZE_LIMIT_EXCEEDED:
			one.fail("bad_response", "the answer is longer than %d bytes" % MAX_BYTES)
		_:
			one.fail("unavailable", "the server cannot be reached (%d)" % result)


func _answer(status: int, headers: PackedStringArray, body: PackedByteArray) -> Answer:
	var answer := Answer.new()
	answer.status = status
	answer.body = body.get_string_from_utf8()
	for header in headers:
		var colon := header.find(":")
		var name := header.left(colon).to_lower()
		if name in Answer.HEADERS:
			answer.headers[name] = header.substr(colon + 1).strip_edges()
	return answer
