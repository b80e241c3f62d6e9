extends RefCounted
## The text of inputs.

const Json := preload("json.gd")

## What a message has besides its action and payload: `{"action":"","payload":,"id":…,"n":…}`.
const _FRAME_BYTES := 72


## The payload as JSON, if this makes an input that may be sent.
static func written(action: String, payload: Variant, most: int) -> Json.Written:
	var result := Json.write(payload)
	if result.why != "":
		return result
	if action == "":
		result.why = "An input has an action"
		return result
	most -= action.length() + _FRAME_BYTES
	# A character is at most four bytes.
	if result.text.length() * 4 > most and result.text.to_utf8_buffer().size() > most:
		result.code = "too_large"
		result.why = "The payload of %s has more than %d bytes" % [action, most]
	return result


## `payload` is JSON.
static func of(action: String, payload: String) -> String:
	return '{"action":%s,"payload":%s}' % [Json.quote(action), payload]


static func with(text: String, name: String, value: int) -> String:
	return '%s,"%s":%d}' % [text.left(-1), name, value]
