extends RefCounted
## Runs what the game sees, one after another: a handler that calls the SDK never finds itself called
## again in the middle of that.

var _queue: Array[Callable] = []
var _is_running := false


func post(action: Callable) -> void:
	_queue.append(action)


## Runs what was posted. Within a handler it does nothing: what waits runs after it.
func run() -> void:
	if _is_running:
		return
	_is_running = true
	while not _queue.is_empty():
		var batch := _queue
		_queue = []
		for action in batch:
			if action.is_valid():
				action.call()
	_is_running = false
