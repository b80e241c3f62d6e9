import 'dart:io';

import 'package:godra/godra.dart';

import '../test/harness/godra_server.dart';

/// How long after the return of a server that was away for 0 to 3 s a room plays again: from the line that says that it listens to
/// the answer to a request. Run it in the package's folder, with the server in GODRA_BIN.
Future<void> main() async {
  const rounds = 20;
  final server = await GodraServer.start(['--state-file', 'state.db']);
  final client = GodraClient(server.url, options: GodraOptions(log: (_, __) {}));
  await client.auth.ensure();
  final room = await client.createRoom();
  final times = <int>[];
  for (var round = 0; round < rounds; round++) {
    await server.terminate();
    await Future<void>.delayed(Duration(milliseconds: 3000 * round ~/ rounds));
    await server.restart();
    final watch = Stopwatch()..start();
    await room.request('set', {'round': round}, once: true);
    times.add(watch.elapsedMilliseconds);
    // So that each outage is one of its own.
    await Future<void>.delayed(const Duration(seconds: 6));
  }
  times.sort();
  stdout.writeln('plays again after ${times[rounds ~/ 2]} ms (median of $rounds; ${times.first} to ${times.last} ms)');
  await client.close();
  await server.stop();
}
