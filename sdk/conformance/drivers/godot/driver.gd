extends Node
## Uses the add-on as a game would, as the judge commands (sdk/conformance/DRIVER.md).

const Channel := preload("channel.gd")
const Player := preload("player.gd")
const Report := preload("report.gd")

const CAN: Array[String] = [
	"wake", "offline", "cancel", "binary", "reducers", "stats", "file_store", "browser", "no_nul"
]
const WHY := {
	"browser": "a browser opens one WebSocket at a time to a server",
	"no_nul": "the engine's texts hold no U+0000",
	"headers": "browsers hide why an upgrade was refused",
	"status": "browsers hide why an upgrade was refused",
	"tabs": "each page of a game has a user:// of its own while it runs",
	"throw": "GDScript has no exceptions",
	"ints": "the engine reads every number of JSON as a float",
	"surrogates": "the engine's texts hold no lone surrogates",
}

var _channel := Channel.new()
var _players := {}
var _stores := {}
var _is_over := false


func _ready() -> void:
	RenderingServer.render_loop_enabled = false
	_channel.start(_take)
	var hello := {
		"sdk": "godot",
		"version": _version(),
		"platform": "Godot %s web" % Engine.get_version_info()["string"],
		"can": CAN,
		"why": WHY,
	}
	_channel.tell({"hello": hello})


func _process(_delta: float) -> void:
	if _is_over and _channel.is_sent():
		get_tree().quit(0)


func _take(command: Dictionary) -> void:
	var done := func(result: GodraResult) -> void: _report(command, result)
	match command["do"]:
		"exit":
			_drop(null)
			_is_over = true
		"drop":
			_drop(command.get("client"))
			done.call(GodraResult.success())
		"new":
			_new(command)
			done.call(GodraResult.success())
		_:
			var name: String = command.get("client", "c")
			if _players.has(name):
				done.call(await _players[name].run(command))
			else:
				done.call(GodraResult.failure(GodraError.new("no_client", "No client " + name)))


func _new(command: Dictionary) -> void:
	var player := Player.new(_channel, command["id"])
	_players[command.get("client", "c")] = player
	add_child(player)
	var options: Dictionary = command.get("options", {})
	player.begin(command["url"], options, _store(options))


func _store(options: Dictionary) -> GodraSessionStore:
	if not options.has("store"):
		return GodraSessionStore.new("")
	var name: String = options["store"]
	if not _stores.has(name):
		_stores[name] = GodraSessionStore.new("user://%s.json" % name.validate_filename())
	return _stores[name]


func _drop(which: Variant) -> void:
	for name: String in _players.keys():
		if which == null or name == which:
			_players[name].close()
			_players[name].queue_free()
			_players.erase(name)


func _report(command: Dictionary, result: GodraResult) -> void:
	if command.get("id") == null:
		return
	if result.ok:
		_channel.tell({"id": command["id"], "value": result.value})
	else:
		_channel.tell({"id": command["id"], "error": Report.of(result.error)})


func _version() -> String:
	var config := ConfigFile.new()
	config.load("res://addons/godra/plugin.cfg")
	return config.get_value("plugin", "version")
