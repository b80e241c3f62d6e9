extends "res://test/harness/case.gd"

const Address := preload("res://addons/godra/core/address.gd")
const Answer := preload("res://addons/godra/core/answer.gd")
const Api := preload("res://addons/godra/core/api.gd")
const Auth := preload("res://addons/godra/core/auth.gd")
const Clock := preload("res://addons/godra/testing/virtual_clock.gd")
const FakeHttp := preload("res://test/harness/fake_http.gd")
const Log := preload("res://addons/godra/core/log.gd")
const Tokens := preload("res://addons/godra/core/tokens.gd")

var clock := Clock.new()
var options := GodraOptions.new()
var http := FakeHttp.new(clock)
var api := Api.new(http, options, clock)
var tokens := Tokens.new(api, options, clock, Log.new(options))
var auth := Auth.new(api, tokens, clock)
var ends: Array[String] = []


func before() -> void:
	options.session_store = GodraSessionStore.new("")
	options.log_level = "none"
	api.address = Address.new("http://server")
	tokens.changed = _changed


func _changed(next: GodraSession, why: GodraError) -> void:
	if next == null:
		ends.append(why.code)


func login(number := 1, seconds := 3600.0) -> Dictionary:
	return {
		"token": "t%d" % number,
		"refresh_token": "r%d" % number,
		"expires_in": seconds,
		"user_id": "guest:1",
		"username": "Guest",
		"role": "guest",
	}


func test_a_guest_once_for_all_who_ask() -> void:
	http.answers["guest-login"] = [[200, login()]]
	var got := []
	var ask := func() -> void: got.append(await auth.ensure())
	ask.call()
	ask.call()
	await http.answer_all(tree)
	equal([got.size(), got[0].ok, got[1].ok], [2, true, true])
	equal(http.calls, ["guest-login"] as Array[String])
	equal(options.session_store.load_session()["refresh_token"], "r1")


func test_a_guest_may_say_how_others_see_it() -> void:
	http.answers["guest-login"] = [[200, login()], [200, login(2)]]
	auth.guest()
	await http.answer_all(tree)
	auth.guest("Ann")
	await http.answer_all(tree)
	equal(http.bodies, ["{}", '{"nickname":"Ann"}'] as Array[String])


func test_logins_without_a_password_and_links() -> void:
	http.answers["external-login"] = [[200, login()]]
	http.answers["device-login"] = [[200, login(2)]]
	http.answers["account/identities"] = [
		[200, {"identities": [], "has_password": true}], [200, login(3)]
	]
	var path := "account/identities/https%3A%2F%2Fid.example/user%7C7"
	http.answers[path] = [[409, {"error": {"code": "conflict", "message": "last"}}]]
	var device := {"device_id": "an-id-of-a-device", "secret": "s"}
	var got := []
	var ask := func() -> void:
		got.append(await auth.login("external-login", {"token": "jwt"}))
		got.append(await auth.login("device-login", device))
		got.append(await auth.link_identity({"token": "jwt"}, {"password": "p"}, []))
		got.append(tokens.session.token)
		got.append(await auth.link_identity(device, {}, ["game:a"]))
		got.append(tokens.session.token)
		got.append(await auth.unlink_identity("https://id.example", "user|7", device))
	ask.call()
	await http.answer_all(tree)
	equal([got[2].value["has_password"], got[3], got[5]], [true, "t2", "t3"])
	equal([got[4].value is GodraSession, got[6].error.code], [true, "conflict"])
	equal(http.methods.back(), HTTPClient.METHOD_DELETE)
	var linked := {"token": "jwt", "rooms": [], "proof": {"password": "p"}}
	equal(JSON.parse_string(http.bodies[2]), linked)
	equal(JSON.parse_string(http.bodies[3])["rooms"], ["a"])
	equal(JSON.parse_string(http.bodies[4]), {"proof": device})


func test_a_new_name_is_the_sessions_and_a_deleted_account_has_none() -> void:
	tokens.begin(GodraSession.from_login(login(), clock.wall()))
	var refusal := {"error": {"code": "forbidden", "message": "the password is wrong"}}
	var renamed := {"user_id": "guest:1", "username": "zoe", "role": "player"}
	http.answers["account"] = [[403, refusal], [200, renamed], [403, refusal], [204, {}]]
	var got := []
	var ask := func() -> void:
		got.append(await auth.rename("zoe", {"password": "wrong"}))
		got.append(tokens.session.username)
		got.append(await auth.rename("zoe", {"proof": {"token": "jwt"}}))
		got.append(tokens.session.username)
		got.append(await auth.delete_account({"password": "wrong"}))
		got.append(tokens.session != null)
		got.append(await auth.delete_account({"password": "right"}))
	ask.call()
	await http.answer_all(tree)
	equal([got[0].ok, got[0].error.code, got[1]], [false, "forbidden", "Guest"])
	equal([got[2].ok, got[3], got[4].ok, got[5], got[6].ok], [true, "zoe", false, true, true])
	equal(tokens.session, null)
	equal(options.session_store.load_session(), {})
	equal(ends, ["session_ended"] as Array[String])
	var patch := HTTPClient.METHOD_PATCH
	var delete := HTTPClient.METHOD_DELETE
	equal(http.methods, [patch, patch, delete, delete] as Array[HTTPClient.Method])
	equal(JSON.parse_string(http.bodies[0]), {"username": "zoe", "password": "wrong"})
	equal(JSON.parse_string(http.bodies[1]), {"username": "zoe", "proof": {"token": "jwt"}})
	equal(JSON.parse_string(http.bodies[3]), {"password": "right"})


