@icon("res://addons/godra/icons/room.svg")
class_name GodraRoom
extends RefCounted
## One lobby that this player has joined: [code]Godra.join[/code] gives it. It lives through lost
## connections, and the client keeps it alive until it is left.

## Joined, or joined again; comes before any event of that connection. The welcome tells whether the
## room went on ([code]recovered[/code]) or [member state] was replaced.
signal connected(welcome: Dictionary)
## The connection was lost: the next attempt comes after so many seconds.
signal reconnecting(attempt: int, delay: float)
## Once for each lost connection, and exactly once with [code]will_reconnect[/code] false: the end.
## Then [code]cause[/code] says why, or is null if it was the game's own wish.
signal disconnected(code: int, reason: String, will_reconnect: bool, cause: GodraError)
## Something happened in the room. A [code]seq[/code] of -1 is none.
signal event(type: StringName, payload: Variant, seq: int)
## The state was replaced.
signal snapshot(state: Variant)
## [member state] may have changed: at most once for each message that came.
signal changed(state: Variant)
## Something failed that nobody awaits. Without a listener it goes to the log.
signal failed(error: GodraError)

## On its way to the first welcome; joined; on its way to another; left for good.
enum Connection { JOINING, JOINED, REJOINING, LEFT }

const _Connector := preload("core/connector.gd")
const _Delivery := preload("core/delivery.gd")
const _Errors := preload("core/errors.gd")
const _Inputs := preload("core/inputs.gd")
const _Promise := preload("core/promise.gd")

## Without [code]game:[/code].
var id: String
## The room's state: welcome and snapshots replace it, and reducers keep it up to date.
var state: Variant:
	get:
		return _delivery.replica.state
## Who this player is: [code]user_id[/code], [code]username[/code] and [code]role[/code].
var me: Dictionary:
	get:
		return _delivery.me
## The newest welcome; empty before the first.
var welcome: Dictionary:
	get:
		return _connector.welcome
## The median of the last five round trips in seconds; -1 before the first.
var latency: float:
	get:
		var median := _connector.conversation.heartbeat.latency_ms
		return median / 1000 if median >= 0 else -1.0
## Where the connection is.
var connection: Connection:
	get:
		match _connector.phase:
			_Connector.Phase.LEFT:
				return Connection.LEFT
			_Connector.Phase.OPEN:
				return Connection.JOINED
		return Connection.JOINING if _connector.welcome.is_empty() else Connection.REJOINING
## A room sends in this rhythm, in seconds.
var sync_interval: float:
	get:
		return welcome.get("sync_interval_ms", 50) / 1000.0
## The number of the newest event that was told; -1 if there is none.
var seq: int:
	get:
		return _delivery.seq

var _connector: _Connector
var _delivery: _Delivery
var _options: GodraOptions
## func(script: String, args: Array, keys: Array) -> GodraResult
var _rpc: Callable


func _init(
	lobby: String, connector: _Connector, delivery: _Delivery, options: GodraOptions, rpc: Callable
) -> void:
	id = lobby
	_connector = connector
	_delivery = delivery
	_options = options
	_rpc = rpc
	delivery.attach(self, connector)
	for type: String in options.reducers:
		reduce(type, options.reducers[type])


## Calls [code]callable(payload, seq)[/code] with each event of this type.
func on(type: StringName, callable: Callable) -> void:
	_delivery.add_handler(type, callable)


## Ends what [method on] began.
func off(type: StringName, callable: Callable) -> void:
	_delivery.remove_handler(type, callable)


## Applies events of this type to [member state], by [code]func(state, payload) -> Variant[/code],
## which changes the state or gives another one.
func reduce(type: StringName, reducer: Callable) -> void:
	_delivery.replica.reduce(type, reducer)


## Keeps [code]state.players[/code] and [code]state.state[/code] right, as the server's stock scripts
## change them.
func use_lobby_reducers() -> void:
	var reducers := GodraLobbyReducers.all()
	for type: String in reducers:
		reduce(type, reducers[type])


