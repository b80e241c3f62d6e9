extends RefCounted
## HTTP by the browser's own fetch: unlike the engine's, it can be told not to follow redirects, and
## does not wait for frames, which a hidden page has none of.

const Answer := preload("answer.gd")
const METHODS := {
	HTTPClient.METHOD_GET: "GET",
	HTTPClient.METHOD_POST: "POST",
	HTTPClient.METHOD_PATCH: "PATCH",
	HTTPClient.METHOD_DELETE: "DELETE",
}

## The page may call back until a call is done, also one that nobody waits for any more: also when the
## client is gone meanwhile.
static var _under_way := {}

var _window: JavaScriptObject


## One call, and the callbacks that the page holds meanwhile.
class Fetch:
	extends RefCounted
	signal done(answer: Answer)
	var controller: JavaScriptObject
	var answer := Answer.new()
	var got: JavaScriptObject
	var read: JavaScriptObject
	var failed: JavaScriptObject

	func _init() -> void:
		controller = JavaScriptBridge.create_object("AbortController")
		got = JavaScriptBridge.create_callback(_got)
		read = JavaScriptBridge.create_callback(_read)
		failed = JavaScriptBridge.create_callback(_failed)

	func _got(arguments: Array) -> void:
		var response: JavaScriptObject = arguments[0]
		answer.status = response.status
		if response.type == "opaqueredirect":
			answer.status = 0
			answer.failure = "bad_response"
			answer.why = "the server redirects, which is not followed with a token"
		for name: String in Answer.HEADERS:
			var value: Variant = response.headers.get(name)
			if value is String:
				answer.headers[name] = value
		response.text().then(read, failed)

	func _read(arguments: Array) -> void:
		answer.body = arguments[0]
		done.emit(answer)

	func _failed(_arguments: Array) -> void:
		answer.status = 0
		answer.failure = "unavailable"
		answer.why = "the server cannot be reached"
		done.emit(answer)


## Whether the page can be reached: a build of the engine may be without that.
func is_there() -> bool:
	if OS.has_feature("web") and _window == null:
		_window = JavaScriptBridge.get_interface("window")
	return _window != null


func start(
	method: HTTPClient.Method, url: String, headers: PackedStringArray, body: String
) -> Fetch:
	var fetch := Fetch.new()
	var fields := JavaScriptBridge.create_object("Headers")
	for header in headers:
		var colon := header.find(": ")
		fields.append(header.left(colon), header.substr(colon + 2))
	var how := JavaScriptBridge.create_object("Object")
	how.method = METHODS[method]
	how.headers = fields
	how.redirect = "manual"
	how.credentials = "omit"
	how.signal = fetch.controller.signal
	if method != HTTPClient.METHOD_GET:
		how.body = body
	_under_way[fetch.get_instance_id()] = fetch
	fetch.done.connect(_forget.bind(fetch.get_instance_id()), CONNECT_DEFERRED)
	_window.fetch(url, how).then(fetch.got, fetch.failed)
	return fetch


static func _forget(_answer: Answer, id: int) -> void:
	_under_way.erase(id)
