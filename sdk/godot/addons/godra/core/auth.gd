extends RefCounted
## Logins, and the session that follows from one.

const Address := preload("address.gd")
const Api := preload("api.gd")
const Clock := preload("clock.gd")
const Errors := preload("errors.gd")
const Promise := preload("promise.gd")
const Tokens := preload("tokens.gd")

var _api: Api
var _tokens: Tokens
var _clock: Clock
var _options: GodraOptions
var _ensuring: Promise = null


func _init(api: Api, tokens: Tokens, clock: Clock, options := GodraOptions.new()) -> void:
	_api = api
	_options = options
	_tokens = tokens
	_clock = clock


func load_kept() -> bool:
	var kept := _tokens.load_kept()
	if _tokens.session == null and kept != null:
		_tokens.begin(kept, true)
	return _tokens.session != null


## Those at the same time are one.
func ensure() -> GodraResult:
	var ensuring := _ensuring
	if ensuring == null:
		ensuring = Promise.new()
		_ensuring = ensuring
		_ensure(ensuring)
	return await ensuring.wait()


func _ensure(promise: Promise) -> void:
	var result := await _kept_or_guest()
	_ensuring = null
	promise.settle(result)


func _kept_or_guest() -> GodraResult:
	if load_kept():
		var fresh := await _tokens.fresh()
		# A session that is over makes place for a guest; a server that is away does not.
		if not fresh.ok and fresh.error.code != "session_ended":
			return fresh
	if _tokens.session != null:
		return GodraResult.success(_tokens.session)
	return await guest()


func guest(nickname := "") -> GodraResult:
	var body := {} if nickname.is_empty() else {"nickname": nickname}
	return await login("guest-login", body)


## Logs in by this path. Rooms of another user's session end.
func login(path: String, body: Dictionary) -> GodraResult:
	_tokens.begin_change()
	var result := _session_of(await _api.post(path, body), path)
	if result.ok:
		var next: GodraSession = result.value
		if _tokens.session != null and _tokens.session.user_id != next.user_id:
			_tokens.end(Errors.session_ended("Somebody else has logged in"))
		_tokens.begin(next)
	_tokens.end_change()
	return result


func register(username: String, password: String) -> GodraResult:
	return await _api.post("register", {"username": username, "password": password})


func upgrade(username: String, password: String, lobbies: Array) -> GodraResult:
	var ids: Array[String] = []
	for lobby: String in lobbies:
		ids.append(Address.id_of(lobby, _options.game))
	var token := await _tokens.fresh()
	if not token.ok:
		return token
	var body := {"username": username, "password": password, "rooms": ids}
	_tokens.begin_change()
	var path := "account/upgrade"
	var result := _session_of(await _api.post(path, body, token.value), path)
	if result.ok:
		_tokens.begin(result.value)
	_tokens.end_change()
	return result


func link_identity(identity: Dictionary, proof: Dictionary, lobbies: Array) -> GodraResult:
	var body := identity.duplicate()
	var ids: Array[String] = []
	for lobby: String in lobbies:
		ids.append(Address.id_of(lobby, _options.game))
	body["rooms"] = ids
	if not proof.is_empty():
		body["proof"] = proof
	var token := await _tokens.fresh()
	if not token.ok:
		return token
	_tokens.begin_change()
	var path := "account/identities"
	var result := await _api.post(path, body, token.value)
	if result.ok and result.value.has("token"):
		result = _session_of(result, path)
		if result.ok:
			_tokens.begin(result.value)
	_tokens.end_change()
	return result


func unlink_identity(issuer: String, subject: String, proof: Dictionary) -> GodraResult:
	var path := "account/identities/%s/%s" % [issuer.uri_encode(), subject.uri_encode()]
	var body := {"proof": proof}
	var result := await _tokens.with_token(
		func(token: String) -> GodraResult:
			return await _api.send(HTTPClient.METHOD_DELETE, path, body, token)
	)
	return GodraResult.success() if result.ok else result


func identities() -> GodraResult:
	return await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.read("account/identities", token)
	)


func change_password(old_password: String, new_password: String) -> GodraResult:
	var body := {"old": old_password, "new": new_password}
	return await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.post("account/password", body, token)
	)


## Ownership is [code]{password}[/code], or [code]{proof}[/code].
func rename(username: String, ownership: Dictionary) -> GodraResult:
	var body := ownership.merged({"username": username})
	var token := await _tokens.fresh()
	if not token.ok:
		return token
	_tokens.begin_change()
	var result := await _api.send(HTTPClient.METHOD_PATCH, "account", body, token.value)
	if result.ok and _tokens.session != null and _tokens.session.token == token.value:
		var next := GodraSession.from_dictionary(_tokens.session.to_dictionary())
		next.username = str(result.value.get("username", username))
		_tokens.begin(next)
	_tokens.end_change()
	return result


## Ownership is as in [method rename]; of a guest, nothing.
func delete_account(ownership: Dictionary) -> GodraResult:
	var token := await _tokens.fresh()
	if not token.ok:
		return token
	_tokens.begin_change()
	var result := await _api.send(HTTPClient.METHOD_DELETE, "account", ownership, token.value)
	if result.ok and _tokens.session != null and _tokens.session.token == token.value:
		_tokens.end(Errors.session_ended("The account was deleted"))
	_tokens.end_change()
	return GodraResult.success() if result.ok else result


func reset_password(username: String, code: String, password: String) -> GodraResult:
	var body := {"username": username, "code": code, "password": password}
	return await _api.post("account/reset", body)


func account() -> GodraResult:
	return await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.read("account", token)
	)


func data(cursor: String, limit: int) -> GodraResult:
	var query: PackedStringArray = []
	if cursor != "":
		query.append("cursor=" + cursor.uri_encode())
	if limit > 0:
		query.append("limit=%d" % limit)
	var path := "account/data" if query.is_empty() else "account/data?" + "&".join(query)
	return await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.read(path, token)
	)


func document(collection: String, key: String) -> GodraResult:
	var path := "data/" + collection.uri_encode()
	for part in key.split("/"):
		path += "/" + part.uri_encode()
	return await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.read(path, token)
	)


func logout() -> GodraResult:
	var token := _tokens.session.token if _tokens.session != null else ""
	if token != "":
		var fresh := await _tokens.fresh()
		token = fresh.value if fresh.ok else ""
	_tokens.end(Errors.session_ended("The game has logged out"))
	if token == "":
		return GodraResult.success()
	var result := await _api.post("logout", {}, token)
	# It was over already.
	if not result.ok and result.error.status == 401:
		return GodraResult.success()
	return GodraResult.success() if result.ok else result


func _session_of(answer: GodraResult, path: String) -> GodraResult:
	if not answer.ok:
		return answer
	var next := GodraSession.from_login(answer.value, _clock.wall())
	if next != null:
		return GodraResult.success(next)
	var why := "The answer to %s is no login" % path
	return GodraResult.failure(GodraError.new("bad_response", why))
