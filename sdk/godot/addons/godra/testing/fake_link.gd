extends RefCounted
## A connection without a socket, for [GodraFakeRoom].

var on_opened: Callable
var on_text: Callable
var on_lost: Callable
var on_ended: Callable
var bytes_in := 0
var bytes_out := 0
var frames_in := 0
var frames_out := 0
## The address and the token that it was opened with.
var url := ""
var token := ""
## What was sent, as dictionaries.
var sent: Array[Dictionary] = []
## How this side closed it: 0 while it did not.
var close_code := 0
## Whether nothing can be sent, as if too much waited already.
var is_full := false


func open(to_url: String, with_token: String) -> void:
	url = to_url
	token = with_token


func poll(_most: int, _deadline: int) -> bool:
	return false


func send(text: String) -> bool:
	if is_full:
		return false
	sent.append(JSON.parse_string(text))
	frames_out += 1
	bytes_out += text.length()
	return true


func close(code: int, _reason: String) -> void:
	close_code = code


func is_closed() -> bool:
	return close_code != 0
