extends RefCounted
## What is worth a line in the log. Tokens never come here.

const LEVELS: Array[String] = ["debug", "info", "warning", "error", "none"]

var _options: GodraOptions


func _init(options: GodraOptions) -> void:
	_options = options


func debug(message: String, fields := {}) -> void:
	_write("debug", message, fields)


func info(message: String, fields := {}) -> void:
	_write("info", message, fields)


func warning(message: String, fields := {}) -> void:
	_write("warning", message, fields)


func error(message: String, fields := {}) -> void:
	_write("error", message, fields)


func _write(level: String, message: String, fields: Dictionary) -> void:
	if LEVELS.find(level) < LEVELS.find(_options.log_level):
		return
	if _options.logger.is_valid():
		_options.logger.call(level, message, fields)
		return
	var line := "godra: %s" % message if fields.is_empty() else "godra: %s %s" % [message, fields]
	match level:
		"error":
			push_error(line)
		"warning":
			push_warning(line)
		_:
			print(line)
