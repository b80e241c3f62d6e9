extends RefCounted
## One WebSocket, from its start to its end, by the engine's WebSocketPeer. Reads and ends within
## [method poll] alone.

const CloseCodes := preload("close_codes.gd")
const Drops := preload("drops.gd")

const PROTOCOL := "godra"
## So long the other side may take to answer a close.
const CLOSE_LIMIT_MS := 5000.0

## func()
var on_opened: Callable
## func(text: String)
var on_text: Callable
## func(why: String): a message was lost.
var on_lost: Callable
## func(code: int, reason: String, was_opened: bool)
var on_ended: Callable
var bytes_in := 0
var bytes_out := 0
var frames_in := 0
var frames_out := 0

var _options: GodraOptions
var _peer := WebSocketPeer.new()
var _was_opened := false
var _is_over := false
var _drops := 0


func _init(options: GodraOptions) -> void:
	_options = options
	Drops.watch()
	_drops = Drops.count


func open(url: String, token: String) -> void:
	_peer.supported_protocols = PackedStringArray([PROTOCOL, "bearer." + token])
	# The engine keeps the next power of two, but reads packets into as much as it was told. What fits
	# into the one and not into the other would spoil all that comes behind it.
	_peer.inbound_buffer_size = nearest_po2(_options.inbound_buffer_bytes) - 1
	_peer.outbound_buffer_size = _options.outbound_buffer_bytes
	_peer.max_queued_packets = _options.max_queued_messages
	var began := _peer.connect_to_url(url, _options.tls)
	if began != OK:
		_end.call_deferred(CloseCodes.BROKEN, "the engine says: %s" % error_string(began))


## Reads what came. Gives whether there is more than was to be read: `deadline` is in microseconds of
## the engine's time.
func poll(most: int, deadline: int) -> bool:
	if _is_over:
		return false
	_peer.poll()
	var state := _peer.get_ready_state()
	if not _was_opened and state == WebSocketPeer.STATE_OPEN:
		_opened()
	_check_room()
	while most > 0 and not _is_over and _peer.get_available_packet_count() > 0:
		_read()
		most -= 1
		if Time.get_ticks_usec() > deadline:
			break
	if _is_over:
		return false
	if _peer.get_available_packet_count() > 0:
		return true
	# What came before the end was read first.
	if state == WebSocketPeer.STATE_CLOSED:
		_closed()
	return false


## Whether it was sent.
func send(text: String) -> bool:
	if _is_over or _peer.get_ready_state() != WebSocketPeer.STATE_OPEN:
		return false
	var size := text.length()
	if _peer.get_current_outbound_buffered_amount() + size > _options.outbound_buffer_bytes:
		return false
	if _peer.send_text(text) != OK:
		return false
	frames_out += 1
	bytes_out += size
	return true


## Nothing more is told of it. It is to be polled until [method is_closed].
func close(code: int, reason: String) -> void:
	_is_over = true
	_peer.close(code, reason)


func is_closed() -> bool:
	_peer.poll()
	while _peer.get_available_packet_count() > 0:
		_peer.get_packet()
	return _peer.get_ready_state() == WebSocketPeer.STATE_CLOSED


func _opened() -> void:
	_was_opened = true
	if _peer.get_selected_protocol() == PROTOCOL:
		on_opened.call()
	else:
		_peer.close(1002, "no subprotocol")
		_end(1002, "the server did not choose the subprotocol %s" % PROTOCOL)


# The engine drops what does not fit.
func _check_room() -> void:
	if Drops.are_known:
		if Drops.count == _drops:
			return
		_drops = Drops.count
	elif _peer.get_available_packet_count() < _options.max_queued_messages:
		return
	on_lost.call("More came than the engine keeps, and it dropped what had no room")


func _read() -> void:
	var packet := _peer.get_packet()
	frames_in += 1
	bytes_in += packet.size()
	if packet.size() > _options.max_message_bytes:
		on_lost.call("The server sent a message of %d bytes" % packet.size())
		return
	var text := packet.get_string_from_utf8()
	if text == "" and not packet.is_empty():
		on_lost.call("The server sent a message that is not UTF-8")
	else:
		on_text.call(text)


func _closed() -> void:
	var code := _peer.get_close_code()
	# It may have been opened and closed between two polls: only a peer that was there gives a code.
	_was_opened = _was_opened or (code > 0 and code != CloseCodes.BROKEN)
	# The engine says -1 where no close frame came.
	_end(code if code > 0 else CloseCodes.BROKEN, _peer.get_close_reason())


func _end(code: int, reason: String) -> void:
	if _is_over:
		return
	_is_over = true
	on_ended.call(code, reason, _was_opened)
