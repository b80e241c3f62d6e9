class_name GodraResult
extends RefCounted
## What became of a call: its value, or why it failed.
##
## [codeblock]
## var joined: GodraResult = await Godra.join("lobby-42")
## if not joined.ok:
##     print(joined.error.message)
## [/codeblock]

## Whether the call succeeded.
var ok: bool:
	get:
		return error == null
## What it gave; null if it failed.
var value: Variant = null
## Why it failed; null if it succeeded.
var error: GodraError = null


## A result with a value.
static func success(result_value: Variant = null) -> GodraResult:
	var result := GodraResult.new()
	result.value = result_value
	return result


## A failed one.
static func failure(why: GodraError) -> GodraResult:
	var result := GodraResult.new()
	result.error = why
	return result


func _to_string() -> String:
	return "ok: %s" % value if ok else "failed: %s" % error
