extends "res://addons/godra/core/clock.gd"
## Time that passes when a test says so.

var _now_ms := 1000.0


func now_ms() -> float:
	return _now_ms


func wall() -> float:
	return 1_700_000_000.0 + _now_ms / 1000


## Lets time pass, and runs what is due on the way, each at its time.
func advance(ms: float) -> void:
	var end := _now_ms + ms
	while true:
		var next := next_due_ms()
		if next > end:
			break
		_now_ms = maxf(_now_ms, next)
		run_due()
	_now_ms = end
