extends RefCounted
## The room's state as this client knows it.

var state: Variant = null

var _reducers := {}


func reduce(type: String, reducer: Callable) -> void:
	_reducers[type] = reducer


## Whether anything may have changed.
func event(type: String, payload: Variant) -> bool:
	if not _reducers.has(type):
		return false
	var reducer: Callable = _reducers[type]
	if not reducer.is_valid():
		_reducers.erase(type)
		return false
	var next: Variant = reducer.call(state, payload)
	# A reducer that gives nothing back has changed the state in place.
	if next != null:
		state = next
	return true
