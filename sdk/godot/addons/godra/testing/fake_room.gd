class_name GodraFakeRoom
extends RefCounted
## A room without a server, for tests of your scenes: hand them [member room], feed it events, and look
## at what was sent. Time stands still until [method advance].
##
## [codeblock]
## var fake := GodraFakeRoom.new()
## player.room = fake.room
## fake.welcome({players = {}})
## fake.event("chat", {username = "Ann", message = "hi"})
## assert(fake.sent("move_player").size() == 1)
## [/codeblock]

const _Address := preload("../core/address.gd")
const _Api := preload("../core/api.gd")
const _Connector := preload("../core/connector.gd")
const _Delivery := preload("../core/delivery.gd")
const _Dispatch := preload("../core/dispatch.gd")
const _FakeLink := preload("fake_link.gd")
const _Http := preload("../core/http.gd")
const _Log := preload("../core/log.gd")
const _Tokens := preload("../core/tokens.gd")
const _VirtualClock := preload("virtual_clock.gd")

## What your scene gets in place of what [code]Godra.join[/code] gives.
var room: GodraRoom
## Its options.
var options := GodraOptions.new()

var _clock := _VirtualClock.new()
var _dispatch := _Dispatch.new()
var _tokens: _Tokens
var _connector: _Connector
var _delivery: _Delivery
var _links: Array[_FakeLink] = []
var _answered := {}
var _seq := 0


func _init(lobby_id := "fake") -> void:
	options.session_store = GodraSessionStore.new("")
	options.random = func() -> float: return 1.0
	var logs := _Log.new(options)
	var api := _Api.new(_Http.new(null, _clock), options, _clock)
	api.address = _Address.new("http://fake")
	_tokens = _Tokens.new(api, options, _clock, logs)
	_tokens.begin(_session())
	_connector = _Connector.new(lobby_id, options, _clock, api, _tokens)
	_connector.socket.make_link = _make_link
	_connector.socket.on_closing = func(_link: _FakeLink) -> void: pass
	_delivery = _Delivery.new(_dispatch, logs)
	_delivery.on_over = func(_over: GodraRoom) -> void: pass
	room = GodraRoom.new(lobby_id, _connector, _delivery, options, _no_rpc)
	_connector.start()


## The server lets the game in, with the room's state. More fields of the welcome may be given.
func welcome(state: Variant = {}, more := {}) -> void:
	var payload := {
		"user_id": "guest:fake",
		"username": "Guest",
		"role": "guest",
		"game_id": room.id,
		"epoch": "fake",
		"seq": _seq,
		"n": 0,
		"recovered": false,
		"state": state,
		"sync_interval_ms": 50,
		"now": int(_clock.wall() * 1000),
	}
	payload.merge(more, true)
	_seq = payload["seq"]
	receive({"type": "welcome", "payload": payload})


## An event of the room.
func event(type: String, payload: Variant = null) -> void:
	_seq += 1
	receive({"type": type, "payload": payload, "seq": _seq})


## The state in the place of all that came before.
func snapshot(state: Variant) -> void:
	_seq += 1
	receive({"type": "snapshot", "payload": state, "epoch": "fake", "seq": _seq})


## Answers the oldest request that has no answer yet.
func reply(result: Variant = null) -> void:
	receive({"type": "reply", "id": _next_id(), "result": result})


## Answers it with an error.
func reply_error(code: String, message := "", details: Variant = null) -> void:
	var payload := {"code": code, "message": message, "details": details}
	receive({"type": "error", "id": _next_id(), "payload": payload})


## Any message of the server.
func receive(message: Dictionary) -> void:
	receive_text(JSON.stringify(message, "", false, true))


## The same as text.
func receive_text(text: String) -> void:
	if _link() != null:
		_link().on_text.call(text)
		_delivery.message_is_over()
		_dispatch.run()


## The connection ends with this code.
func close(code := 1006, reason := "") -> void:
	_link().on_ended.call(code, reason, true)
	_dispatch.run()


## Lets so many seconds pass.
func advance(seconds: float) -> void:
	_clock.advance(seconds * 1000)
	_dispatch.run()


## What the game sent by this action.
func sent(action: String) -> Array[Dictionary]:
	var found: Array[Dictionary] = []
	for message in all_sent():
		if message["action"] == action:
			found.append(message)
	return found


## All that it sent, oldest first.
func all_sent() -> Array[Dictionary]:
	var all: Array[Dictionary] = []
	for link in _links:
		all.append_array(link.sent)
	return all


## The address that the newest connection was opened with.
func url() -> String:
	return "" if _links.is_empty() else _links.back().url


func _link() -> _FakeLink:
	return null if _links.is_empty() else _links.back()


func _make_link() -> _FakeLink:
	var link := _FakeLink.new()
	_links.append(link)
	return link


func _next_id() -> int:
	for message in all_sent():
		if (
			message.has("id")
			and not _answered.has(message["id"])
			and message["action"] != "heartbeat"
		):
			_answered[message["id"]] = true
			return int(message["id"])
	return -1


func _session() -> GodraSession:
	var login := {
		"token": "fake", "refresh_token": "fake", "user_id": "guest:fake", "expires_in": 86400.0
	}
	login.merge({"username": "Guest", "role": "guest"})
	return GodraSession.from_login(login, _clock.wall())


func _no_rpc(_script: String, _args: Array, _keys: Array) -> GodraResult:
	return GodraResult.success("OK")
