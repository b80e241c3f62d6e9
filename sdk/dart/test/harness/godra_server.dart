import 'dart:async';
import 'dart:convert';
import 'dart:io';

/// The real server, in a folder of its own, on a free port.
final class GodraServer {
  GodraServer._(this._folder);

  static Future<GodraServer> start([List<String> flags = const []]) async {
    final server = GodraServer._(await Directory.systemTemp.createTemp('godra-test-'));
    server._flags = flags;
    await server._run(0);
    return server;
  }

  final Directory _folder;
  List<String> _flags = const [];
  late Process _process;
  final _output = StringBuffer();
  late int port;

  String get url => 'http://127.0.0.1:$port';

  /// Asks it to stop in good order, and waits for that.
  Future<void> terminate() async {
    _process.kill();
    await _process.exitCode;
  }

  /// Ends it at once, as a crash does.
  Future<void> kill() async {
    _process.kill(ProcessSignal.sigkill);
    await _process.exitCode;
  }

  /// Starts it again after its end: at the same address, with the data that it had.
  Future<void> restart() => _run(port);

  Future<void> stop() async {
    await kill();
    await _folder.delete(recursive: true);
  }

  Future<void> _run(int wanted) async {
    final flags = {
      '--host': '127.0.0.1',
      '--port': '$wanted',
      '--scripts-dir': File('../../scripts').absolute.path,
      '--db-dsn': '${_folder.path}/game.db',
      '--jwt-secret': 'a secret of thirty-two bytes or more',
    };
    final arguments = [for (final MapEntry(:key, :value) in flags.entries) ...[key, value], ..._flags];
    _process = await Process.start(_binary(), arguments, workingDirectory: _folder.path, environment: {'RUST_LOG': 'info'});
    final listening = Completer<int>();
    for (final stream in [_process.stdout, _process.stderr]) {
      stream.transform(utf8.decoder).listen((text) {
        _output.write(text);
        final found = RegExp(r'listening on \S*:(\d+)').firstMatch(_output.toString());
        if (found != null && !listening.isCompleted) listening.complete(int.parse(found.group(1)!));
      });
    }
    _output.clear();
    unawaited(_process.exitCode.then((code) {
      if (!listening.isCompleted) listening.completeError(StateError('the server ended with $code; it printed:\n$_output'));
    }));
    port = await listening.future.timeout(const Duration(seconds: 100));
  }

  static String _binary() {
    final named = Platform.environment['GODRA_BIN'];
    final places = named != null ? [named] : ['../../target/release/godra', '../../target/debug/godra'];
    for (final place in places) {
      if (File(place).existsSync()) return File(place).absolute.path;
    }
    throw StateError('no server to test: build it first, or name it in GODRA_BIN. Looked for ${places.join(', ')}');
  }
}
