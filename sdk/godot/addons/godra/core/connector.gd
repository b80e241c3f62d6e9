extends RefCounted
## The connection of one room: made, lost and made again, until it ends for good.

## A socket is on its way to the welcome; it holds; the next attempt is waited for; it is over.
enum Phase { DIALING, OPEN, WAITING, LEFT }

const Address := preload("address.gd")
const Api := preload("api.gd")
const Attempts := preload("attempts.gd")
const Ban := preload("ban.gd")
const Clock := preload("clock.gd")
const CloseCodes := preload("close_codes.gd")
const Conversation := preload("conversation.gd")
const Errors := preload("errors.gd")
const Refusal := preload("refusal.gd")
const Socket := preload("socket.gd")
const Tokens := preload("tokens.gd")

## func(welcome: Dictionary)
var on_connected: Callable
## func(attempt: int, delay: float)
var on_reconnecting: Callable
## func(code: int, reason: String, will_reconnect: bool, cause: GodraError)
var on_disconnected: Callable
## func(): it is over, for whatever reason.
var on_over: Callable
## func(result: GodraResult): the first welcome, or why there was none.
var on_joined: Callable

var phase := Phase.DIALING
var conversation: Conversation
## The newest; empty before the first.
var welcome: Dictionary = {}
## The game gives its place back: whatever closes the connection now is no loss.
var is_leaving := false
## How often a connection was made again.
var reconnects := 0
## What the room's script is told at each connection, as JSON text; empty for nothing.
var join_options := ""
var socket: Socket

var _id: String
var _options: GodraOptions
var _clock: Clock
var _api: Api
var _tokens: Tokens
var _attempts: Attempts
## Counts the attempts: what comes from an older one is ignored.
var _dial := 0
var _alarm: Clock.Alarm = null
var _lost_code := CloseCodes.NORMAL
var _lost_reason := ""
var _has_asked_for_token := false
var _is_offline := false


func _init(id: String, options: GodraOptions, clock: Clock, api: Api, tokens: Tokens) -> void:
	_id = id
	_options = options
	_clock = clock
	_api = api
	_tokens = tokens
	_attempts = Attempts.new(options)
	conversation = Conversation.new(options, clock, send_text, _heard_at, _died)
	conversation.inbox.on_welcome = _welcomed
	conversation.inbox.on_refusal = _refused
	socket = Socket.new(clock)
	socket.on_text = conversation.inbox.read
	socket.on_lost = conversation.inbox.lost
	socket.on_ended = _ended
	socket.on_late = _timed_out


func start() -> void:
	_dial_now()


func send_text(text: String) -> bool:
	return phase == Phase.OPEN and socket.send(text)


## The game or its network is back: what was known of the connection may be old.
func check_now() -> void:
	if phase == Phase.OPEN:
		conversation.check_now()
	elif phase == Phase.WAITING and not _is_offline:
		_attempts.restart(_clock.now_ms())
		_dial_now()


## Whether the device says that it has a network. Without one no attempts are made.
func set_online(is_online: bool) -> void:
	_is_offline = not is_online
	if is_online:
		check_now()
	elif phase == Phase.WAITING:
		_stop_alarm()


## Ends it by the game's wish; without a cause, or with the end of the session.
func close(cause: GodraError = null) -> void:
	if cause != null and phase != Phase.OPEN:
		_end(_lost_code, _lost_reason, cause)
	else:
		_end(CloseCodes.NORMAL, "closed by the client", cause)


func _dial_now() -> void:
	_stop_alarm()
	phase = Phase.DIALING
	_dial += 1
	var dial := _dial
	var token := await _tokens.fresh()
	if dial != _dial or phase != Phase.DIALING:
		return
	if token.ok:
		_open(token.value)
	else:
		_failed(token.error)


func _open(token: String) -> void:
	var position := conversation.position
	# What one player has seen is not what another may see.
	if not welcome.is_empty() and _tokens.session.user_id != welcome["user_id"]:
		position.forget()
	var epoch := position.epoch if position.can_resume else ""
	conversation.inbox.restart()
	var url := _api.address.of_socket(_id, epoch, position.seq, join_options)
	socket.open(url, token, _options.connect_timeout)


func _heard_at() -> float:
	return socket.heard_ms


func _welcomed(new_welcome: Dictionary) -> void:
	socket.is_welcome()
	phase = Phase.OPEN
	_has_asked_for_token = false
	reconnects += int(not welcome.is_empty())
	welcome = new_welcome
	_attempts.opened(_clock.now_ms())
	on_connected.call(welcome)
	conversation.welcome(welcome)
	on_joined.call(GodraResult.success(welcome))


