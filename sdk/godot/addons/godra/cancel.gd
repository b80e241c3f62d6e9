class_name GodraCancel
extends RefCounted
## Ends calls that are under way: hand it to [code]join[/code], [code]rpc_call[/code] or
## [code]request[/code], and call [method cancel]. They fail with [code]cancelled[/code].

## Emitted once, by [method cancel].
signal cancelled

## Whether [method cancel] was called.
var is_cancelled := false


## Ends the calls that have this object, now and later.
func cancel() -> void:
	if is_cancelled:
		return
	is_cancelled = true
	cancelled.emit()
