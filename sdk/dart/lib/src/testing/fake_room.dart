import 'dart:convert';
import 'dart:math';

import '../client.dart';
import '../events.dart';
import '../http.dart';
import '../json.dart';
import '../link.dart';
import '../options.dart';
import '../room.dart';
import '../session.dart';
import '../session_store.dart';
import 'fake_link.dart';
import 'virtual_clock.dart';

/// Answers a call of a script; may throw.
typedef FakeScript = Object? Function(List<Object?> args);

/// A room without a server: the test plays that, and moves the clock.
///
/// ```dart
/// final fake = FakeRoom();
/// final room = await fake.join(state: {'players': <String, Object?>{}});
/// final game = Game(room);
/// fake.event('chat', {'message': 'hi'});
/// expect(game.lines, ['hi']);
/// game.jump();
/// expect(fake.sent.last.action, 'jump');
/// ```
final class FakeRoom {
  /// [id] is the lobby's. [scripts] answer RPCs; `leave_lobby` needs none.
  FakeRoom({
    this.id = 'lobby',
    this.scripts = const {},
    Map<String, Reducer> reducers = const {},
    Duration heartbeat = Duration.zero,
    ReconnectOptions? reconnect = const ReconnectOptions(),
  }) {
    client = GodraClient(
      'http://fake',
      options: GodraOptions(
        clock: clock,
        random: Random(1),
        heartbeat: heartbeat,
        reducers: reducers,
        reconnect: reconnect,
        store: MemorySessionStore(Session(
          token: 'fake',
          refreshToken: 'fake',
          userId: userId,
          username: 'Ann',
          role: 'player',
          expiresAtMs: clock.wallMs + const Duration(days: 365).inMilliseconds,
        )),
        http: _http,
        link: _open,
        log: (level, message) => log.add('${level.name}: $message'),
      ),
    );
  }

  /// The lobby's.
  final String id;

  /// Who plays.
  static const userId = '1';

  /// By their names.
  final Map<String, FakeScript> scripts;

  /// Moves when the test says so.
  final clock = VirtualClock();

  /// For what a game does with one, such as logging out.
  late final GodraClient client;

  /// The game's.
  late final Room room;

  /// All that the game sent, in order.
  final sent = <FakeInput>[];

  /// All that was logged.
  final log = <String>[];

  /// The connections that the client made, the newest last.
  final List<FakeLink> links = [];
  int _seq = 0;

  /// The newest connection.
  FakeLink get link => links.last;

  /// Joins the room; the welcome has this [state], and [more] replaces fields of it.
  Future<Room> join({Object? state, Map<String, Object?> more = const {}, void Function(Room room)? prepare}) async {
    await client.auth.ensure();
    final joining = client.join(id, prepare: prepare);
    await VirtualClock.settle();
    welcome(state: state, more: more);
    room = await joining;
    await clock.advance(Duration.zero);
    return room;
  }

  /// Lets time pass.
  Future<void> advance(Duration time) => clock.advance(time);

  /// Accepts the newest connection. [more] replaces fields of the payload.
  void welcome({Object? state, bool recovered = false, Map<String, Object?> more = const {}}) => message({
        'type': 'welcome',
        'payload': {
          'user_id': userId,
          'username': 'Ann',
          'role': 'player',
          'game_id': id,
          'epoch': 'e1',
          'seq': _seq,
          'n': 0,
          'recovered': recovered,
          'state': state,
          'sync_interval_ms': 50,
          'now': clock.wallMs,
          ...more,
        },
      });

  /// An event of the room, with the next number.
  void event(String type, [Object? payload]) => message({'type': type, 'payload': payload, 'seq': ++_seq});

  /// Replaces the room's state.
  void snapshot(Object? state) => message({'type': 'snapshot', 'payload': state, 'epoch': 'e1', 'seq': ++_seq});

  /// Answers a request; by default the newest.
  void reply(Object? result, {FakeInput? to}) => message({'type': 'reply', 'id': (to ?? sent.last).id, 'result': result});

  /// Refuses a request; by default the newest.
  void refuse(String code, {String message = 'no', Object? details, FakeInput? to}) {
    final input = to ?? sent.last;
    this.message({
      'type': 'error',
      'id': input.id,
      if (input.n != null) 'n': input.n,
      'payload': {'code': code, 'message': message, if (details != null) 'details': details},
    });
  }

  /// Any message of the server's.
  void message(Map<String, Object?> message) => link.receive(jsonEncode(message));

  /// The server closes the connection.
  void close(int code, [String reason = '']) => link.end(LinkEnd(code, reason));

  /// The network breaks.
  void cut() => close(1006);

  Link _open(LinkRequest request, LinkListener listener) {
    final link = FakeLink(request, listener, onInput: sent.add);
    links.add(link);
    listener.opened();
    return link;
  }

  Future<HttpAnswer> _http(HttpAsk ask) async {
    final body = JsonMap.of(jsonDecode(ask.body ?? '{}'));
    final script = body.text('script');
    final answer = script == 'leave_lobby' ? (_) => 'OK' : scripts[script];
    if (answer != null) return HttpAnswer(200, jsonEncode({'result': answer(body.list('args') ?? [])}), hasRun: true);
    if (ask.url.path == '/logout') return const HttpAnswer(204, '');
    return const HttpAnswer(404, '{"error":{"code":"not_found","message":"FakeRoom has no such script"}}');
  }
}
