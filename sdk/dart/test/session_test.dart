import 'dart:async';
import 'dart:convert';

import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

import 'harness/fake_server.dart';
import 'harness/game.dart';

void main() {
  late FakeServer server;
  late GodraClient client;

  setUp(() {
    server = FakeServer();
    client = server.client();
  });

  // Tokens are t1, r1, t2 …
  tearDown(() => expect(server.logs.where(RegExp(r'\b[tr]\d').hasMatch), isEmpty));

  group('ensure', () {
    test('logs in as a guest, once', () async {
      final both = await Future.wait([client.auth.ensure(), client.auth.ensure()]);
      expect(both[0], same(both[1]));
      await client.auth.ensure();
      expect(server.calls, ['POST guest-login']);
    });

    test('a guest may say how others see it', () async {
      final bodies = <Object?>[];
      server.answers['guest-login'] = (ask) {
        bodies.add(jsonDecode(ask.body!));
        return server.login();
      };
      await client.auth.guest();
      await client.auth.guest(nickname: 'Ann');
      expect(bodies, [<String, Object?>{}, {'nickname': 'Ann'}]);
    });

    test('goes on with the kept session', () async {
      final store = MemorySessionStore();
      await server.client(store: store).auth.ensure();
      expect((await server.client(store: store).auth.ensure()).token, 't1');
      expect(server.calls, hasLength(1));
    });

    test('logs in as a guest when the kept session is over', () async {
      final store = MemorySessionStore();
      await server.client(store: store).auth.ensure();
      await server.clock.advance(const Duration(days: 1));
      server.answers['refresh'] = (_) => FakeServer.error(401, 'session_ended');
      expect((await server.client(store: store).auth.ensure()).token, 't2');
      expect((await store.load())!.token, 't2');
    });

    test('stands a store that fails', () async {
      final broken = CallbackSessionStore(load: () => throw StateError('x'), save: (_) => throw StateError('y'));
      expect((await server.client(store: broken).auth.ensure()).token, 't1');
    });
  });

  group('a refresh', () {
    test('comes a minute before the end, once for all', () async {
      await client.auth.ensure();
      await server.clock.advance(const Duration(minutes: 58));
      await client.rpc('x');
      expect(server.takenCalls.last, 'POST api/rpc t1');
      await server.clock.advance(const Duration(minutes: 1));
      await Future.wait([client.rpc('x'), client.rpc('x'), client.rpc('x')]);
      expect(server.takenCalls, ['POST refresh', 'POST api/rpc t2', 'POST api/rpc t2', 'POST api/rpc t2']);
    });

    test('does not go by the date', () async {
      await client.auth.ensure();
      final late = FakeServer()..answers['guest-login'] = (_) => server.login(expiresIn: 100);
      expect((await late.client().auth.guest()).expiresIn, const Duration(seconds: 100));
      await server.clock.advance(const Duration(minutes: 30));
      await client.rpc('x');
      expect(server.calls, isNot(contains('POST refresh')));
    });

    test('comes after a 401 of the server, and the call again; but only once', () async {
      await client.auth.ensure();
      server.answers['api/rpc'] = (ask) => ask.token == 't1' ? FakeServer.error(401, 'token_expired') : FakeServer.json(200, {'result': 7});
      expect(await client.rpc('x'), 7);
      server.answers['api/rpc'] = (_) => FakeServer.error(401, 'token_expired');
      server.calls.clear();
      await expectLater(client.rpc('x'), fails('token_expired'));
      expect(server.calls, ['POST api/rpc t2', 'POST refresh', 'POST api/rpc t3']);
    });

    test('does not come after a script\'s own refusal', () async {
      await client.auth.ensure();
      for (final status in [400, 401]) {
        server.answers['api/rpc'] = (_) => HttpAnswer(status, '{"error":{"code":"unauthorized"}}', hasRun: true);
        await expectLater(client.rpc('x'), fails('unauthorized', outcome: Outcome.ran));
      }
      expect(server.calls, isNot(contains('POST refresh')));
    });

    test('whose answer is lost is asked for again, with the same token', () async {
      await client.auth.ensure();
      final asked = <String?>[];
      server.answers['refresh'] = (ask) {
        asked.add(ask.body);
        return asked.length == 1 ? throw const HttpFailure('cut') : server.login();
      };
      await client.auth.refresh();
      expect(asked, ['{"refresh_token":"r1"}', '{"refresh_token":"r1"}']);
      expect(client.session!.token, 't2');
    });

    test('is kept before it is used', () async {
      final order = <String>[];
      final store = CallbackSessionStore(load: () async => null, save: (text) async => order.add(text!.substring(0, 13)));
      server.answers['api/rpc'] = (ask) {
        order.add('rpc ${ask.token}');
        return ask.token == 't1' ? FakeServer.error(401, 'token_expired') : FakeServer.json(200, {'result': 1});
      };
      final keeping = server.client(store: store);
      await keeping.auth.ensure();
      await keeping.rpc('x');
      expect(order, ['{"token":"t1"', 'rpc t1', '{"token":"t2"', 'rpc t2']);
    });

    test('is one for all, also where the store is broken', () async {
      final broken = server.client(store: CallbackSessionStore(load: () => throw StateError('x'), save: (_) => throw StateError('y')));
      await broken.auth.ensure();
      await Future.wait([broken.auth.refresh(), broken.auth.refresh(), broken.auth.refresh()]);
      expect(server.calls.where((call) => call == 'POST refresh'), hasLength(1));
    });

    test('gives no token out that is not kept yet', () async {
      final kept = Completer<void>();
      final keeping = server.client(store: CallbackSessionStore(load: () async => null, save: (_) => kept.future));
      final login = keeping.auth.guest();
      await VirtualClock.settle();
      expect(keeping.session, isNull);
      kept.complete();
      expect((await login).token, 't1');
    });

    test('of two clients with one store is one', () async {
      final store = MemorySessionStore();
      final (one, two) = (server.client(store: store), server.client(store: store));
      await one.auth.ensure();
      await two.auth.ensure();
      await Future.wait([one.auth.refresh(), two.auth.refresh()]);
      expect(server.calls.where((call) => call == 'POST refresh'), hasLength(1));
      expect(two.session!.token, one.session!.token);
    });

    test('that is refused ends the session, with all rooms, once', () async {
      await client.auth.ensure();
      final seen = [await watch(await server.join(client)), await watch(await server.join(client, 'b'))];
      final order = <String>[];
      client.sessions.listen((session) => order.add('session $session'));
      client.sessionEnded.listen((error) => order.add('ended ${error.code}'));
      seen[0].words.clear();
      server.answers['refresh'] = (_) => FakeServer.error(401, 'session_ended');
      await expectLater(client.auth.refresh(), fails('session_ended'));
      expect(order, ['session null', 'ended session_ended']);
      for (final one in seen) {
        expect(one.words.first, contains('willReconnect: false, cause: SessionException(session_ended)'));
      }
      await expectLater(client.rpc('x'), fails('unauthorized'));
      await server.clock.advance(const Duration(minutes: 1));
      expect(server.links, hasLength(2));
    });

    test('that the server cannot answer keeps the session', () async {
      await client.auth.ensure();
      final room = await server.join(client);
      server.answers['refresh'] = (_) => FakeServer.error(503, 'busy');
      server.links.last.end(const LinkEnd(4001, 'token_expired: x'));
      await server.clock.advance(const Duration(seconds: 5));
      expect(room.connectionState, isA<Reconnecting>());
      expect(client.session, isNotNull);
      server.answers.remove('refresh');
      await server.clock.advance(const Duration(seconds: 20));
      expect(server.links.last.request.token, 't2');
    });
  });

  group('4001', () {
    test('brings another token', () async {
      await client.auth.ensure();
      final room = await server.join(client);
      server.links.last.end(const LinkEnd(4001, 'token_expired: x'));
      await server.clock.advance(second);
      expect(server.links.last.request.token, 't2');
      server.welcome(recovered: true);
      expect(room.connectionState, isA<Joined>());
      expect(server.calls.where((call) => call == 'POST refresh'), hasLength(1));
    });

    test('of a session that is over ends it without asking', () async {
      await client.auth.ensure();
      final room = await server.join(client);
      final seen = await watch(room);
      server.links.last.end(const LinkEnd(4001, 'session_ended: logged out'));
      await VirtualClock.settle();
      expect(seen.words, hasLength(2));
      final end = room.connectionState as Disconnected;
      expect([end.code, end.willReconnect, end.cause!.code], [4001, false, 'session_ended']);
      expect(client.session, isNull);
      expect(server.calls, isNot(contains('POST refresh')));
    });

    test('during an upgrade waits for its answer', () async {
      await client.auth.ensure();
      final room = await server.join(client);
      final answer = Completer<HttpAnswer>();
      server.answers['account/upgrade'] = (_) => answer.future;
      final ended = <Object?>[];
      client.sessionEnded.listen(ended.add);
      final upgrade = client.auth.upgrade('ann', 'password');
      await VirtualClock.settle();
      server.links.last.end(const LinkEnd(4001, 'session_ended: upgraded'));
      await server.clock.advance(const Duration(seconds: 3));
      expect(server.links, hasLength(1));
      answer.complete(server.login(user: '42'));
      await upgrade;
      await server.clock.advance(second);
      expect(server.links.last.request.token, 't2');
      expect(server.links.last.request.url.query, 'game_id=a&refuse=close', reason: 'what the guest has seen is not the player\'s');
      server.welcome();
      expect(room.me.userId, '42');
      expect(ended, isEmpty);
    });
  });

  group('a login without a password', () {
    test('sends what the protocol names, and so do links', () async {
      final bodies = <String>[];
      HttpAnswer Function(HttpAsk) noting(HttpAnswer Function() answer) => (ask) {
            bodies.add(ask.body ?? '');
            return answer();
          };
      const path = 'account/identities/https%3A%2F%2Fid.example/user%7C7';
      server.answers['external-login'] = noting(() => server.login(user: '7'));
      server.answers['device-login'] = noting(() => server.login(user: '7'));
      server.answers['account/identities'] = noting(() => FakeServer.json(200, {'identities': <Object>[], 'has_password': true}));
      server.answers[path] = noting(() => const HttpAnswer(204, ''));
      const device = Device('an-id-of-a-device', 's');
      await client.auth.loginWithToken('jwt');
      await client.auth.loginWithDevice(device);
      expect(await client.auth.linkIdentity(Credential.token('jwt'), proof: Credential.password('p')), isFalse);
      expect((await client.auth.identities()).flag('has_password'), isTrue);
      await client.auth.unlinkIdentity('https://id.example', 'user|7', proof: Credential.device(device));
      expect(bodies, [
        '{"token":"jwt"}',
        '{"device_id":"an-id-of-a-device","secret":"s"}',
        '{"token":"jwt","rooms":[],"proof":{"password":"p"}}',
        '',
        '{"proof":{"device_id":"an-id-of-a-device","secret":"s"}}',
      ]);
      expect(server.calls, contains('DELETE $path t2'));

      server.answers['account/identities'] = noting(() => server.login(user: '42'));
      expect(await client.auth.linkIdentity(Credential.token('jwt'), lobbies: ['game:a']), isTrue);
      expect(bodies.last, '{"token":"jwt","rooms":["a"]}');
      expect(client.session?.userId, '42');
    });

    test('lets rename and delete without one, too', () async {
      final bodies = <String>[];
      HttpAnswer Function(HttpAsk) noting(HttpAnswer Function() answer) => (ask) {
            bodies.add(ask.body ?? '');
            return answer();
          };
      server.answers['device-login'] = (_) => server.login(user: '7');
      const device = Device('an-id-of-a-device', 's');
      await client.auth.loginWithDevice(device);
      server.answers['account'] = noting(() => FakeServer.json(200, {'user_id': '7', 'username': 'Zoe', 'role': 'player'}));
      expect((await client.auth.renameWith('Zoe', Credential.token('jwt'))).username, 'Zoe');
      expect(client.session?.username, 'Zoe');
      server.answers['account'] = noting(() => const HttpAnswer(204, ''));
      await client.auth.delete(proof: Credential.device(device));
      expect(bodies, [
        '{"username":"Zoe","proof":{"token":"jwt"}}',
        '{"proof":{"device_id":"an-id-of-a-device","secret":"s"}}',
      ]);
      expect(client.session, isNull);
    });

    test('by a new device has a random secret', () {
      final devices = List.generate(20, (_) => Device.random());
      expect(devices.every((device) => device.id.length == 22 && device.secret.length == 43), isTrue);
      expect({for (final device in devices) ...[device.id, device.secret]}, hasLength(40));
    });
  });

  group('a 401 at the door', () {
    const refusal = '{"type":"error","payload":{"code":"token_expired","message":"x","status":401}}';

    test('brings one refresh and one more attempt', () async {
      await client.auth.ensure();
      final joining = client.join('a');
      await VirtualClock.settle();
      server.links.last.receive(refusal);
      await VirtualClock.settle();
      expect(server.links.last.request.token, 't2');
      server.welcome();
      await joining;
    });

    test('twice ends the session', () async {
      await client.auth.ensure();
      final failed = expectLater(client.join('a'), fails('session_ended'));
      for (var i = 0; i < 2; i++) {
        await VirtualClock.settle();
        server.links.last.receive(refusal);
      }
      await failed;
      expect(client.session, isNull);
      expect(server.links, hasLength(2));
    });
  });

  test('logout ends all at once, whether or not the server is there', () async {
    await client.auth.ensure();
    final room = await server.join(client);
    server.answers['logout'] = (_) => throw const HttpFailure('away');
    final failed = expectLater(client.auth.logout(), fails('unavailable'));
    await VirtualClock.settle();
    expect((room.connectionState as Disconnected).cause!.code, 'session_ended');
    await failed;
    expect(client.session, isNull);
  });

  test('a login as another user ends the rooms, one as the same does not', () async {
    await client.auth.ensure();
    final room = await server.join(client);
    await client.auth.login('ann', 'password');
    expect(room.connectionState, isA<Joined>());
    server.answers['login'] = (_) => server.login(user: '7');
    await client.auth.login('bob', 'password');
    expect((room.connectionState as Disconnected).cause!.code, 'session_ended');
  });

  test('there is no token in what is printed', () async {
    final session = await client.auth.ensure();
    expect('$session', isNot(contains('t1')));
    server.answers['api/rpc'] = (ask) => throw HttpFailure('refused');
    await expectLater(client.rpc('x'), throwsA(isA<GodraException>().having((e) => '$e', 'text', isNot(contains('t1')))));
    for (final bad in ['t 1', 't1\n', '', 'tä', 't' * 9000]) {
      server.answers['guest-login'] = (_) => FakeServer.json(200, {'token': bad, 'refresh_token': 'r', 'expires_in': 1, 'user_id': '1'});
      await expectLater(client.auth.guest(), fails('bad_response'));
    }
  });

  group('answers', () {
    test('that are none of the server\'s', () async {
      for (final body in ['', '[]', '7', '<html>', '{"result":1']) {
        server.answers['guest-login'] = (_) => HttpAnswer(200, body);
        await expectLater(client.auth.guest(), fails('bad_response'));
      }
    });

    test('that come too late', () async {
      final aborted = <bool>[];
      server.answers['guest-login'] = (ask) async {
        await ask.aborted;
        aborted.add(true);
        throw const HttpFailure('aborted');
      };
      final failed = expectLater(client.auth.guest(), fails('timeout', outcome: Outcome.unknown));
      await server.clock.advance(const Duration(seconds: 10));
      await failed;
      expect(aborted, [true]);
    });

    test('of lists of lobbies', () async {
      server.answers['api/rpc'] = (ask) => FakeServer.json(200, {
            'result': ask.body!.contains('next') ? '{"lobbies":[{"id":"b"}]}' : '{"lobbies":[{"id":"a","members":1,"capacity":4}],"cursor":"next"}',
          });
      await client.auth.ensure();
      expect([await for (final lobby in client.rooms()) lobby.id], ['a', 'b']);
      for (final nonsense in ['{', '[]', 7, null]) {
        server.answers['api/rpc'] = (_) => FakeServer.json(200, {'result': nonsense});
        await expectLater(client.listRooms(), fails('bad_response'));
      }
    });
  });

  test('addresses', () {
    for (final bad in ['', 'localhost:8080', 'ftp://x', 'http://', 'x', '/a']) {
      expect(() => GodraClient(bad), throwsA(isA<UsageException>()), reason: bad);
    }
    expect(GodraClient('wss://x:1/a'), isNotNull);
  });
}
