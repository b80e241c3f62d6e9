extends RefCounted
## What was answered by HTTP. A `status` of 0 means that nothing was: then `failure` says why.

## The headers that are looked at.
const HEADERS: Array[String] = ["godra-script", "retry-after"]

var status := 0
var failure := ""
var why := ""
## By their names in small letters.
var headers := {}
var body := ""
