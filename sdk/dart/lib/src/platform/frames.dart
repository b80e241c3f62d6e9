import 'dart:convert';
import 'dart:math';
import 'dart:typed_data';

/// What a [FrameReader] finds.
abstract interface class FrameListener {
  /// A whole message.
  void message(Uint8List bytes);

  /// A message that was longer than allowed; it was passed over.
  void tooLong();

  /// A ping, with what its answer has to carry.
  void ping(Uint8List payload);

  /// The last frame.
  void closed(int code, String reason);

  /// What came is no WebSocket; nothing is read any more.
  void broken(String why);
}

const _continuation = 0;
const _text = 1;
const _binary = 2;
const _close = 8;
const _ping = 9;
const _pong = 10;
const _maxControlBytes = 125;

/// A message of more than so many times what is allowed has no end.
const _maxSkipped = 8;

/// Reads the frames of a server (RFC 6455), in whatever pieces they come.
///
/// `dart:io` has a reader, too, but it takes messages of any length into memory, and tells nothing of pings.
final class FrameReader {
  /// Messages of up to [maxBytes] are read.
  FrameReader(this._listener, {required this.maxBytes});

  final FrameListener _listener;

  /// Of a message's payload.
  final int maxBytes;

  Uint8List _rest = Uint8List(0);
  final _message = BytesBuilder(copy: false);
  bool _isInMessage = false;
  int _skipped = 0;

  /// Of the frame that is being read.
  int _opcode = 0;
  bool _isFinal = false;
  int _missing = -1;
  final _payload = BytesBuilder(copy: false);
  bool _isOver = false;

  /// Takes the next piece.
  void add(Uint8List piece) {
    var data = piece;
    if (_rest.isNotEmpty) {
      data = Uint8List(_rest.length + piece.length)
        ..setAll(0, _rest)
        ..setAll(_rest.length, piece);
      _rest = Uint8List(0);
    }
    var at = 0;
    while (!_isOver) {
      if (_missing < 0) {
        final next = _readHeader(data, at);
        if (next < 0) break;
        at = next;
      }
      final taken = min(_missing, data.length - at);
      _take(Uint8List.sublistView(data, at, at + taken));
      at += taken;
      if (_missing > 0) return;
      _missing = -1;
      if (!_isOver) _endFrame();
      if (at == data.length) return;
    }
    if (!_isOver && at < data.length) _rest = Uint8List.fromList(Uint8List.sublistView(data, at));
  }

  /// Where the payload begins; below 0 if the header is not all there.
  int _readHeader(Uint8List data, int at) {
    if (data.length - at < 2) return -1;
    final short = data[at + 1] & 0x7f;
    final size = 2 + (short == 126 ? 2 : (short == 127 ? 8 : 0));
    if (data.length - at < size) return -1;
    final bytes = ByteData.sublistView(data, at, at + size);
    _opcode = data[at] & 0x0f;
    _isFinal = data[at] & 0x80 != 0;
    _missing = short < 126 ? short : (short == 126 ? bytes.getUint16(2) : bytes.getUint32(2) * 0x100000000 + bytes.getUint32(6));
    final wrong = _wrong(data[at] & 0x70 != 0, data[at + 1] & 0x80 != 0);
    if (wrong != null) _break(wrong);
    return at + size;
  }

  String? _wrong(bool hasExtension, bool isMasked) {
    if (_missing < 0) return 'a frame of a wrong length';
    if (hasExtension) return 'a frame of an extension that nobody agreed to';
    if (isMasked) return 'a masked frame';
    if (_opcode >= _close) {
      if (_opcode > _pong) return 'a frame of an unknown kind';
      return _isFinal && _missing <= _maxControlBytes ? null : 'a control frame that is too long';
    }
    if (_opcode > _binary) return 'a frame of an unknown kind';
    if (_opcode == _continuation) return _isInMessage ? null : 'the middle of a message that never began';
    return _isInMessage ? 'a message within a message' : null;
  }

  void _take(Uint8List part) {
    _missing -= part.length;
    if (_opcode >= _close) {
      _payload.add(part);
      return;
    }
    if (_skipped == 0 && _message.length + part.length + _missing <= maxBytes) {
      _message.add(part);
      return;
    }
    _skipped += part.length + _message.length;
    _message.clear();
    if (_skipped > maxBytes * _maxSkipped) _break('a message without an end');
  }

  void _endFrame() {
    if (_opcode >= _close) return _endControl();
    _isInMessage = !_isFinal;
    if (!_isFinal) return;
    final isTooLong = _skipped > 0;
    _skipped = 0;
    if (isTooLong) return _listener.tooLong();
    _listener.message(_message.takeBytes());
  }

  void _endControl() {
    final payload = _payload.takeBytes();
    if (_opcode == _ping) return _listener.ping(payload);
    if (_opcode != _close) return;
    _isOver = true;
    if (payload.length == 1) return _listener.broken('a close frame with half a code');
    if (payload.isEmpty) return _listener.closed(1005, '');
    final code = payload[0] << 8 | payload[1];
    _listener.closed(code, utf8.decode(payload.sublist(2), allowMalformed: true));
  }

  void _break(String why) {
    _isOver = true;
    _missing = 0;
    _listener.broken(why);
  }
}

final _masks = Random.secure();

/// The bytes of a message's frame.
Uint8List textFrame(List<int> payload) => _frame(_text, payload);

/// The bytes of the answer to a ping.
Uint8List pongFrame(List<int> payload) => _frame(_pong, payload);

/// The bytes of a close frame; without a code for 1005.
Uint8List closeFrame(int code, String reason) {
  if (code == 1005) return _frame(_close, const []);
  final words = utf8.encode(reason);
  return _frame(_close, [code >> 8, code & 0xff, if (words.length <= _maxControlBytes - 2) ...words]);
}

Uint8List _frame(int opcode, List<int> payload) {
  final length = payload.length;
  final size = length < 126 ? 0 : (length < 0x10000 ? 2 : 8);
  final frame = Uint8List(6 + size + length);
  final bytes = ByteData.sublistView(frame);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (size == 0 ? length : (size == 2 ? 126 : 127));
  if (size == 2) bytes.setUint16(2, length);
  if (size == 8) bytes.setUint32(6, length);
  final mask = _masks.nextInt(0x100000000);
  bytes.setUint32(2 + size, mask);
  final begin = 6 + size;
  for (var i = 0; i < length; i++) {
    frame[begin + i] = payload[i] ^ (mask >> (24 - 8 * (i & 3)) & 0xff);
  }
  return frame;
}
