extends RefCounted
## Calls to the server by HTTP: JSON in both directions, and failures as results.

const Address := preload("address.gd")
const Clock := preload("clock.gd")
const Errors := preload("errors.gd")
const Http := preload("http.gd")
const Json := preload("json.gd")

var address: Address

var _http: Http
var _options: GodraOptions
var _clock: Clock


func _init(http: Http, options: GodraOptions, clock: Clock) -> void:
	_http = http
	_options = options
	_clock = clock


## Its value is the object that was answered; an empty one with 204.
func post(path: String, body: Dictionary, token := "", cancel: GodraCancel = null) -> GodraResult:
	return await send(HTTPClient.METHOD_POST, path, body, token, cancel)


## As post, by any method.
func send(
	method: HTTPClient.Method,
	path: String,
	body: Dictionary,
	token := "",
	cancel: GodraCancel = null
) -> GodraResult:
	var written := Json.write(body, "body")
	if written.why != "":
		return GodraResult.failure(GodraError.new("bad_request", written.why))
	return await _call(method, path, written.text, token, cancel)


func read(path: String, token := "", cancel: GodraCancel = null) -> GodraResult:
	return await _call(HTTPClient.METHOD_GET, path, "", token, cancel)


func close() -> void:
	_http.close()


func _call(
	method: HTTPClient.Method, path: String, body: String, token: String, cancel: GodraCancel
) -> GodraResult:
	if address.base == "":
		var why := "Godra.server_url is not an http(s) address"
		return GodraResult.failure(GodraError.new("bad_request", why))
	var headers := PackedStringArray(["Content-Type: application/json"])
	if token != "":
		headers.append("Authorization: Bearer " + token)
	var answer := await _http.send(
		method, address.of(path), headers, body, _options.http_timeout, cancel
	)
	if answer.status == 204:
		return GodraResult.success({})
	if answer.status < 200 or answer.status > 299:
		return GodraResult.failure(Errors.of_answer(answer, path, _clock.wall()))
	var parsed := Json.parse(answer.body)
	if parsed.value is Dictionary:
		return GodraResult.success(parsed.value)
	var error := GodraError.new("bad_response", "The answer to %s is not a JSON object" % path)
	error.status = answer.status
	return GodraResult.failure(error)
