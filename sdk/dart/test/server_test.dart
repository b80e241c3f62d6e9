@Tags(['server'])
library;

import 'dart:io';

import 'package:godra/godra.dart';
import 'package:test/test.dart';

import 'harness/game.dart';
import 'harness/godra_server.dart';

/// Against the real server.
void main() {
  late GodraServer server;
  final clients = <GodraClient>[];

  GodraClient client({SessionStore? store, Duration heartbeat = const Duration(seconds: 20)}) {
    final made = GodraClient(server.url, options: GodraOptions(store: store, heartbeat: heartbeat, reducers: lobbyReducers, log: (_, __) {}));
    clients.add(made);
    return made;
  }

  Future<GodraClient> player({SessionStore? store}) async {
    final made = client(store: store);
    await made.auth.ensure();
    return made;
  }

  Future<void> begin([List<String> flags = const []]) async {
    server = await GodraServer.start(flags);
    addTearDown(() async {
      await Future.wait(clients.map((client) => client.close()));
      clients.clear();
      await server.stop();
    });
  }

  test('two players see each other, and leave', () async {
    await begin();
    final (ann, bob) = (await player(), await player());
    final mine = await ann.createRoom(capacity: 2);
    final came = mine.on('player_joined').first;
    final his = await bob.join(mine.id);
    expect((await came).payload.text('user_id'), bob.session!.userId);
    expect(his.state.map('players'), hasLength(2));

    final moved = his.on('player_moved').firstWhere((event) => event.payload.number('x') == 7);
    for (var x = 0; x <= 7; x++) {
      mine.sendLatest('move_player', {'x': x, 'y': 1.5});
    }
    expect((await moved).payload.text('user_id'), ann.session!.userId);
    await expectLater(ann.rpc('no_such'), fails('not_found', outcome: Outcome.none));
    await expectLater(player().then((third) => third.join(mine.id)), throwsA(isA<GodraException>().having((e) => e.status, 'status', 403)));

    final gone = mine.on('player_left').first;
    final over = his.connection.firstWhere((state) => state is Disconnected);
    await his.leave();
    expect((await gone).payload.text('user_id'), bob.session!.userId);
    expect((await over as Disconnected).code, 1000);
    expect([await for (final lobby in ann.rooms(pageSize: 1)) lobby.id], contains(mine.id));
  });

  test('accounts: register, log in, change the password, log out', () async {
    await begin();
    final ann = client();
    await expectLater(ann.auth.register('ann', 'short'), fails('bad_request'));
    await ann.auth.register('ann', 'password1');
    await expectLater(ann.auth.register('ann', 'password1'), fails('conflict'));
    await expectLater(ann.auth.login('ann', 'wrong-password'), fails('unauthorized'));
    expect((await ann.auth.login('ann', 'password1')).role, 'player');
    expect((await ann.auth.account()).username, 'ann');
    await ann.auth.changePassword('password1', 'password2');
    final room = await ann.createRoom();
    final end = room.connection.firstWhere((state) => state is Disconnected);
    await ann.auth.logout();
    expect((await end as Disconnected).cause!.code, 'session_ended');
    await expectLater(ann.auth.account(), fails('unauthorized'));
  });

  test('an account is renamed and deleted', () async {
    await begin();
    final ann = client();
    await ann.auth.register('ann', 'password1');
    await ann.auth.login('ann', 'password1');
    await expectLater(ann.auth.rename('zoe', 'password2'), fails('forbidden'));
    expect((await ann.auth.rename('zoe', 'password1')).username, 'zoe');
    expect(ann.session!.username, 'zoe');
    await ann.auth.refresh();
    expect(ann.session!.username, 'zoe');
    await expectLater(ann.auth.resetPassword('zoe', 'ABCD-EFGH-JKLM-NPQR', 'password2'), fails('unauthorized'));
    final room = await ann.createRoom();
    final end = room.connection.firstWhere((state) => state is Disconnected && !state.willReconnect);
    await expectLater(ann.auth.delete(), fails('bad_request'));
    await expectLater(ann.auth.delete(password: 'password2'), fails('forbidden'));
    expect(ann.session, isNotNull);
    await ann.auth.delete(password: 'password1');
    expect((await end as Disconnected).cause!.code, 'session_ended');
    expect(ann.session, isNull);
    await expectLater(ann.auth.login('zoe', 'password1'), fails('unauthorized'));
    await ann.auth.guest();
    await ann.auth.delete();
    expect(ann.session, isNull);
  });

  test('an account without a password is renamed and deleted by its device', () async {
    await begin();
    final (ann, ben) = (client(), client());
    final (phone, another) = (Device.random(), Device.random());
    final user = (await ann.auth.loginWithDevice(phone)).userId;
    await ben.auth.loginWithDevice(another);
    await expectLater(ann.auth.renameWith('Phoebe', Credential.device(another)), fails('forbidden'));
    expect((await ann.auth.renameWith('Phoebe', Credential.device(phone))).username, 'Phoebe');
    expect(ann.session!.username, 'Phoebe');
    await expectLater(ann.auth.delete(proof: Credential.device(another)), fails('forbidden'));
    expect((await ann.auth.account()).username, 'Phoebe');
    await ann.auth.delete(proof: Credential.device(phone));
    expect(ann.session, isNull);
    expect((await ann.auth.loginWithDevice(phone)).userId, isNot(user));
  });

  test('a guest becomes a player, and the room goes on', () async {
    await begin();
    final ann = await player();
    final room = await ann.createRoom();
    final back = room.connection.firstWhere((state) => state is Joined && state.welcome.me.role == 'player');
    await ann.auth.upgrade('ann', 'password1');
    await back;
    expect(await room.request('send_chat', {'message': 'hi'}), isNotNull);
  });

  test('a session that was kept goes on in another client', () async {
    await begin();
    final store = MemorySessionStore();
    final first = await player(store: store);
    final again = client(store: store);
    expect((await again.auth.ensure()).userId, first.session!.userId);
    await again.auth.refresh();
    expect((await first.auth.account()).userId, first.session!.userId);
  });

  test('a server that is killed is come back to; what ran once did, and state is right', () async {
    await begin(['--state-file', 'state.db']);
    final ann = await player();
    final room = await ann.createRoom();
    for (var i = 0; i < 3; i++) {
      await room.request('set', {'count': i}, once: true);
    }
    await server.terminate();
    final waiting = [for (var i = 3; i < 6; i++) room.request('set', {'count': i}, once: true)];
    expect(room.send('set', {'count': 99}), isFalse);
    final back = room.connection.firstWhere((state) => state is Joined && room.stats.reconnects > 0);
    await server.restart();
    await back;
    await Future.wait(waiting);
    await _until(() => room.state.map('state')?['count'] == 5);
    expect(room.latency, isNull);
    expect(await room.ping(), isA<Duration>());
    final offset = room.serverTime!.difference(DateTime.now()).inMilliseconds.abs();
    expect(offset, lessThan(2000));
  });

  test('a program ends by itself after close', () async {
    await begin();
    final package = Platform.packageConfig ?? 'test/packages.json';
    final ended = await Process.run(Platform.resolvedExecutable, ['--packages=$package', 'test/programs/ends.dart', server.url])
        .timeout(const Duration(seconds: 100));
    expect([ended.stdout, ended.exitCode], ['closed\n', 0], reason: '${ended.stderr}');
  });

  test('nobody there is told at once', () async {
    await begin();
    final ann = await player();
    await server.kill();
    await expectLater(ann.rpc('list_lobbies'), fails('unavailable', outcome: Outcome.none));
    await expectLater(ann.join('a'), fails('unavailable'));
    await server.restart();
  });
}

Future<void> _until(bool Function() condition) async {
  final watch = Stopwatch()..start();
  while (!condition()) {
    if (watch.elapsed > const Duration(seconds: 10)) fail('it did not become true within 10 s');
    await Future<void>.delayed(const Duration(milliseconds: 10));
  }
}
