extends "res://addons/godra/core/http.gd"
## Answers calls as a test says: by path, in turn, as [status, body] or [0, failure].

signal _go

var answers := {}
## The paths that were called.
var calls: Array[String] = []
var bodies: Array[String] = []
var methods: Array[HTTPClient.Method] = []
var _waiting := 0


func _init(clock: Clock) -> void:
	super(null, clock)


func send(
	method: HTTPClient.Method,
	url: String,
	_headers: PackedStringArray,
	body: String,
	_timeout: float,
	_cancel: GodraCancel
) -> Answer:
	var path := url.trim_prefix("http://server/")
	calls.append(path)
	bodies.append(body)
	methods.append(method)
	_waiting += 1
	await _go
	_waiting -= 1
	var answer := Answer.new()
	var next: Array = answers[path].pop_front()
	answer.status = next[0]
	if next[0] == 0:
		answer.failure = next[1]
	else:
		answer.body = JSON.stringify(next[1])
	return answer


## Answers until nobody asks any more.
func answer_all(tree: SceneTree) -> void:
	await tree.process_frame
	while _waiting > 0:
		_go.emit()
		await tree.process_frame
