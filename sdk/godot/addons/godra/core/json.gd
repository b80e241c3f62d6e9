extends RefCounted
## JSON as the wire has it. The engine's own writer leaves control characters in texts as they are,
## turns vectors into texts and NaN into null; so what is sent is written here.

## The server takes no more levels, and the message around a payload is one.
const MAX_DEPTH := 31
## What a float holds of whole numbers.
const MAX_WHOLE := 9007199254740992.0

const _CONTROLS := {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}


## What came of writing: `text`, or `why` not and the code of that.
class Written:
	extends RefCounted
	var text := ""
	var why := ""
	var code := "bad_request"


## What came of reading: `value`, or `why` not.
class Parsed:
	extends RefCounted
	var value: Variant = null
	var why := ""


static func write(value: Variant, name := "payload") -> Written:
	var written := Written.new()
	var parts := PackedStringArray()
	written.why = _write(value, name, MAX_DEPTH, parts)
	if written.why == "":
		written.text = "".join(parts)
	return written


static func quote(text: String) -> String:
	if text.strip_escapes() == text:
		return JSON.stringify(text)
	var quoted := ""
	for i in text.length():
		var code := text.unicode_at(i)
		if code >= 32:
			quoted += text[i] if code != 34 and code != 92 else "\\" + text[i]
		else:
			quoted += _CONTROLS.get(code, "\\u%04x" % code)
	return '"%s"' % quoted


static func parse(text: String) -> Parsed:
	var parsed := Parsed.new()
	var json := JSON.new()
	if json.parse(text) == OK:
		parsed.value = json.data
	else:
		parsed.why = json.get_error_message()
		if parsed.why == "":
			parsed.why = "is no JSON"
	return parsed


## A whole number of the wire, or -1: none of those that are read is negative.
static func whole(value: Variant) -> int:
	if value is int:
		return value if value >= 0 else -1
	if not value is float or value < 0 or value > MAX_WHOLE or value != floorf(value):
		return -1
	return int(value)


static func text(value: Variant) -> String:
	return value if value is String else ""


static func _write(value: Variant, name: String, depth: int, parts: PackedStringArray) -> String:
	match typeof(value):
		TYPE_NIL:
			parts.append("null")
		TYPE_BOOL:
			parts.append("true" if value else "false")
		TYPE_INT:
			parts.append(str(value))
		TYPE_FLOAT:
			if not is_finite(value):
				return "%s is %s: JSON has no such number" % [name, value]
			parts.append(JSON.stringify(value, "", false, true))
		TYPE_STRING, TYPE_STRING_NAME:
			parts.append(quote(value))
		TYPE_DICTIONARY:
			return _write_dictionary(value, name, depth, parts)
		TYPE_ARRAY, TYPE_PACKED_BYTE_ARRAY, TYPE_PACKED_INT32_ARRAY, TYPE_PACKED_INT64_ARRAY:
			return _write_array(value, name, depth, parts)
		TYPE_PACKED_FLOAT32_ARRAY, TYPE_PACKED_FLOAT64_ARRAY, TYPE_PACKED_STRING_ARRAY:
			return _write_array(value, name, depth, parts)
		_:
			return (
				"%s is a %s, which JSON does not have: send its parts, such as {x = v.x, y = v.y}"
				% [name, type_string(typeof(value))]
			)
	return ""


static func _write_dictionary(
	fields: Dictionary, name: String, depth: int, parts: PackedStringArray
) -> String:
	if depth == 0:
		return "%s is nested deeper than %d levels" % [name, MAX_DEPTH]
	var before := "{"
	for key: Variant in fields:
		if not (key is String or key is StringName or key is int):
			return "%s has a key that is no text: %s" % [name, key]
		parts.append("%s%s:" % [before, quote(str(key))])
		var why := _write(fields[key], "%s.%s" % [name, key], depth - 1, parts)
		if why != "":
			return why
		before = ","
	parts.append("}" if before == "," else "{}")
	return ""


static func _write_array(
	items: Variant, name: String, depth: int, parts: PackedStringArray
) -> String:
	if depth == 0:
		return "%s is nested deeper than %d levels" % [name, MAX_DEPTH]
	var before := "["
	for i: int in items.size():
		parts.append(before)
		var why := _write(items[i], "%s[%d]" % [name, i], depth - 1, parts)
		if why != "":
			return why
		before = ","
	parts.append("]" if before == "," else "[]")
	return ""
