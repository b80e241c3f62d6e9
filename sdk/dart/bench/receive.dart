import 'dart:convert';
import 'dart:io';

import 'package:godra/godra.dart';

/// How much of a core it takes to receive events, with the state kept by reducers and a listener for each of them.
Future<void> main(List<String> arguments) async {
  final seconds = arguments.isEmpty ? 10 : int.parse(arguments.first);
  final server = await Process.start(Platform.resolvedExecutable, [Platform.script.resolve('server.dart').toFilePath()]);
  final port = await server.stdout.transform(utf8.decoder).transform(const LineSplitter()).first;
  final client = GodraClient('http://127.0.0.1:$port', options: GodraOptions(reducers: lobbyReducers));
  await client.auth.guest();
  var heard = 0;
  final room = await client.join('a', prepare: (room) => room.on('player_moved').listen((event) => heard++));
  // Until the compiler has seen what is hot.
  await Future<void>.delayed(const Duration(seconds: 3));
  final (before, cpuBefore, watch) = (heard, _cpuMs(), Stopwatch()..start());
  await Future<void>.delayed(Duration(seconds: seconds));
  final took = watch.elapsedMilliseconds;
  final rate = (heard - before) * 1000 / took;
  final share = (_cpuMs() - cpuBefore) * 100 / took;
  stdout.writeln('${rate.round()} events/s in ${room.stats.framesReceived} messages at ${share.toStringAsFixed(1)} % of a core');
  await client.close();
  server.kill();
}

/// Of this program, as Linux counts it: in hundredths of a second.
int _cpuMs() {
  final fields = File('/proc/self/stat').readAsStringSync().split(') ').last.split(' ');
  return (int.parse(fields[11]) + int.parse(fields[12])) * 10;
}
