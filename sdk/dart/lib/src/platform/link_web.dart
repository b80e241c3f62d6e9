import 'dart:async';
import 'dart:convert';
import 'dart:js_interop';

import '../link.dart';

/// Opens a WebSocket of the browser's. It hides why one does not open; what the server says in its place comes as a message.
Link openLink(LinkRequest request, LinkListener listener) => _LinkWeb(request, listener).._open();

const _closeLimit = Duration(seconds: 2);

final class _LinkWeb implements Link {
  _LinkWeb(this._request, this._listener);

  final LinkRequest _request;
  final LinkListener _listener;
  final _gone = Completer<void>();
  _Socket? _socket;
  bool _isOpen = false;
  bool _isSilent = false;

  void _open() {
    try {
      final protocols = [for (final one in _request.protocols) one.toJS].toJS;
      _socket = _Socket('${_request.url}', protocols)
        ..binaryType = 'arraybuffer'
        ..onopen = ((JSAny _) => _opened()).toJS
        ..onmessage = ((_Message message) => _received(message.data)).toJS
        ..onclose = ((_Close close) => _closed(close.code, close.reason)).toJS;
    } on Object {
      // Its words would show the token. After the caller has its link.
      scheduleMicrotask(() => _end(const LinkEnd.unreachable('the browser does not open it: does a page by https ask a server by http?')));
    }
  }

  @override
  bool send(String text) {
    final socket = _socket;
    if (socket == null || !_isOpen || _isSilent || socket.bufferedAmount > _request.maxBufferedBytes) return false;
    socket.send(text);
    return true;
  }

  @override
  Future<void> close(int code, String reason) {
    _isSilent = true;
    _socket?.close(code, reason);
    return _socket == null ? Future.value() : _gone.future.timeout(_closeLimit, onTimeout: () {});
  }

  void _opened() {
    final chosen = _socket!.protocol;
    if (chosen == 'godra') {
      _isOpen = true;
      if (!_isSilent) _listener.opened();
      return;
    }
    _end(const LinkEnd.notGodra('The server did not choose the subprotocol godra'));
    _socket!.close(1000, '');
  }

  void _received(JSAny data) {
    if (_isSilent) return;
    try {
      final text = data.isA<JSString>() ? (data as JSString).toDart : utf8.decode((data as JSArrayBuffer).toDart.asUint8List());
      if (text.length > _request.maxMessageBytes) return _listener.unreadable('is longer than ${_request.maxMessageBytes} bytes');
      _listener.received(text, text.length);
    } on FormatException {
      _listener.unreadable('is not UTF-8');
    }
  }

  void _closed(int code, String reason) {
    if (!_gone.isCompleted) _gone.complete();
    _end(_isOpen ? LinkEnd(code, reason) : const LinkEnd.hidden(''));
  }

  void _end(LinkEnd end) {
    if (_isSilent) return;
    _isSilent = true;
    _listener.ended(end);
  }
}

@JS('WebSocket')
extension type _Socket._(JSObject _) implements JSObject {
  external factory _Socket(String url, JSArray<JSString> protocols);
  external int get bufferedAmount;
  external String get protocol;
  external set binaryType(String type);
  external set onopen(JSFunction handler);
  external set onmessage(JSFunction handler);
  external set onclose(JSFunction handler);
  external void send(String text);
  external void close(int code, String reason);
}

extension type _Message._(JSObject _) implements JSObject {
  external JSAny get data;
}

extension type _Close._(JSObject _) implements JSObject {
  external int get code;
  external String get reason;
}
