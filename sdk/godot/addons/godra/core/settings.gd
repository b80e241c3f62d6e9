extends RefCounted
## The add-on's project settings.

const SERVER_URL := "godra/server_url"
const LOG_LEVEL := "godra/log_level"
const ALL: Array[Dictionary] = [
	{"name": SERVER_URL, "type": TYPE_STRING, "default": "http://localhost:8080"},
	{
		"name": LOG_LEVEL,
		"type": TYPE_STRING,
		"default": "warning",
		"hint": PROPERTY_HINT_ENUM,
		"hint_string": "debug,info,warning,error,none",
	},
]


static func value(name: String) -> Variant:
	for setting in ALL:
		if setting["name"] == name:
			return ProjectSettings.get_setting(name, setting["default"])
	return null
