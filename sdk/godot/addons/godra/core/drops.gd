extends RefCounted
## Counts the messages that the engine dropped because it had no room for them: it tells that its log
## alone, which can be listened to since Godot 4.5.

const _LOGGER := """
extends Logger
var heard: Callable
func _log_error(
	function: String, file: String, _line: int, _code: String, _why: String,
	_editor: bool, _type: int, _traces: Array
) -> void:
	if function == "write_packet" and file.contains("websocket"):
		heard.call()
"""

static var count := 0
## Whether the engine can be listened to.
static var are_known := false

static var _logger: RefCounted = null


static func watch() -> void:
	if _logger != null or not OS.has_method("add_logger"):
		return
	# Compiled here, as older engines know no Logger and would complain of such a file.
	var script := GDScript.new()
	script.source_code = _LOGGER
	if script.reload() != OK:
		return
	_logger = script.new()
	_logger.set("heard", _heard)
	OS.call("add_logger", _logger)
	are_known = true


static func _heard() -> void:
	count += 1
