import 'dart:async';
import 'dart:convert';

import 'package:godra/godra.dart';
import 'package:godra/src/testing/fake_link.dart';
import 'package:godra/testing.dart';

/// A server with sessions, in memory: the test says how it answers.
final class FakeServer {
  final clock = VirtualClock();

  /// All calls, as `METHOD path token`.
  final calls = <String>[];

  /// Answers by path; a path without one gets the usual.
  final answers = <String, FutureOr<HttpAnswer> Function(HttpAsk ask)>{};
  final logs = <String>[];
  final links = <FakeLink>[];
  int _logins = 0;
  String _user = 'guest:1';

  GodraClient client({SessionStore? store}) => GodraClient(
        'http://fake/games/godra',
        options: GodraOptions(clock: clock, store: store, http: http, link: open, heartbeat: Duration.zero, log: (_, message) => logs.add(message)),
      );

  List<String> get takenCalls {
    final all = [...calls];
    calls.clear();
    return all;
  }

  /// The next login, with tokens of their own.
  HttpAnswer login({String? user, int expiresIn = 3600}) {
    _user = user ?? _user;
    final number = ++_logins;
    return json(200, {
      'token': 't$number',
      'refresh_token': 'r$number',
      'expires_in': expiresIn,
      'user_id': _user,
      'username': 'Ann',
      'role': 'guest',
    });
  }

  static HttpAnswer json(int status, Object? body) => HttpAnswer(status, jsonEncode(body));

  static HttpAnswer error(int status, String code) => json(status, {
        'error': {'code': code, 'message': 'no'},
      });

  Future<HttpAnswer> http(HttpAsk ask) async {
    final path = ask.url.path.replaceFirst('/games/godra/', '');
    calls.add('${ask.method} $path${ask.token == null ? '' : ' ${ask.token}'}');
    final answer = answers[path];
    if (answer != null) return answer(ask);
    return switch (path) {
      'guest-login' || 'login' || 'refresh' => login(),
      'account/upgrade' => login(user: '42'),
      'logout' || 'account/password' => const HttpAnswer(204, ''),
      'account' => json(200, {'user_id': _user, 'username': 'Ann', 'role': 'guest'}),
      'api/rpc' => json(200, {'result': 'OK'}),
      _ => error(404, 'not_found'),
    };
  }

  Link open(LinkRequest request, LinkListener listener) {
    final link = FakeLink(request, listener, onInput: (_) {});
    links.add(link);
    listener.opened();
    return link;
  }

  void welcome({bool recovered = false}) => links.last.receive(jsonEncode({
        'type': 'welcome',
        'payload': {'user_id': _user, 'epoch': 'e1', 'seq': 0, 'n': 0, 'recovered': recovered, 'state': null, 'sync_interval_ms': 50},
      }));

  /// A room that was joined.
  Future<Room> join(GodraClient client, [String id = 'a']) async {
    final joining = client.join(id);
    await VirtualClock.settle();
    welcome();
    final room = await joining;
    await clock.advance(Duration.zero);
    return room;
  }
}
