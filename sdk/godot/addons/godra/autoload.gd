extends GodraClient
## The autoload Godra: a client with the project's settings. Arguments behind [code]--[/code] on the
## command line outrank them, so that several players can be tried on one machine:
## [code]--godra-server=URL[/code], and [code]--godra-session=NAME[/code] for a session of its own.

const _Settings := preload("core/settings.gd")


func _init() -> void:
	super()
	server_url = _Settings.value(_Settings.SERVER_URL)
	options.log_level = _Settings.value(_Settings.LOG_LEVEL)
	for argument in OS.get_cmdline_user_args():
		var value := argument.get_slice("=", 1)
		if argument.begins_with("--godra-server="):
			server_url = argument.trim_prefix("--godra-server=")
		elif argument.begins_with("--godra-session=") and value.is_valid_filename():
			options.session_store.path = "user://godra_session_%s.json" % value
