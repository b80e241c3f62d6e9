import 'dart:async';
import 'dart:convert';
import 'dart:io';
import 'dart:typed_data';

import '../link.dart';
import 'frames.dart';
import 'handshake.dart';
import 'http_io.dart';
import 'writer.dart';

/// Opens a WebSocket on `dart:io`. The handshake is an HTTP call of our own, which tells the status and words of a refusal.
Link openLink(LinkRequest request, LinkListener listener) => _LinkIo(request, listener).._open();

/// The server's half of a close may take so long.
const _closeLimit = Duration(seconds: 2);

/// Of a refusal's body.
const _maxRefusalBytes = 64 << 10;

final class _LinkIo implements Link, FrameListener {
  _LinkIo(this._request, this._listener);

  final LinkRequest _request;
  final LinkListener _listener;
  final _client = HttpClient();
  late final _frames = FrameReader(this, maxBytes: _request.maxMessageBytes);
  final _gone = Completer<void>();
  Socket? _socket;
  Writer? _writer;
  Timer? _closing;
  bool _isSilent = false;
  bool _hasEnded = false;

  Future<void> _open() async {
    try {
      final key = newKey();
      final response = await _shake(key);
      if (_isSilent) return;
      if (response.statusCode != HttpStatus.switchingProtocols) {
        return _end(LinkEnd.refused(await readAnswer(response, _maxRefusalBytes)));
      }
      final wrong = _wrong(response, key);
      final socket = await response.detachSocket();
      if (_isSilent || wrong != null) {
        socket.destroy();
        return _end(LinkEnd.notGodra(wrong ?? ''));
      }
      _talk(socket);
    } on Object catch (e) {
      _end(LinkEnd.unreachable('$e'));
    }
  }

  Future<HttpClientResponse> _shake(String key) async {
    final url = _request.url.replace(scheme: _request.url.isScheme('wss') ? 'https' : 'http');
    final ask = await _client.openUrl('GET', url);
    ask.followRedirects = false;
    ask.headers
      ..set(HttpHeaders.connectionHeader, 'Upgrade')
      ..set(HttpHeaders.upgradeHeader, 'websocket')
      ..set('Sec-WebSocket-Key', key)
      ..set('Sec-WebSocket-Version', '13')
      ..set('Sec-WebSocket-Protocol', _request.protocols.join(', '))
      ..set(HttpHeaders.cacheControlHeader, 'no-cache');
    return ask.close();
  }

  static String? _wrong(HttpClientResponse response, String key) {
    if (response.headers.value('sec-websocket-accept')?.trim() != acceptOf(key)) return 'What answered is no WebSocket server';
    final chosen = response.headers.value('sec-websocket-protocol')?.trim();
    return chosen == 'godra' ? null : 'The server did not choose the subprotocol godra${chosen == null ? '' : ', but $chosen'}';
  }

  void _talk(Socket socket) {
    _socket = socket;
    socket.setOption(SocketOption.tcpNoDelay, true);
    _writer = Writer(socket, onError: () => _end(const LinkEnd(1006, '')));
    _listener.opened();
    socket.listen(
      (piece) {
        if (!_isSilent) _listener.heard();
        _frames.add(piece);
      },
      onError: (Object _) => _end(const LinkEnd(1006, '')),
      onDone: () => _end(const LinkEnd(1006, '')),
      cancelOnError: true,
    );
  }

  @override
  bool send(String text) {
    final writer = _writer;
    if (writer == null || _isSilent || _hasEnded || writer.waitingBytes > _request.maxBufferedBytes) return false;
    writer.add(textFrame(utf8.encode(text)));
    return true;
  }

  @override
  Future<void> close(int code, String reason) {
    _isSilent = true;
    if (_socket == null || _hasEnded) {
      _client.close(force: true);
      _finish();
    } else {
      _writer!.add(closeFrame(code, reason));
      _closing ??= Timer(_closeLimit, _finish);
    }
    return _gone.future;
  }

  @override
  void message(Uint8List bytes) {
    if (_isSilent) return;
    final String text;
    try {
      text = utf8.decode(bytes);
    } on FormatException {
      return _listener.unreadable('is not UTF-8');
    }
    _listener.received(text, bytes.length);
  }

  @override
  void tooLong() {
    if (!_isSilent) _listener.unreadable('is longer than ${_request.maxMessageBytes} bytes');
  }

  @override
  void ping(Uint8List payload) {
    if (!_hasEnded && _writer!.waitingBytes <= _request.maxBufferedBytes) _writer!.add(pongFrame(payload));
  }

  @override
  void closed(int code, String reason) {
    if (!_isSilent) _writer!.add(closeFrame(code, ''));
    _end(LinkEnd(code, reason));
  }

  @override
  void broken(String why) {
    _writer!.add(closeFrame(1002, why));
    _end(LinkEnd(1006, 'The server sent $why'));
  }

  void _end(LinkEnd end) {
    if (_hasEnded) return;
    _hasEnded = true;
    if (!_isSilent) _listener.ended(end);
    unawaited(_leave());
  }

  /// What was written last is still to go out.
  Future<void> _leave() async {
    await _writer?.drained.timeout(_closeLimit, onTimeout: () {});
    _finish();
  }

  void _finish() {
    _hasEnded = true;
    _closing?.cancel();
    _socket?.destroy();
    _client.close(force: true);
    if (!_gone.isCompleted) _gone.complete();
  }
}
