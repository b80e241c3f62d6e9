class_name GodraOptions
extends RefCounted
## Options of a client: change those of [code]Godra.options[/code] before the first call.
## All times are in seconds. The defaults fit most games.

## Longest first delay before a lost connection is made again; it doubles with every attempt, and is
## drawn from its upper half.
var first_delay := 0.2
## Longest delay. It is never above 0.8 s in the first minute of an outage, and 5 s in the next four.
var max_delay := 20.0
## A connection that held this long was a good one: delays begin from the start again.
var stable := 5.0
## Which of several games on the server is played; empty for the default one.
var game := ""
## Whether lost connections are made again at all.
var reconnect := true
## Pause between the heartbeats that find dead connections; 0 for none.
var heartbeat := 20.0
## Time limit of requests in rooms.
var request_timeout := 10.0
## Time limit of calls by HTTP.
var http_timeout := 10.0
## Time limit from the start of a connection to its welcome.
var connect_timeout := 10.0
## Messages to the server that are longer are refused with [code]too_large[/code].
var max_input_bytes := 65536
## Messages of the server that are longer are not read, but reported as [code]bad_message[/code].
var max_message_bytes := 16 * 1024 * 1024
## What the engine keeps of messages until the game reads them. When it is full the engine drops
## messages, and the room asks for the state anew.
var inbound_buffer_bytes := 4 * 1024 * 1024
## With more unsent bytes than this an input is not sent.
var outbound_buffer_bytes := 1024 * 1024
## So many messages the engine keeps until the game reads them.
var max_queued_messages := 8192
## So long rooms may work in one frame; what is left waits for the next one.
var frame_budget := 0.004
## So many messages of a room are read in one frame.
var frame_messages := 200
## Where the session is kept.
var session_store := GodraSessionStore.new()
## [code]func(level: String, message: String, fields: Dictionary)[/code]: takes what is worth a line
## in the log, never a token. Without it warnings and errors go to the engine's output.
var logger := Callable()
## The least level that is logged: [code]debug[/code], [code]info[/code], [code]warning[/code],
## [code]error[/code] or [code]none[/code].
var log_level := "warning"
## Reducers for every room, by the type of their event: see [code]GodraLobbyReducers.all()[/code].
var reducers := {}
## For servers with certificates of their own; null for what the system trusts. Not on the web.
var tls: TLSOptions = null
## To try a game on a bad network, such as [code]{latency = 0.2, jitter = 0.05, drop_every = 30}[/code]:
## seconds of a round trip, how much more a way may take, and between lost connections on average.
var simulate := {}
## [code]func() -> float[/code] from 0 to 1: chance, for tests.
var random: Callable = randf
