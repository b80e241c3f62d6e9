extends RefCounted
## One request of the outbox.

const Clock := preload("clock.gd")

var id: int
## Its number, once it has been sent.
var n := 0
var action: String
var text: String
## func(result: GodraResult)
var answered: Callable
var alarm: Clock.Alarm = null
## Of the store that may have run it.
var epoch := ""
var is_under_way := false
## What is known of it, should no answer come.
var outcome: String:
	get:
		return "none" if n == 0 else "unknown"


func answer(result: GodraResult) -> void:
	var then := answered
	answered = Callable()
	if alarm != null:
		alarm.cancel()
	if then.is_valid():
		then.call(result)
