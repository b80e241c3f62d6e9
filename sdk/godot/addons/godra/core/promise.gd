extends RefCounted
## A result that comes later, for as many as wait for it.

signal _settled

var result: GodraResult = null


func settle(what: GodraResult) -> void:
	if result != null:
		return
	result = what
	_settled.emit()


func wait() -> GodraResult:
	if result == null:
		await _settled
	return result
