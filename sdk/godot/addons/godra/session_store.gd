class_name GodraSessionStore
extends RefCounted
## Keeps the session over restarts of the game, in a file of [code]user://[/code].
##
## Games that keep it elsewhere extend this and override the three methods.

## The file; empty to keep the session in memory alone.
var path: String

var _kept: Dictionary = {}


func _init(file := "user://godra_session.json") -> void:
	path = file


## What was saved last; an empty dictionary if there is nothing.
func load_session() -> Dictionary:
	if path == "":
		return _kept
	if not FileAccess.file_exists(path):
		return {}
	var kept: Variant = JSON.parse_string(FileAccess.get_file_as_string(path))
	return kept if kept is Dictionary else {}


## Keeps a session in the place of the one before. Gives [constant OK], or what failed.
func save_session(session: Dictionary) -> Error:
	_kept = session
	if path == "":
		return OK
	# A crash in the middle of it must not lose the session: a refresh token is good once.
	var new_path := path + ".new"
	var file := FileAccess.open(new_path, FileAccess.WRITE)
	if file == null:
		return FileAccess.get_open_error()
	file.store_string(JSON.stringify(session, "", false, true))
	file.close()
	return DirAccess.rename_absolute(new_path, path)


## Forgets what is kept.
func clear_session() -> Error:
	_kept = {}
	if path == "" or not FileAccess.file_exists(path):
		return OK
	return DirAccess.remove_absolute(path)
