class_name GodraPlayers
extends RefCounted
## What players keep, by the scripts that come with the server: profiles, friends, items and trades,
## the daily reward, seasons. For players with an account; a guest is refused with
## [code]forbidden[/code]. Values are dictionaries as the scripts answer them.

var _client: GodraClient


## Of the player that this client is logged in as.
func _init(client: GodraClient) -> void:
	_client = client


## The player's own, made by the first call: [code]{user_id, username, name, avatar?, settings, seen,
## version}[/code].
func profile() -> GodraResult:
	return await _call("get_profile", [])


## Changes it, [code]{name?, avatar?, settings?, version?}[/code], and gives it as it is then. Null takes
## back. With another version by now this fails with [code]conflict[/code].
func set_profile(changes: Dictionary) -> GodraResult:
	return await _call("set_profile", [changes])


## What others may see of a player.
func view_profile(user_id: String) -> GodraResult:
	return await _call("view_profile", [{"user_id": user_id}])


## [code]{friends, asks, asked, blocked}[/code], with who is online, and where.
func friends() -> GodraResult:
	return await _call("list_friends", [])


## By [code]ask[/code], [code]accept[/code], [code]decline[/code], [code]remove[/code], [code]block[/code] or
## [code]unblock[/code]. The value says how it stands: [code]friends[/code], [code]asked[/code],
## [code]none[/code] or [code]blocked[/code].
func change_friends(verb: String, user_id: String) -> GodraResult:
	return await _client.rpc_call("change_friends", [{"verb": verb, "user_id": user_id}])


## [code]{items, offers}[/code]
func inventory() -> GodraResult:
	return await _call("get_inventory", [])


## Offers a friend a trade, items by name: [code]{status, version, ends_at}[/code].
func offer_trade(user_id: String, gives := {}, takes := {}) -> GodraResult:
	var offer := {"verb": "offer", "user_id": user_id, "gives": gives, "takes": takes}
	return await _call("trade", [offer])


## Accepts the offer that was seen. Another one by now is a [code]conflict[/code], with what is offered
## as its details.
func accept_trade(user_id: String, version: int) -> GodraResult:
	return await _call("trade", [{"verb": "accept", "user_id": user_id, "version": version}])


## Ends what is offered between the two, whoever has offered it.
func cancel_trade(user_id: String) -> GodraResult:
	return await _call("trade", [{"verb": "cancel", "user_id": user_id}])


## Claims the day's reward, once however often it is called: [code]{claimed, is_open, streak, reward,
## next_at, reminds}[/code].
func claim_daily() -> GodraResult:
	return await _call("claim_daily", [{}])


## The same, and only looks.
func daily() -> GodraResult:
	return await _call("claim_daily", [{"claim": false}])


## How a season has ended.
func season(season_name: String) -> GodraResult:
	return await _call("season", [{"name": season_name}])


func _call(script: String, args: Array) -> GodraResult:
	var result := await _client.rpc_call(script, args)
	if not result.ok:
		return result
	var value: Variant = JSON.parse_string(result.value) if result.value is String else null
	if value is Dictionary:
		return GodraResult.success(value)
	var why := "The answer of %s is not what the stock script gives" % script
	return GodraResult.failure(GodraError.new("bad_response", why))
