extends RefCounted
## The attempts to come back since the last good connection: how many, and how they went. No clock:
## `now` is passed in, in milliseconds.

const Backoff := preload("backoff.gd")
const CloseCodes := preload("close_codes.gd")
const Refusal := preload("refusal.gd")

## 0 while the first connection is made or holds.
var count := 0

var _options: GodraOptions
var _answers := 0
var _opened_ms := 0.0
var _lost_ms := 0.0


func _init(options: GodraOptions) -> void:
	_options = options


func opened(now: float) -> void:
	_opened_ms = now
	_answers = 0


func lost(now: float) -> void:
	if count == 0 or now - _opened_ms > _options.stable * 1000:
		restart(now)


## Begins from the start, as if the connection had been lost now.
func restart(now: float) -> void:
	count = 0
	_lost_ms = now


func failed(error: GodraError) -> void:
	_answers = _answers + 1 if Refusal.is_answer(error) else 0


## Counts one more, after a connection or an attempt that ended so. Gives its delay in milliseconds.
func next_delay_ms(now: float, close_code: int, retry_after: float) -> float:
	count += 1
	var about := Backoff.Situation.new()
	about.attempt = count
	about.gone_ms = now - _lost_ms
	about.answers = _answers
	about.is_gentle = CloseCodes.is_gentle(close_code)
	about.retry_after = retry_after
	return Backoff.delay_ms(
		about, _options.first_delay * 1000, _options.max_delay * 1000, _options.random
	)
