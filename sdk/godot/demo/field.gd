extends Node2D
## Draws the room's players where its state says that they are.

const SIZE := Vector2(600, 370)
const RADIUS := 12.0
## So much of the way to where a player is do others see it go in a second.
const EASE := 12.0
const WORDS_S := 8.0

var _room: GodraRoom
## Where players are drawn, by their user id.
var _shown := {}
## Pairs of what somebody says and until when it is shown.
var _words := {}
var _me := Vector2(500, 500)


func watch(room: GodraRoom) -> void:
	_room = room
	room.use_lobby_reducers()
	_me = Vector2(randf_range(100, 900), randf_range(100, 900))
	room.send_latest("move_player", {"x": _me.x, "y": _me.y})


## Moves this window's player at once: the server hears of it a little later.
func move_me(by: Vector2) -> Vector2:
	_me = (_me + by).clamp(Vector2.ZERO, Vector2(1000, 1000))
	return _me


func say(user_id: String, text: String) -> void:
	_words[user_id] = [text, Time.get_ticks_msec() / 1000.0 + WORDS_S]


func _process(delta: float) -> void:
	if _room == null or not _room.state is Dictionary:
		return
	var players: Dictionary = _room.state.get("players", {})
	for id: String in players:
		if players[id].has("x"):
			var at := Vector2(players[id]["x"], players[id]["y"])
			var shown: Vector2 = _shown.get(id, at)
			_shown[id] = _me if id == _room.me["user_id"] else shown.lerp(at, minf(delta * EASE, 1))
	for id: String in _shown.keys():
		if not players.has(id):
			_shown.erase(id)
	queue_redraw()


func _draw() -> void:
	draw_rect(Rect2(Vector2.ZERO, SIZE), Color("1d2433"))
	for x in range(0, int(SIZE.x), 60):
		draw_line(Vector2(x, 0), Vector2(x, SIZE.y), Color("2a3347"))
	for y in range(0, int(SIZE.y), 60):
		draw_line(Vector2(0, y), Vector2(SIZE.x, y), Color("2a3347"))
	for id: String in _shown:
		_draw_player(id, _shown[id] / 1000 * SIZE)


func _draw_player(id: String, at: Vector2) -> void:
	var player: Dictionary = _room.state["players"].get(id, {})
	var color := Color.from_hsv(fmod(absf(float(id.hash())) / 1000, 1.0), 0.6, 1.0)
	if player.has("away"):
		color.a = 0.3
	draw_circle(at, RADIUS, color)
	if id == _room.me["user_id"]:
		draw_arc(at, RADIUS + 4, 0, TAU, 32, Color.WHITE, 2)
	var font := ThemeDB.fallback_font
	var name_of: String = player.get("username", "")
	draw_string(font, at + Vector2(-60, 30), name_of, HORIZONTAL_ALIGNMENT_CENTER, 120, 12)
	if _words.has(id) and _words[id][1] > Time.get_ticks_msec() / 1000.0:
		draw_string(
			font, at + Vector2(-100, -22), _words[id][0], HORIZONTAL_ALIGNMENT_CENTER, 200, 14
		)
