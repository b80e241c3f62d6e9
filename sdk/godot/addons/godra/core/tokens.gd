extends RefCounted
## The session: an access token, and a refresh token that is good once. It is refreshed when a call
## needs its token and that is near its end, or was refused. Refreshes at the same time are one.

signal _change_done

const Api := preload("api.gd")
const Clock := preload("clock.gd")
const Errors := preload("errors.gd")
const Log := preload("log.gd")
const Promise := preload("promise.gd")

## So long before its end a token is refreshed, or a tenth of its time if that is less.
const REFRESH_EARLY := 60.0

var session: GodraSession = null
## Called with every new session, and with null and why.
var changed := Callable()
## Whether another token can be had when this one is refused.
var can_refresh: bool:
	get:
		return session != null and session.refresh_token != ""

var _api: Api
var _options: GodraOptions
var _clock: Clock
var _log: Log
var _fresh_until_ms := 0.0
var _is_stale := false
var _refreshing: Promise = null
var _changes := 0


func _init(api: Api, options: GodraOptions, clock: Clock, logs: Log) -> void:
	_api = api
	_options = options
	_clock = clock
	_log = logs


## Its value is a token that is good for a while.
func fresh() -> GodraResult:
	# A login or an upgrade that is under way has the last word: what it ends is not refreshed.
	while _changes > 0:
		await _change_done
	if can_refresh and (_is_stale or _clock.now_ms() >= _fresh_until_ms):
		var refreshed := await refresh()
		if not refreshed.ok:
			return refreshed
	if session == null:
		return GodraResult.failure(Errors.no_token())
	return GodraResult.success(session.token)


## So many milliseconds until the token should be refreshed.
func due_in_ms() -> float:
	return maxf(_fresh_until_ms - _clock.now_ms(), 0) if can_refresh else INF


## The token was refused, or its socket closed for it: the next call refreshes it first.
func distrust(token: String) -> void:
	if session != null and session.token == token:
		_is_stale = true


## Makes `call` (it gets a token) with a fresh token; once more with a fresher one if the server
## itself refuses that.
func with_token(action: Callable) -> GodraResult:
	var token := await fresh()
	if not token.ok:
		return token
	var result: GodraResult = await action.call(token.value)
	if not result.ok and result.error.status == 401 and result.error.code == "session_ended":
		# No refresh helps: the refresh token is void, too.
		if session != null and session.token == token.value:
			end(result.error)
		return result
	if result.ok or result.error.status != 401 or result.error.has_run or not can_refresh:
		return result
	distrust(token.value)
	var other := await fresh()
	return await action.call(other.value) if other.ok else other


## Gets new tokens now.
func refresh() -> GodraResult:
	if not can_refresh:
		var why := "No session to refresh: log in first"
		return GodraResult.failure(GodraError.new("unauthorized", why))
	var refreshing := _refreshing
	if refreshing == null:
		refreshing = Promise.new()
		_refreshing = refreshing
		_refresh(session, refreshing)
	return await refreshing.wait()


## A login, a logout or an upgrade begins; tokens are given out again when all have ended.
func begin_change() -> void:
	_changes += 1


func end_change() -> void:
	_changes -= 1
	_change_done.emit()


## Goes on with a session that is new, or was kept.
func begin(next: GodraSession, is_kept := false) -> void:
	if not is_kept:
		_warn(_options.session_store.save_session(next.to_dictionary()), "kept")
	_set(next, null)


func end(why: GodraError) -> void:
	_warn(_options.session_store.clear_session(), "forgotten")
	_set(null, why)


## What an earlier run kept; null if there is nothing.
func load_kept() -> GodraSession:
	return GodraSession.from_dictionary(_options.session_store.load_session())


func _refresh(old: GodraSession, promise: Promise) -> void:
	var result := GodraResult.success()
	var kept := load_kept()
	# Another client that shares the store may have been faster.
	if _is_newer(kept, old):
		if session == old:
			begin(kept, true)
	else:
		result = await _present(old)
	_refreshing = null
	promise.settle(result)


func _present(old: GodraSession) -> GodraResult:
	var body := {"refresh_token": old.refresh_token}
	var answer := await _api.post("refresh", body)
	# The answer may be lost on its way: the server gives it a second time.
	if not answer.ok and answer.error.status == 0 and answer.error.retryable:
		answer = await _api.post("refresh", body)
	if not answer.ok:
		return _refused(old, answer.error)
	var next := GodraSession.from_login(answer.value, _clock.wall())
	if next == null:
		var why := "The answer to refresh is no login"
		return GodraResult.failure(GodraError.new("bad_response", why))
	# A logout or another login meanwhile has the last word.
	if session == old:
		begin(next)
	return GodraResult.success()


func _refused(old: GodraSession, error: GodraError) -> GodraResult:
	if not error.status in [400, 401, 403]:
		return GodraResult.failure(error)
	# For good: banned, logged out elsewhere, or too old.
	var ended := Errors.session_ended("The session is over: %s" % error.message, error)
	if session == old:
		end(ended)
	return GodraResult.failure(ended)


func _is_newer(kept: GodraSession, old: GodraSession) -> bool:
	if kept == null or kept.user_id != old.user_id or kept.refresh_token == old.refresh_token:
		return false
	return kept.expires_at > _clock.wall()


func _set(next: GodraSession, why: GodraError) -> void:
	var before := session
	session = next
	_is_stale = false
	if next != null:
		# By the time that is left rather than by the date, which a device may have wrong. Only a
		# session of an earlier run has no other.
		var left := next.expires_at - _clock.wall()
		var whole := next.expires_in if next.expires_in > 0 else left
		left = minf(left, whole)
		var early := minf(REFRESH_EARLY, whole / 10)
		_fresh_until_ms = _clock.now_ms() + (left - early) * 1000
	if before != next and changed.is_valid():
		changed.call(next, why)


func _warn(result: Error, what: String) -> void:
	if result != OK:
		_log.warning("the session could not be %s: %s" % [what, error_string(result)])
