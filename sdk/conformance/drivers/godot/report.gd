extends RefCounted
## Errors as the judge reads them.


static func of(error: GodraError) -> Variant:
	if error == null:
		return null
	var report := {
		"code": error.code,
		"kind": error.kind,
		"message": error.message,
		"retryable": error.retryable,
	}
	if error.status != 0:
		report["status"] = error.status
	if error.details != null:
		report["details"] = error.details
	if error.retry_after >= 0:
		report["retry_after"] = error.retry_after
	if error.close_code != 0:
		report["close_code"] = error.close_code
	if error.outcome != "":
		report["outcome"] = error.outcome
	return report
