import 'dart:io';
import 'dart:typed_data';

/// Writes to a socket, and knows how much waits for the network: `dart:io` itself takes any amount, and does not tell.
final class Writer {
  /// [_onError] is called once when the socket takes nothing any more.
  Writer(this._socket, {required void Function() onError}) : _onError = onError;

  final Socket _socket;
  final void Function() _onError;
  final _waiting = BytesBuilder(copy: false);
  Future<void>? _flushing;
  int _underWay = 0;
  bool _isBroken = false;

  /// Not yet taken by the system.
  int get waitingBytes => _underWay + _waiting.length;

  /// Done when all is written, or nothing can be.
  Future<void> get drained => _flushing ?? Future.value();

  /// Goes out in the order of the calls.
  void add(Uint8List bytes) {
    if (_isBroken) return;
    _waiting.add(bytes);
    _flushing ??= _flush();
  }

  Future<void> _flush() async {
    try {
      while (_waiting.isNotEmpty) {
        final bytes = _waiting.takeBytes();
        _underWay = bytes.length;
        _socket.add(bytes);
        await _socket.flush();
        _underWay = 0;
      }
      _flushing = null;
    } on Object {
      _isBroken = true;
      _onError();
    }
  }
}
