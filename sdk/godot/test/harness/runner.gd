extends Node
## Compiles all scripts with their types, and runs the tests of res://test/units. Arguments are names:
## then only the tests whose name contains one of them. Ends with how many passed.

const LIMIT_S := 60.0

var _passed := 0
var _failed := 0
var _names: PackedStringArray


func _ready() -> void:
	RenderingServer.render_loop_enabled = false
	await get_tree().process_frame
	_names = OS.get_cmdline_user_args()
	if _names.is_empty():
		_compile("res://")
	for file in _sorted(DirAccess.get_files_at("res://test/units")):
		if file.ends_with(".gd"):
			await _run_file("res://test/units".path_join(file))
	print("%d passed, %d failed" % [_passed, _failed])
	get_tree().quit(1 if _failed > 0 else 0)


func _compile(folder: String) -> void:
	for file in _sorted(DirAccess.get_files_at(folder)):
		# The editor's own classes are not in an exported game.
		if file.ends_with(".gd") and file != "plugin.gd":
			var path := folder.path_join(file)
			var script: GDScript = load(path)
			var is_good := script != null and script.can_instantiate()
			_report("compile " + path, "" if is_good else "it does not compile")
	for sub in _sorted(DirAccess.get_directories_at(folder)):
		_compile(folder.path_join(sub))


func _run_file(path: String) -> void:
	var script: GDScript = load(path)
	for method in script.get_script_method_list():
		var name: String = method["name"]
		var full := "%s.%s" % [path.get_file().get_basename(), name]
		if name.begins_with("test_") and _is_wanted(full):
			await _run(script, name, full)


func _run(script: GDScript, method: String, full: String) -> void:
	var case: RefCounted = script.new()
	case.tree = get_tree()
	var state := {"is_done": false}
	_play(case, method, state)
	var end := Time.get_ticks_msec() + LIMIT_S * 1000
	while not state["is_done"] and Time.get_ticks_msec() < end:
		await get_tree().process_frame
	if not state["is_done"]:
		# An error of the script ends it without a word to whoever awaits it.
		case.failures.append("it did not come to its end")
	if case.checks == 0:
		case.failures.append("it checked nothing")
	_report(full, "; ".join(case.failures))


func _play(case: RefCounted, method: String, state: Dictionary) -> void:
	await case.before()
	await case.call(method)
	await case.after()
	state["is_done"] = true


func _report(name: String, why: String) -> void:
	if why == "":
		_passed += 1
		print("ok      ", name)
	else:
		_failed += 1
		print("FAILED  ", name, ": ", why)


func _is_wanted(name: String) -> bool:
	for one in _names:
		if name.contains(one):
			return true
	return _names.is_empty()


func _sorted(names: PackedStringArray) -> PackedStringArray:
	names.sort()
	return names
