@tool
extends EditorPlugin
## Adds the autoload Godra and its project settings.

const AUTOLOAD := "Godra"
const AUTOLOAD_PATH := "res://addons/godra/autoload.gd"
const Settings := preload("core/settings.gd")


func _enable_plugin() -> void:
	add_autoload_singleton(AUTOLOAD, AUTOLOAD_PATH)


func _disable_plugin() -> void:
	remove_autoload_singleton(AUTOLOAD)


func _enter_tree() -> void:
	for setting: Dictionary in Settings.ALL:
		var name: String = setting["name"]
		if not ProjectSettings.has_setting(name):
			ProjectSettings.set_setting(name, setting["default"])
		ProjectSettings.set_initial_value(name, setting["default"])
		ProjectSettings.set_as_basic(name, true)
		ProjectSettings.add_property_info(setting)
