extends RefCounted
## A file of tests: each method test_… is one, and may await. A test without a check fails.

var tree: SceneTree
var checks := 0
var failures: PackedStringArray = []


func before() -> void:
	pass


func after() -> void:
	pass


func check(is_so: bool, what: String) -> void:
	checks += 1
	if not is_so:
		failures.append(what)


func equal(got: Variant, want: Variant, what := "") -> void:
	var is_same: bool = typeof(got) == typeof(want) and got == want
	check(is_same, "%s got %s, wanted %s" % [what, var_to_str(got), var_to_str(want)])


## Both as JSON has them: a number is a number.
func same_json(got: Variant, want: Variant, what := "") -> void:
	equal(JSON.stringify(got, "", true, true), JSON.stringify(want, "", true, true), what)


## Waits frame by frame until the condition holds.
func until(condition: Callable, what: String, seconds := 10.0) -> void:
	var end := Time.get_ticks_msec() + int(seconds * 1000)
	while not condition.call():
		if Time.get_ticks_msec() > end:
			check(false, "not within %s s: %s" % [seconds, what])
			return
		await tree.process_frame
	checks += 1
