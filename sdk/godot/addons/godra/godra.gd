@icon("res://addons/godra/icons/client.svg")
class_name GodraClient
extends Node
## A server and one player: logins, calls and rooms. The add-on makes one, the autoload
## [code]Godra[/code]; more are made with [code]GodraClient.new()[/code] and added to the tree.

## There is another session; null after the end of one.
signal session_changed(session: GodraSession)
## The login is over: show the login screen. The rooms end after this.
signal session_ended(error: GodraError)

const _Address := preload("core/address.gd")
const _Api := preload("core/api.gd")
const _Auth := preload("core/auth.gd")
const _Clock := preload("core/clock.gd")
const _Connector := preload("core/connector.gd")
const _Delivery := preload("core/delivery.gd")
const _Dispatch := preload("core/dispatch.gd")
const _Errors := preload("core/errors.gd")
const _Http := preload("core/http.gd")
const _Link := preload("core/link.gd")
const _Log := preload("core/log.gd")
const _Rooms := preload("core/rooms.gd")
const _Tokens := preload("core/tokens.gd")
const _Wake := preload("core/wake.gd")

## Where the server is, such as [code]https://games.example[/code]. The autoload takes it from the
## project setting [code]godra/server_url[/code].
@export var server_url := "http://localhost:8080":
	set(url):
		server_url = url
		_api.address = _Address.new(url)

## Change these before the first call.
var options: GodraOptions:
	get:
		return _options
## Who is logged in; null without a login.
var session: GodraSession:
	get:
		return _tokens.session
## Rooms that are joined or on their way.
var rooms: Array[GodraRoom]:
	get:
		return _rooms.all()

var _options := GodraOptions.new()
var _clock := _Clock.new()
var _dispatch := _Dispatch.new()
var _log := _Log.new(_options)
var _api := _Api.new(_Http.new(self, _clock), _options, _clock)
var _tokens := _Tokens.new(_api, _options, _clock, _log)
var _auth := _Auth.new(_api, _tokens, _clock, _options)
var _rooms := _Rooms.new(_options, _clock, _dispatch, _log, _api, _tokens)
var _wake := _Wake.new()


func _init() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	server_url = server_url
	_tokens.changed = _on_session
	_rooms.rpc_call = rpc_call


func _enter_tree() -> void:
	_wake.on_network = _rooms.set_online
	_wake.on_shown = check_now
	_wake.on_hidden_tick = poll
	_wake.start()


func _process(_delta: float) -> void:
	poll()


func _notification(what: int) -> void:
	match what:
		NOTIFICATION_APPLICATION_RESUMED, NOTIFICATION_APPLICATION_FOCUS_IN:
			check_now()
		NOTIFICATION_PREDELETE:
			# Of a client that was never in the tree.
			close()


func _exit_tree() -> void:
	close()
	_wake.stop()


## Goes on with the session that is there or was kept, or logs in as a guest. The value is the
## [GodraSession], as with all logins.
func ensure_session() -> GodraResult:
	return await _auth.ensure()


## Goes on with the session that was kept, if there is one: gives whether. The server is not asked
## before the next call.
func load_session() -> bool:
	return _auth.load_kept()


## Logs in as a new guest. Other players see [param nickname], if there is one: others may have it, too,
## and it is no account's name ([code]conflict[/code]).
func guest(nickname := "") -> GodraResult:
	return await _auth.guest(nickname)


## Logs in with an account. Rooms of another user's session end.
func login(username: String, password: String) -> GodraResult:
	return await _auth.login("login", {"username": username, "password": password})


## Logs in with a token of another issuer, such as the studio's own login.
func login_with_token(token: String) -> GodraResult:
	return await _auth.login("external-login", {"token": token})


## Logs in with a device: what [method new_device] made once, and the game has kept.
func login_with_device(device: Dictionary) -> GodraResult:
	var body := {"device_id": device.get("device_id"), "secret": device.get("secret")}
	return await _auth.login("device-login", body)


## A new device, at random: [code]{device_id, secret}[/code]. Whoever has it has the account: keep it where
## other programs do not read it.
func new_device() -> Dictionary:
	return {"device_id": _random_text(16), "secret": _random_text(32)}


## Links one more way to log in: [code]{token}[/code] of another issuer, or a device. [param proof] shows
## that the account is one's own: [code]{password}[/code], or a way that is linked already. A guest needs
## none, becomes a player, and goes on as that, as with [method upgrade]: the value is its session then.
func link_identity(
	identity: Dictionary, proof: Dictionary = {}, lobbies: Array = []
) -> GodraResult:
	var ids := lobbies.duplicate()
	for room in rooms:
		ids.append(room.id)
	return await _auth.link_identity(identity, proof, ids)


## Takes a way to log in from the account; all its other sessions end. The last way stays
## ([code]conflict[/code]). A device's issuer is [code]device[/code].
func unlink_identity(issuer: String, subject: String, proof: Dictionary) -> GodraResult:
	return await _auth.unlink_identity(issuer, subject, proof)


## The account's other ways to log in: [code]{identities, has_password}[/code].
func identities() -> GodraResult:
	return await _auth.identities()


## Makes an account; [method login] comes after it. A name has 3 to 32 letters and digits, a password
## 8 to 128 characters.
func register(username: String, password: String) -> GodraResult:
	return await _auth.register(username, password)


## Makes the guest that is logged in a player with an account, and goes on as that: rooms come back by
## themselves. What the guest has in [param lobbies] goes over, and in those that are joined.
func upgrade(username: String, password: String, lobbies: Array = []) -> GodraResult:
	var ids := lobbies.duplicate()
	for room in rooms:
		ids.append(room.id)
	return await _auth.upgrade(username, password, ids)


