extends "res://test/harness/case.gd"

const Json := preload("res://addons/godra/core/json.gd")


func test_writes_what_json_has() -> void:
	var value := {"i": 7, "f": 0.1, "w": 2.0, "b": true, "n": null, "s": &"x", "l": [1, [], {}]}
	value["p"] = PackedInt32Array([1, 2])
	var want := '{"i":7,"f":0.1,"w":2.0,"b":true,"n":null,"s":"x","l":[1,[],{}],"p":[1,2]}'
	equal(Json.write(value).text, want)


func test_floats_keep_their_precision() -> void:
	var written := Json.write([1.0 / 3, 123456789.123456789, -0.1, 3.0]).text
	equal(written, "[0.3333333333333333,123456789.12345679,-0.1,3.0]")
	# The engine reads what it writes but for the last digit.
	for number: float in [1.0 / 3, 123456789.123456789, 1.7976931348623157e308, -0.1]:
		var read: float = Json.parse(Json.write(number).text).value
		check(absf(read - number) <= absf(number) * 1e-15, "%s became %s" % [number, read])


func test_escapes_what_the_engine_leaves() -> void:
	var text := ""
	for code in range(1, 128):
		text += char(code)
	text += "é\u2028😀"
	var written := Json.write(text).text
	for code in range(1, 32):
		check(not written.contains(char(code)), "control character %d is bare" % code)
	equal(Json.parse(written).value, text)
	check(not written.contains("\\v"), "\\v is no JSON")


func test_refuses_what_json_has_not() -> void:
	var cycle := []
	cycle.append(cycle)
	for value: Variant in [
		INF, NAN, Vector2.ONE, Color.RED, self, test_refuses_what_json_has_not, cycle
	]:
		check(Json.write(value).why != "", "%s was written" % type_string(typeof(value)))
	equal(Json.write({"at": {"x": Vector2.ONE}}).why.get_slice(" ", 0), "payload.at.x")
	check(Json.write({Vector2.ONE: 1}).why != "", "a key that is no text")
	cycle.clear()


func test_takes_31_levels() -> void:
	var value: Variant = 1
	for level in 31:
		value = [value]
	equal(Json.write(value).why, "")
	check(Json.write([value]).why != "", "32 levels and the message are 33")


func test_reads_hostile_texts_without_a_crash() -> void:
	for depth: int in [100, 600, 10_000, 100_000]:
		Json.parse("[".repeat(depth))
		Json.parse("[".repeat(depth) + "]".repeat(depth))
		Json.parse('{"a":'.repeat(depth) + "1" + "}".repeat(depth))
	for text: String in ["", "{", "nul", '"\\ud800"', '{"a":NaN}', "\ufeff{}", "[1 2]"]:
		check(Json.parse(text).why != "", text)


func test_whole_numbers() -> void:
	equal(Json.whole(7.0), 7)
	equal(Json.whole(9007199254740992.0), 9007199254740992)
	for value: Variant in [7.5, -1.0, 1e300, INF, NAN, "7", null, true, [7]]:
		equal(Json.whole(value), -1, str(value))