func _refused(error: GodraError) -> void:
	_drop_attempt(error.message)
	_failed(error)


func _timed_out() -> void:
	if phase != Phase.DIALING:
		return
	var why := "No welcome from the server within %s s" % _options.connect_timeout
	_drop_attempt(why)
	_failed(GodraError.new("timeout", why))


func _ended(code: int, reason: String, was_opened: bool) -> void:
	if phase == Phase.OPEN:
		_lost(code, reason)
		return
	if was_opened:
		_failed(Refusal.closed(code, reason))
		return
	var dial := _dial
	var error := await Refusal.explain(_api, socket.token)
	if dial != _dial or phase != Phase.DIALING:
		return
	error.close_code = code
	_failed(error)


func _died() -> void:
	const WHY := "no answer to a heartbeat"
	# 1006 may not be sent.
	socket.drop(CloseCodes.WILL_COME_BACK, WHY)
	_lost(CloseCodes.BROKEN, WHY)


func _lost(code: int, reason: String) -> void:
	if is_leaving:
		_end(CloseCodes.NORMAL, "left", null)
		return
	_lost_code = code
	_lost_reason = reason
	_attempts.lost(_clock.now_ms())
	var why := "" if reason == "" else ": " + reason
	conversation.lost("The connection was lost (%d%s)" % [code, why])
	if code == CloseCodes.TOKEN_EXPIRED:
		_tokens.distrust(socket.token)
	if not _comes_back(code):
		_end(code, reason, _cause_of(code, reason))
		return
	on_disconnected.call(code, reason, true, null)
	_retry_later(code, -1.0)
	# So that the end of a session is known before the first attempt, which waits for a while.
	if code == CloseCodes.TOKEN_EXPIRED:
		_tokens.fresh()


func _comes_back(code: int) -> bool:
	if not _options.reconnect or not CloseCodes.comes_back(code):
		return false
	# The server says that this token has had its time.
	return code != CloseCodes.TOKEN_EXPIRED or _tokens.can_refresh


func _retry_later(code: int, retry_after: float) -> void:
	phase = Phase.WAITING
	var delay := _attempts.next_delay_ms(_clock.now_ms(), code, retry_after)
	_stop_alarm()
	if not _is_offline:
		_alarm = _clock.after(delay, _dial_now)
	on_reconnecting.call(_attempts.count, delay / 1000)


func _failed(error: GodraError) -> void:
	var is_of_token := Refusal.is_of_token(error)
	if is_of_token:
		_tokens.distrust(socket.token)
		if _tokens.can_refresh and not _has_asked_for_token:
			_has_asked_for_token = true
			_dial_now()
			return
		var why := "The server takes no token of this session: %s" % error.message
		error = Errors.session_ended(why, error)
		# Tells the game, and ends this room among the others.
		if _tokens.session != null and _tokens.session.token == socket.token:
			_tokens.end(error)
	if phase == Phase.LEFT:
		return
	_attempts.failed(error)
	if welcome.is_empty() or _is_over(error):
		_end(_lost_code, _lost_reason, error)
	else:
		var code := error.close_code if error.close_code != 0 else CloseCodes.BROKEN
		_retry_later(code, error.retry_after)


func _is_over(error: GodraError) -> bool:
	if not _options.reconnect:
		return true
	if error.code == "disconnected" and error.close_code != 0:
		return not _comes_back(error.close_code)
	return error.kind == "session" or Refusal.is_final(error)


# The code tells the room whether the player's place is to be kept.
func _drop_attempt(reason: String) -> void:
	socket.drop(CloseCodes.NORMAL if welcome.is_empty() else CloseCodes.WILL_COME_BACK, reason)


func _end(code: int, reason: String, cause: GodraError) -> void:
	if phase == Phase.LEFT:
		return
	phase = Phase.LEFT
	_dial += 1
	_stop_alarm()
	socket.drop(CloseCodes.NORMAL, "closed by the client")
	on_over.call()
	conversation.end(cause.message if cause != null else "The room was closed")
	if not welcome.is_empty():
		on_disconnected.call(code, reason, false, cause)
	on_joined.call(GodraResult.failure(cause if cause != null else Errors.cancelled("join")))


func _cause_of(code: int, reason: String) -> GodraError:
	var cause := Refusal.closed(code, reason)
	if code == CloseCodes.TOKEN_EXPIRED:
		return Errors.session_ended(cause.message, cause)
	if code == CloseCodes.BANNED:
		cause.details = Ban.read(reason)
	return cause


func _stop_alarm() -> void:
	if _alarm != null:
		_alarm.cancel()
	_alarm = null
