import 'dart:async';
import 'dart:convert';
import 'dart:io';

/// A server that logs anybody in, and then sends EVENTS (20,000) a second, in batches every BATCH_MS (50), or, with 0, each in a
/// frame of its own. Prints its port.
Future<void> main() async {
  final perSecond = int.parse(Platform.environment['EVENTS'] ?? '20000');
  final batchMs = int.parse(Platform.environment['BATCH_MS'] ?? '50');
  final server = await HttpServer.bind(InternetAddress.loopbackIPv4, 0);
  stdout.writeln(server.port);
  await for (final request in server) {
    if (request.uri.path == '/ws') {
      final socket = await WebSocketTransformer.upgrade(request, protocolSelector: (_) => 'godra');
      Sender(socket, perSecond, batchMs).start();
    } else {
      await request.drain<void>();
      request.response.write(jsonEncode({
        'token': 't', 'refresh_token': 'r', 'expires_in': 3600, 'user_id': '1', 'username': 'Ann', 'role': 'guest', //
      }));
      await request.response.close();
    }
  }
}

final class Sender {
  Sender(this._socket, this._perSecond, this._batchMs);

  final WebSocket _socket;
  final int _perSecond;
  final int _batchMs;
  int _seq = 0;

  void start() {
    _socket.add(jsonEncode({
      'type': 'welcome',
      'payload': {
        'user_id': '1', 'username': 'Ann', 'role': 'guest', 'epoch': 'e', 'seq': 0, 'n': 0, 'recovered': false, //
        'state': {'players': {for (var i = 0; i < 50; i++) '$i': {'user_id': '$i', 'x': 0, 'y': 0}}},
        'sync_interval_ms': 50,
      },
    }));
    _socket.listen(_answer);
    final watch = Stopwatch()..start();
    Timer.periodic(Duration(milliseconds: _batchMs == 0 ? 5 : _batchMs), (timer) {
      if (_socket.readyState != WebSocket.open) return timer.cancel();
      _sendUpTo(watch.elapsedMicroseconds * _perSecond ~/ 1000000);
    });
  }

  void _answer(Object? data) {
    final input = jsonDecode(data! as String) as Map<String, Object?>;
    if (input['id'] != null) _socket.add(jsonEncode({'type': 'reply', 'id': input['id'], 'result': {'seq': _seq, 'n': 0, 'now': 0}}));
  }

  void _sendUpTo(int seq) {
    final events = <String>[];
    while (_seq < seq) {
      _seq++;
      events.add('{"type":"player_moved","payload":{"user_id":"${_seq % 50}","x":${_seq % 1000}.25,"y":${_seq % 777}},"seq":$_seq}');
    }
    if (_batchMs == 0) return events.forEach(_socket.add);
    if (events.isNotEmpty) _socket.add('{"type":"batch","events":[${events.join(',')}]}');
  }
}
