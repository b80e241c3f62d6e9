extends RefCounted
## The header Retry-After, as seconds or as a date.

const MOST := 24.0 * 3600
const _MONTHS: Array[String] = [
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
]


## In seconds from `now` (since 1970) on; negative if the text is neither.
static func read(text: String, now: float) -> float:
	if text.is_valid_int():
		return clampf(text.to_float(), 0, MOST)
	# Such as: Sun, 06 Nov 1994 08:49:37 GMT
	var parts := text.to_lower().split(" ", false)
	if parts.size() != 6 or not parts[2] in _MONTHS or parts[5] != "gmt":
		return -1.0
	var month := _MONTHS.find(parts[2]) + 1
	var date := "%04d-%02d-%02dT%s" % [parts[3].to_int(), month, parts[1].to_int(), parts[4]]
	return clampf(Time.get_unix_time_from_datetime_string(date) - now, 0, MOST)
