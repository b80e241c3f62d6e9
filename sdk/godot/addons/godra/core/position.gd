extends RefCounted
## Where this client is in the room's history: what it asks for when it comes back, and which events
## it has had already.

var epoch := ""
## The highest number that was seen or told; -1 if there is none.
var seq := -1
## Whether something was lost, and what is known of the room may be wrong.
var is_doubtful := false
## Whether a new connection can go on from here.
var can_resume: bool:
	get:
		return epoch != "" and seq >= 0 and not is_doubtful


## The welcome of a connection that goes on changes nothing: the missed events are yet to come.
func welcome(is_recovered: bool, new_epoch: String, new_seq: int) -> void:
	if not is_recovered or new_epoch != epoch:
		_set(new_epoch, new_seq)


## The room at exactly this place. It may be behind what was seen: a store that was restored has gone
## back.
func snapshot(new_epoch: String, new_seq: int) -> void:
	_set(new_epoch if new_epoch != "" else epoch, new_seq)


## Whether this event is new. Gaps are for the server to judge: what is missing was for others.
func event(event_seq: int) -> bool:
	if event_seq < 0:
		return true
	if event_seq <= seq:
		return false
	seq = event_seq
	return true


## The server says that all events up to this one have been sent.
func reached(told: int) -> void:
	seq = maxi(seq, told)


func doubt() -> void:
	is_doubtful = true


func forget() -> void:
	_set("", -1)


func _set(new_epoch: String, new_seq: int) -> void:
	epoch = new_epoch
	seq = new_seq
	is_doubtful = false
