extends RefCounted
## What a browser says of the page and its network, as the engine does not pass that on. Nothing
## elsewhere.

const _EVERY_MS := 500

## func(is_online: bool)
var on_network: Callable
## func(): the page is shown again.
var on_shown: Callable
## func(): a hidden page gets no frames, but this, about once a second.
var on_hidden_tick: Callable

var _window: JavaScriptObject = null
var _document: JavaScriptObject = null
var _timer := -1
var _callbacks := {}


func start() -> void:
	if not OS.has_feature("web"):
		return
	_window = JavaScriptBridge.get_interface("window")
	_document = JavaScriptBridge.get_interface("document")
	if _window == null or _document == null:
		return
	_listen(_window, "online", _online)
	_listen(_window, "offline", _offline)
	_listen(_window, "pageshow", _shown)
	_listen(_document, "visibilitychange", _visibility)
	_callbacks["tick"] = JavaScriptBridge.create_callback(_tick)
	_timer = _window.setInterval(_callbacks["tick"], _EVERY_MS)


func stop() -> void:
	if _window == null or _document == null:
		return
	_window.clearInterval(_timer)
	for type: String in ["online", "offline", "pageshow"]:
		_window.removeEventListener(type, _callbacks[type])
	_document.removeEventListener("visibilitychange", _callbacks["visibilitychange"])
	_window = null


func _listen(target: JavaScriptObject, type: String, callable: Callable) -> void:
	_callbacks[type] = JavaScriptBridge.create_callback(callable)
	target.addEventListener(type, _callbacks[type])


func _online(_args: Array) -> void:
	on_network.call(true)


func _offline(_args: Array) -> void:
	on_network.call(false)


func _shown(_args: Array) -> void:
	on_shown.call()


func _visibility(_args: Array) -> void:
	if _document.visibilityState == "visible":
		on_shown.call()


func _tick(_args: Array) -> void:
	if _document.visibilityState == "hidden":
		on_hidden_tick.call()
