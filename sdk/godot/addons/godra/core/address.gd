extends RefCounted
## Where the server is, and the ids of lobbies.

const _SCHEMES := {"http": "http", "https": "https", "ws": "http", "wss": "https"}
const _PREFIX := "game:"
const _GAME_SIGN := "~"
const _MAX_ID := 64

## With a slash at the end; empty if the address is none.
var base := ""


## `url` is what a game says: http(s) or ws(s), with or without a path.
func _init(url: String) -> void:
	var parts := url.strip_edges().split("://", true, 1)
	if parts.size() != 2 or not _SCHEMES.has(parts[0].to_lower()):
		return
	var rest := parts[1].get_slice("#", 0).get_slice("?", 0).rstrip("/")
	if rest.get_slice("/", 0) != "":
		base = "%s://%s/" % [_SCHEMES[parts[0].to_lower()], rest]


func of(path: String) -> String:
	return base + path


## Of a room's WebSocket; with a place in its history, if `epoch` is not empty, and with what its
## script is told, if that is not empty.
func of_socket(id: String, epoch: String, since: int, join_options := "") -> String:
	var place := "" if epoch == "" else "&epoch=%s&since=%d" % [epoch.uri_encode(), since]
	# https becomes wss.
	var more := "" if join_options == "" else "&options=" + join_options.uri_encode()
	return "ws%sws?game_id=%s%s&refuse=close%s" % [base.trim_prefix("http"), id, place, more]


## An id without the prefix; empty if it is none. In any game but the default one its name and ~ are
## in front, which may be left out here.
static func id_of(lobby_id: String, game := "") -> String:
	var front := "" if game == "" else game + _GAME_SIGN
	var id := lobby_id.trim_prefix(_PREFIX).trim_prefix(front)
	if id.length() < 1 or id.length() > _MAX_ID:
		return ""
	for i in id.length():
		var code := id.unicode_at(i)
		var is_letter := (code | 32) >= 97 and (code | 32) <= 122
		var is_digit := code >= 48 and code <= 57
		if not is_letter and not is_digit and code != 95 and code != 45:
			return ""
	return front + id


static func key_of(id: String) -> String:
	return _PREFIX + id