## Now or never: gives whether it was sent.
func send(action: String, payload: Variant = null) -> bool:
	var written := _Inputs.written(action, payload, _options.max_input_bytes)
	if written.why != "":
		_delivery.report_now(GodraError.new(written.code, written.why))
		return false
	return _connector.conversation.send(action, written.text)


## Newest wins: at most one an interval and key is sent, and the newest again when the connection is
## back within a second. Without a key it is the action.
func send_latest(action: String, payload: Variant = null, key := "") -> void:
	var written := _Inputs.written(action, payload, _options.max_input_bytes)
	if written.why != "":
		_delivery.report_now(GodraError.new(written.code, written.why))
	elif connection != Connection.LEFT:
		var slot := action if key == "" else key
		_connector.conversation.send_latest(slot, action, written.text)


## One answer or one error; the error's [code]outcome[/code] says whether it ran. With
## [param once] it runs exactly once, is kept while the connection is away, and its answer survives
## that. Without a timeout (in seconds) it is that of the options, and with [param once] there is none.
func request(
	action: String,
	payload: Variant = null,
	once := false,
	timeout := 0.0,
	cancel: GodraCancel = null
) -> GodraResult:
	if cancel != null and cancel.is_cancelled:
		return GodraResult.failure(_Errors.cancelled(action))
	var written := _Inputs.written(action, payload, _options.max_input_bytes)
	if written.why != "":
		return GodraResult.failure(_Errors.input(written.code, written.why, "none"))
	if connection == Connection.LEFT:
		return _Connector.Conversation.not_sent(action)
	var promise := _Promise.new()
	var answered := _delivery.answer.bind(promise)
	var number := _connector.conversation.request(action, written.text, once, timeout, answered)
	_delivery.run()
	var give_up := _give_up.bind(number, action, promise)
	if cancel != null:
		cancel.cancelled.connect(give_up)
	var result := await promise.wait()
	if cancel != null and cancel.cancelled.is_connected(give_up):
		cancel.cancelled.disconnect(give_up)
	return result


## Measures the round trip now, in seconds.
func ping() -> GodraResult:
	if connection != Connection.JOINED:
		return _Connector.Conversation.not_sent("heartbeat")
	var promise := _Promise.new()
	_connector.conversation.heartbeat.check(
		_options.request_timeout, _delivery.answer.bind(promise)
	)
	return await promise.wait()


## The server's clock in seconds since 1970; NAN before the first welcome.
func server_time() -> float:
	return _connector.conversation.heartbeat.server_time_ms() / 1000


## Gives the place in the lobby back, and closes.
func leave() -> GodraResult:
	if connection == Connection.LEFT:
		return GodraResult.success()
	# An exported engine does not survive a call of what is freed.
	if not _rpc.is_valid():
		close()
		return GodraResult.failure(_Errors.cancelled("leave"))
	_connector.is_leaving = true
	var result: GodraResult = await _rpc.call("leave_lobby", [], ["game:" + id])
	close()
	# A lobby that is no more has no place for anybody.
	if not result.ok and result.error.code == "not_found":
		return GodraResult.success()
	return result


## Closes the connection. Nothing comes after the last [signal disconnected].
func close() -> void:
	_delivery.is_closed = true
	_connector.close()
	_delivery.run()


## The game or the network is back after a while: finds out at once whether the connection is. The
## client does this by itself when the engine says so.
func check_now() -> void:
	_connector.check_now()


## What was sent and received over all of the room's connections.
func stats() -> Dictionary:
	var figures := _connector.socket.stats()
	figures["events"] = _connector.conversation.inbox.events
	figures["reconnects"] = _connector.reconnects
	figures["dropped"] = _connector.conversation.dropped
	figures["resyncs"] = _connector.conversation.resync.count
	return figures


func _give_up(number: int, action: String, promise: _Promise) -> void:
	var outcome := _connector.conversation.forget(number)
	promise.settle(GodraResult.failure(_Errors.cancelled(action, outcome)))