## Changes the password; all other sessions of the account end.
func change_password(old_password: String, new_password: String) -> GodraResult:
	return await _auth.change_password(old_password, new_password)


## Gives the account another name. Rooms see it when the player joins again.
func rename(username: String, password: String) -> GodraResult:
	return await _auth.rename(username, {"password": password})


## The same as [method rename] without the password. [param proof] shows that the account is one's own: a way
## to log in that is linked, as in [method link_identity].
func rename_with(username: String, proof: Dictionary) -> GodraResult:
	return await _auth.rename(username, {"proof": proof})


## Deletes the account for good, and ends the session with all its rooms. A guest has no password.
func delete_account(password := "") -> GodraResult:
	return await _auth.delete_account({} if password == "" else {"password": password})


## The same as [method delete_account] without the password, by a proof as in [method rename_with].
func delete_account_with(proof: Dictionary) -> GodraResult:
	return await _auth.delete_account({"proof": proof})


## Sets another password by a code that the game's operator has sent; [method login] comes after it.
func reset_password(username: String, code: String, password: String) -> GodraResult:
	return await _auth.reset_password(username, code, password)


## Ends the session on the server, and here whatever the server says. All rooms end.
func logout() -> GodraResult:
	return await _auth.logout()


## Gets new tokens now; done by itself when a call needs them.
func refresh() -> GodraResult:
	return await _tokens.refresh()


## Whose session this is, as the server knows it: a dictionary.
func account() -> GodraResult:
	return await _auth.account()


## What is kept of the player for long, a page of it: [code]{documents, cursor?}[/code]. With the
## cursor comes the next page; all pages together are the player's own data.
func data(cursor := "", limit := 0) -> GodraResult:
	return await _auth.data(cursor, limit)


## One document that the player may read: a dictionary, with its [code]value[/code].
func document(collection: String, key: String) -> GodraResult:
	return await _auth.document(collection, key)


## Joins a lobby; the value is its [GodraRoom], the same one for one lobby. Listeners that are
## connected after this miss no event. [param prepare] gets the room before its connection is made.
## The room's [code]on_connect[/code] gets the [param options] at each connection: at most 1 KiB of
## JSON. Those of the first join count.
func join(
	lobby_id: String, prepare := Callable(), cancel: GodraCancel = null, options := {}
) -> GodraResult:
	return await _rooms.join(lobby_id, prepare, cancel, options)


## Makes a lobby and joins it. The stock script takes [code]width[/code], [code]height[/code] and
## [code]max_speed[/code] as settings.
func create_room(
	capacity := 4, settings := {}, prepare := Callable(), cancel: GodraCancel = null, options := {}
) -> GodraResult:
	var args: Array = [capacity] if settings.is_empty() else [capacity, settings]
	var made := await rpc_call("create_lobby", args, [], cancel)
	if not made.ok:
		return made
	if not made.value is String:
		var why := "The answer of create_lobby is not an id"
		return GodraResult.failure(GodraError.new("bad_response", why))
	return await join(made.value, prepare, cancel, options)


## A page of lobbies, the newest first: [code]{lobbies, cursor}[/code]. With the cursor comes the next
## page; null is the end.
func list_rooms(limit := 20, cursor := "", cancel: GodraCancel = null) -> GodraResult:
	var args: Array = [limit] if cursor == "" else [limit, cursor]
	var listed := await rpc_call("list_lobbies", args, [], cancel)
	if listed.ok and listed.value is String:
		listed = GodraResult.success(JSON.parse_string(listed.value))
	var is_page: bool = listed.value is Dictionary and listed.value.get("lobbies") is Array
	if listed.ok and not is_page:
		var why := "The answer of list_lobbies is not a page"
		return GodraResult.failure(GodraError.new("bad_response", why))
	return listed


## Runs one script on the server; the value is its result. ([code]rpc[/code] is the engine's own.)
func rpc_call(
	script: String, args: Array = [], keys: Array = [], cancel: GodraCancel = null
) -> GodraResult:
	var body := {"script": script, "args": args}
	if not keys.is_empty():
		body["keys"] = keys
	if _options.game != "":
		body["game"] = _options.game
	var answer := await _tokens.with_token(
		func(token: String) -> GodraResult: return await _api.post("api/rpc", body, token, cancel)
	)
	if not answer.ok:
		return answer
	if not answer.value.has("result"):
		var why := "The answer to an RPC has no result"
		return GodraResult.failure(GodraError.new("bad_response", why))
	return GodraResult.success(answer.value["result"])


## The game or its network is back: rooms find out at once whether their connections are, and those
## that wait try again. The client does this by itself when the engine or the browser says so.
func check_now() -> void:
	_rooms.check_now()


## For platforms whose network the engine does not know: without one no attempts are made.
func set_online(is_online: bool) -> void:
	_rooms.set_online(is_online)


## Reads what came and does what is due; called with each frame. Call it between the steps of
## something long.
func poll() -> void:
	# After a pause, what arrived meanwhile is read before anything is given up.
	if _clock.tick() > 0:
		check_now()
	_rooms.poll()
	_clock.run_due()
	_dispatch.run()


## Closes all rooms and ends all calls. The session stays.
func close() -> void:
	_rooms.close()
	_api.close()
	_dispatch.run()


func _on_session(next: GodraSession, why: GodraError) -> void:
	_dispatch.post(_tell_session.bind(next, why))
	if next == null:
		_rooms.close(why)
	_dispatch.run.call_deferred()


func _tell_session(next: GodraSession, why: GodraError) -> void:
	session_changed.emit(next)
	if next == null:
		session_ended.emit(why)


static func _random_text(bytes: int) -> String:
	var text := Marshalls.raw_to_base64(Crypto.new().generate_random_bytes(bytes))
	return text.replace("+", "-").replace("/", "_").replace("=", "")
