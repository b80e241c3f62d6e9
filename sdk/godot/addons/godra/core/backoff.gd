extends RefCounted
## How long to wait before the next attempt to come back. No clock and no chance of its own.

## Of what the server asks for.
const MOST_ASKED_MS := 5 * 60_000.0


## What the next delay depends on.
class Situation:
	extends RefCounted
	## Of those since the last good connection, from 1.
	var attempt := 1
	## Since the connection was lost.
	var gone_ms := 0.0
	## So many attempts in a row were answered with a no: a server that is there, and has too much to
	## do, is asked less and less often from the start on.
	var answers := 0
	var is_gentle := false
	## What the server asked for; negative if nothing.
	var retry_after := -1.0


static func delay_ms(about: Situation, first_ms: float, max_ms: float, random: Callable) -> float:
	var doublings := about.attempt - 1
	var longest := _longest_ms(about.gone_ms)
	if about.answers > 0:
		doublings = mini(about.answers, doublings)
		longest = max_ms
	var grown := minf(longest, first_ms * pow(2, mini(doublings, 30)))
	var ceiling := minf(max_ms, maxf(5 * first_ms, grown) if about.is_gentle else grown)
	var chance: float = random.call()
	return clampf(about.retry_after * 1000, 0, MOST_ASKED_MS) + ceiling * (0.5 + chance / 2)


## A server that is restarted is away for seconds, and its players shall be back within one second of
## its return. Who is away for longer than a minute has lost their network, or the server is in
## trouble: then haste gains nothing, and costs batteries.
static func _longest_ms(gone_ms: float) -> float:
	if gone_ms < 60_000:
		return 800
	return 5_000.0 if gone_ms < 300_000 else 20_000.0
