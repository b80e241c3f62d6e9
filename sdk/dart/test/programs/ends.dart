import 'dart:io';

import 'package:godra/godra.dart';

/// Does what holds up a program's end: sockets, timers, requests that nobody answers any more. Then closes.
Future<void> main(List<String> arguments) async {
  final client = GodraClient(arguments.single);
  await client.auth.ensure();
  final room = await client.createRoom();
  room.sendLatest('move_player', {'x': 1, 'y': 1});
  room.request('send_chat', {'message': 'hi'}, once: true).ignore();
  await client.close();
  stdout.writeln('closed');
}
