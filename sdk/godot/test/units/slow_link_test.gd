extends "res://test/harness/case.gd"

const Clock := preload("res://addons/godra/testing/virtual_clock.gd")
const FakeLink := preload("res://addons/godra/testing/fake_link.gd")
const SlowLink := preload("res://addons/godra/core/slow_link.gd")

var clock := Clock.new()
var inner := FakeLink.new()
var told: Array[String] = []
var chance := 1.0


func made(simulate: Dictionary) -> SlowLink:
	var link := SlowLink.new(inner, clock, simulate, func() -> float: return chance)
	link.on_text = func(text: String) -> void: told.append(text)
	link.on_ended = func(code: int, _why: String, _was: bool) -> void: told.append(str(code))
	link.open("ws://a", "t")
	return link


func test_each_way_takes_half_of_the_latency_and_keeps_the_order() -> void:
	var link := made({"latency": 0.2, "jitter": 0.05})
	check(link.send('{"action":"a"}'), "sent")
	inner.on_text.call("one")
	chance = 0.0
	inner.on_text.call("two")
	inner.on_ended.call(4500, "", true)
	clock.advance(149)
	equal([told.size(), inner.sent.size()], [0, 0])
	clock.advance(1)
	equal(told, ["one", "two", "4500"] as Array[String])
	equal(inner.sent.size(), 1)


func test_it_breaks_now_and_then() -> void:
	var link := made({"drop_every": 10.0})
	clock.advance(14_999)
	equal(told, [] as Array[String])
	clock.advance(1)
	equal(told, ["1006"] as Array[String])
	equal(inner.close_code, 4000)
	inner.on_text.call("late")
	clock.advance(1000)
	check(not link.send("{}"), "it is over")
	equal(told.size(), 1)
