extends RefCounted
## The rooms of a client: made, polled, and kept alive until they end.

const Address := preload("address.gd")
const Api := preload("api.gd")
const Clock := preload("clock.gd")
const Connector := preload("connector.gd")
const Delivery := preload("delivery.gd")
const Dispatch := preload("dispatch.gd")
const Errors := preload("errors.gd")
const Json := preload("json.gd")
const Link := preload("link.gd")
const Log := preload("log.gd")
const SlowLink := preload("slow_link.gd")
const Tokens := preload("tokens.gd")

const _BAD_ID := "A lobby id is 1 to 64 letters, digits, underscores and hyphens"

const _MAX_OPTIONS := 1024

## func(script: String, args: Array, keys: Array) -> GodraResult
var rpc_call: Callable

var _options: GodraOptions
var _clock: Clock
var _dispatch: Dispatch
var _log: Log
var _api: Api
var _tokens: Tokens
var _rooms := {}
## Links that close, and when they are given up.
var _closing := {}


class Entry:
	extends RefCounted
	var room: GodraRoom
	var connector: Connector
	var delivery: Delivery
	var waiters := 0


func _init(
	options: GodraOptions, clock: Clock, dispatch: Dispatch, logs: Log, api: Api, tokens: Tokens
) -> void:
	_options = options
	_clock = clock
	_dispatch = dispatch
	_log = logs
	_api = api
	_tokens = tokens


func all() -> Array[GodraRoom]:
	var found: Array[GodraRoom] = []
	for entry: Entry in _rooms.values():
		found.append(entry.room)
	return found


func join(
	lobby_id: String, prepare: Callable, cancel: GodraCancel, options: Dictionary
) -> GodraResult:
	var id := Address.id_of(lobby_id, _options.game)
	if id == "":
		return GodraResult.failure(GodraError.new("bad_request", _BAD_ID))
	var told := Json.write(options, "options")
	if told.why == "" and told.text.to_utf8_buffer().size() > _MAX_OPTIONS:
		told.why = "The options of a join are at most %d bytes of JSON" % _MAX_OPTIONS
	if told.why != "":
		return GodraResult.failure(GodraError.new("bad_request", told.why))
	if cancel != null and cancel.is_cancelled:
		return GodraResult.failure(Errors.cancelled("join"))
	var is_new := not _rooms.has(id)
	var entry: Entry = _make(id) if is_new else _rooms[id]
	if prepare.is_valid():
		prepare.call(entry.room)
	if is_new:
		entry.connector.join_options = "" if options.is_empty() else told.text
		entry.connector.start()
	var give_up := _give_up.bind(entry)
	if cancel != null:
		cancel.cancelled.connect(give_up)
	entry.waiters += 1
	var result := await entry.delivery.joined.wait()
	entry.waiters -= 1
	if cancel != null and cancel.cancelled.is_connected(give_up):
		cancel.cancelled.disconnect(give_up)
	return GodraResult.success(entry.room) if result.ok else result


## Reads what came, within the frame's budget. Starts with another room each time, so that none is
## left out.
func poll() -> void:
	var deadline := Time.get_ticks_usec() + int(_options.frame_budget * 1_000_000)
	for id: String in _rooms.keys():
		var entry: Entry = _rooms.get(id)
		if entry == null:
			continue
		var left := _options.frame_messages
		while left > 0 and entry.connector.socket.poll(1, deadline):
			left -= 1
			entry.delivery.message_is_over()
			_dispatch.run()
			if Time.get_ticks_usec() > deadline:
				break
		entry.delivery.message_is_over()
		_dispatch.run()
	_poll_closing()


func check_now() -> void:
	for entry: Entry in _rooms.values():
		entry.connector.check_now()


func set_online(is_online: bool) -> void:
	for entry: Entry in _rooms.values():
		entry.connector.set_online(is_online)


## Ends all: without a cause by the game's wish.
func close(cause: GodraError = null) -> void:
	for entry: Entry in _rooms.values():
		if cause == null:
			entry.delivery.is_closed = true
		entry.connector.close(cause)


func _make(id: String) -> Entry:
	var entry := Entry.new()
	entry.connector = Connector.new(id, _options, _clock, _api, _tokens)
	entry.connector.socket.make_link = _make_link
	entry.connector.socket.on_closing = _is_closing
	entry.delivery = Delivery.new(_dispatch, _log)
	entry.delivery.on_over = _over
	entry.room = GodraRoom.new(id, entry.connector, entry.delivery, _options, rpc_call)
	_rooms[id] = entry
	return entry


func _make_link() -> RefCounted:
	var link := Link.new(_options)
	if _options.simulate.is_empty():
		return link
	return SlowLink.new(link, _clock, _options.simulate, _options.random)


# Who gives up leaves the room to those who still wait for it.
func _give_up(entry: Entry) -> void:
	if entry.waiters == 1 and entry.connector.welcome.is_empty():
		entry.connector.close()
		_dispatch.run()


func _over(room: GodraRoom) -> void:
	if _rooms.has(room.id) and _rooms[room.id].room == room:
		_rooms.erase(room.id)


func _is_closing(link: RefCounted) -> void:
	_closing[link] = _clock.now_ms() + Link.CLOSE_LIMIT_MS


func _poll_closing() -> void:
	for link: RefCounted in _closing.keys():
		if link.is_closed() or _clock.now_ms() > _closing[link]:
			_closing.erase(link)
