// A bot that makes a lobby, is joined by another one, and chats: `dart run example/main.dart http://localhost:8080`.

import 'dart:async';
import 'dart:io';

import 'package:godra/godra.dart';

Future<void> main(List<String> arguments) async {
  final url = arguments.isEmpty ? 'http://localhost:8080' : arguments.first;
  // Both keep their sessions: a second run goes on as the same two guests.
  final host = Bot('host', url);
  final guest = Bot('guest', url);
  try {
    final room = await host.create();
    await guest.join(room.id);
    await guest.walkAndGreet();
    await host.heard.future.timeout(const Duration(seconds: 5));
  } on GodraException catch (e) {
    stderr.writeln(explain(e));
    exitCode = 1;
  } finally {
    await guest.leave();
    await host.leave();
  }
}

/// One player.
final class Bot {
  Bot(this.name, String url)
      : client = GodraClient(
          url,
          options: GodraOptions(
            store: FileSessionStore('${Directory.systemTemp.path}/godra-example-$pid/$name.json'),
            reducers: lobbyReducers,
          ),
        );

  final String name;
  final GodraClient client;
  final heard = Completer<void>();
  Room? room;

  Future<Room> create() async {
    await client.auth.ensure();
    return room = await client.createRoom(capacity: 2, prepare: watch);
  }

  Future<void> join(String lobby) async {
    await client.auth.ensure();
    room = await client.join(lobby, prepare: watch);
  }

  /// Before the connection is made, so that nothing is missed.
  void watch(Room room) {
    room.connection.listen((state) => switch (state) {
          Joining() => null,
          Joined(:final welcome) => say('joined lobby ${room.id} as ${welcome.me.username}'),
          Reconnecting(:final attempt, :final delay) => say('try $attempt in ${delay.inMilliseconds} ms'),
          Disconnected(willReconnect: true, :final code) => say('lost ($code)'),
          Disconnected(:final cause) => say('over: ${cause?.message ?? 'left'}'),
        });
    room.on('chat').listen((event) {
      say('they say: ${event.payload.text('message')}');
      if (!heard.isCompleted) heard.complete();
    });
    room.on('player_moved').listen((event) {
      final (x, y) = (event.payload.number('x'), event.payload.number('y'));
      say('${event.payload.text('user_id')} is at $x, $y');
    });
  }

  Future<void> walkAndGreet() async {
    for (var step = 0; step < 10; step++) {
      room!.sendLatest('move_player', {'x': step, 'y': step / 2});
      await Future<void>.delayed(room!.syncInterval ~/ 2);
    }
    await room!.request('send_chat', {'message': 'hello'}, once: true);
  }

  Future<void> leave() async {
    try {
      await room?.leave();
    } on GodraException catch (e) {
      say(explain(e));
    }
    await client.close();
  }

  void say(String line) => stdout.writeln('$name: $line');
}

/// What to tell the player.
String explain(GodraException error) => switch (error) {
      NetworkException() => 'The server is away: ${error.message}',
      SessionException() => 'Please log in again',
      ScriptException(:final code) => 'The game says no: $code',
      ServerException(:final retryAfter?) => 'Too much at once: try again in ${retryAfter.inSeconds} s',
      ServerException() || ProtocolException() || UsageException() => error.message,
    };