func test_a_code_sets_another_password_without_a_login() -> void:
	http.answers["account/reset"] = [[204, {}]]
	var got := []
	var ask := func() -> void: got.append(await auth.reset_password("ann", "ABCD", "12345678"))
	ask.call()
	await http.answer_all(tree)
	equal(got[0].ok, true)
	var body := {"username": "ann", "code": "ABCD", "password": "12345678"}
	equal(JSON.parse_string(http.bodies[0]), body)
	equal(tokens.session, null)


func test_refreshes_at_nine_tenths_of_a_short_life() -> void:
	tokens.begin(GodraSession.from_login(login(1, 100.0), clock.wall()))
	http.answers["refresh"] = [[200, login(2)]]
	clock.advance(89_000)
	equal((await tokens.fresh()).value, "t1")
	clock.advance(2_000)
	var got := []
	var ask := func() -> void: got.append((await tokens.fresh()).value)
	for i in 3:
		ask.call()
	await http.answer_all(tree)
	equal(got, ["t2", "t2", "t2"])
	equal(http.calls, ["refresh"] as Array[String])


func test_a_lost_answer_is_asked_for_again_with_the_same_token() -> void:
	tokens.begin(GodraSession.from_login(login(), clock.wall()))
	http.answers["refresh"] = [[0, "unavailable"], [200, login(2)]]
	var got := []
	var ask := func() -> void: got.append(await tokens.refresh())
	ask.call()
	await http.answer_all(tree)
	check(got[0].ok, "refreshed")
	equal(http.bodies, ['{"refresh_token":"r1"}', '{"refresh_token":"r1"}'] as Array[String])


func test_a_refused_refresh_ends_the_session_once() -> void:
	tokens.begin(GodraSession.from_login(login(), clock.wall()))
	http.answers["refresh"] = [[401, {"error": {"code": "session_ended", "message": "over"}}]]
	var got := []
	var ask := func() -> void: got.append((await tokens.refresh()).error.code)
	ask.call()
	ask.call()
	await http.answer_all(tree)
	equal(got, ["session_ended", "session_ended"])
	equal(ends, ["session_ended"] as Array[String])
	equal(options.session_store.load_session(), {})


func test_a_server_that_is_away_keeps_the_session() -> void:
	tokens.begin(GodraSession.from_login(login(), clock.wall()))
	http.answers["refresh"] = [[503, {"error": {"code": "busy", "message": "later"}}]]
	var got := []
	var ask := func() -> void: got.append((await tokens.refresh()).error.code)
	ask.call()
	await http.answer_all(tree)
	equal(got, ["busy"])
	check(tokens.session != null and ends.is_empty(), "kept")


func test_a_401_refreshes_once_and_a_script_s_does_not() -> void:
	tokens.begin(GodraSession.from_login(login(), clock.wall()))
	var refused := {"error": {"code": "token_expired", "message": "old"}}
	http.answers["account"] = [[401, refused], [200, {"user_id": "guest:1"}]]
	http.answers["refresh"] = [[200, login(2)]]
	var got := []
	var ask := func() -> void: got.append(await auth.account())
	ask.call()
	await http.answer_all(tree)
	check(got[0].ok, "called again")
	equal(http.calls, ["account", "refresh", "account"] as Array[String])


func test_a_wrong_device_clock_does_not_matter() -> void:
	var session := GodraSession.from_login(login(), clock.wall() + 1e6)
	tokens.begin(session)
	equal((await tokens.fresh()).value, "t1")
	equal(http.calls, [] as Array[String])


func test_answers_of_wrong_shapes() -> void:
	for wrong: Variant in [{}, [], "x", {"token": 7}, {"token": "t", "user_id": "1"}]:
		http.answers["guest-login"] = [[200, wrong]]
		var got := []
		var ask := func() -> void: got.append((await auth.login("guest-login", {})).error.code)
		ask.call()
		await http.answer_all(tree)
		equal(got, ["bad_response"], str(wrong))


func test_the_file_store() -> void:
	var store := GodraSessionStore.new("user://test_session.json")
	equal(store.load_session(), {})
	equal(store.save_session(login()), OK)
	equal(GodraSessionStore.new("user://test_session.json").load_session()["token"], "t1")
	equal(store.clear_session(), OK)
	equal(store.load_session(), {})
	FileAccess.open("user://test_session.json", FileAccess.WRITE).store_string("[1]")
	equal(store.load_session(), {})
	equal(store.clear_session(), OK)
