import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:godra/src/lobby.dart' show lobbyId;
import 'package:test/test.dart';

import 'harness/files.dart';
import 'harness/game.dart';

void main() {
  late FakeRoom fake;

  setUp(() => fake = FakeRoom());

  group('joining', () {
    test('is done with the welcome, and a listener that comes later hears of it', () async {
      final room = await fake.join(state: {'a': 1});
      expect(fake.link.request.url.toString(), 'ws://fake/ws?game_id=lobby&refuse=close');
      expect(fake.link.request.protocols, ['godra', 'bearer.fake']);
      expect(room.me.username, 'Ann');
      expect(room.state, {'a': 1});
      expect(await room.connection.first, isA<Joined>());
    });

    test('tells the script the options in each address', () async {
      await fake.client.auth.ensure();
      final joining = fake.client.join('lobby', options: {'team': 'röd&1'});
      await VirtualClock.settle();
      fake.welcome();
      await joining;
      expect(fake.link.request.url.queryParameters['options'], '{"team":"röd&1"}');
      for (final wrong in [
        {'a': 'x' * 1017},
        {'a': double.nan},
      ]) {
        await expectLater(fake.client.join('other', options: wrong), fails('bad_request', outcome: Outcome.none));
      }
    });

    test('loses no event that comes right behind the welcome', () async {
      await fake.client.auth.ensure();
      final joining = fake.client.join('lobby');
      await VirtualClock.settle();
      fake
        ..welcome()
        ..event('first')
        ..event('second');
      final seen = Seen(await joining);
      await fake.advance(Duration.zero);
      expect(seen.words, ['Joined(recovered: false)', 'first null', 'second null']);
    });

    test('twice gives the same room', () async {
      final room = await fake.join();
      expect(await fake.client.join('game:lobby'), same(room));
      expect(fake.links, hasLength(1));
    });

    test('of what is no lobby fails without a call', () async {
      for (final id in ['', 'a b', 'game:', 'x' * 65, 'ä', 'a\n']) {
        await expectLater(fake.client.join(id), fails('bad_request', outcome: Outcome.none));
      }
      expect(fake.links, isEmpty);
    });

    test('of another game is called by its full name, however it is said', () {
      for (final id in ['a', 'game:a', 'chess~a', 'game:chess~a']) {
        expect(lobbyId(id, 'chess'), 'chess~a');
      }
      for (final (id, game) in [('go~a', 'chess'), ('chess~', 'chess'), ('chess~chess~a', 'chess'), ('~a', 'chess'), ('chess~a', '')]) {
        expect(() => lobbyId(id, game), throwsA(isA<UsageException>()), reason: id);
      }
      for (final game in ['Chess', 'a b', '9x', 'chess~', 'g' * 33]) {
        expect(() => GodraClient('http://x', options: GodraOptions(game: game)), throwsA(isA<UsageException>()), reason: game);
      }
    });

    test('without a login says so', () async => expectLater(FakeRoom().client.join('a'), fails('unauthorized')));

    test('that is cancelled leaves nothing open', () async {
      await fake.client.auth.ensure();
      final cancel = CancelToken();
      final joining = fake.client.join('lobby', cancel: cancel);
      final failed = expectLater(joining, fails('cancelled'));
      await VirtualClock.settle();
      cancel.cancel();
      await failed;
      expect(fake.link.closed?.code, 1000);
      expect(fake.clock.waiting, 0);
    });

    test('without a welcome ends in time', () async {
      await fake.client.auth.ensure();
      final failed = expectLater(fake.client.join('lobby'), fails('timeout'));
      await fake.advance(const Duration(seconds: 10));
      await failed;
      expect(fake.link.closed?.code, 1000);
      await fake.join();
      expect(fake.links, hasLength(2));
    });

    test('where the platform hides why, asks whether there is a server', () async {
      await fake.client.auth.ensure();
      final failed = expectLater(fake.client.join('lobby'), fails('not_found'));
      await VirtualClock.settle();
      fake.link.end(const LinkEnd.hidden(''));
      await failed;
    });
  });

  group('messages', () {
    for (final one in objects(sdkFile('protocol/fixtures/incoming.json')['texts'])) {
      test('${one['name']}', () async {
        final seen = await watch(await fake.join());
        GameEvent? event;
        fake.room.events.listen((heard) => event = heard);
        fake.link.receive(one['text']! as String);
        switch (one['is']) {
          case 'event':
            expect(seen.words, hasLength(1));
            if (one.containsKey('payload')) expect(event!.value, one['payload']);
          case 'nothing':
            expect(seen.words, isEmpty);
          case 'bad_message':
            expect(seen.words, contains('error bad_message'));
          case 'either':
            expect(seen.words.single.startsWith('t ') || seen.words.single == 'error bad_message', isTrue);
          case final other:
            fail('This test does not know what "$other" is');
        }
        seen.taken;
        fake.message({'type': 'after'});
        expect(seen.words, ['after null']);
      });
    }

    test('that cannot be read are reported, and the state is asked for: once a second at most', () async {
      final seen = await watch(await fake.join());
      for (final text in ['{', 'null', '[]', '7', '{"type":7}', '{"type":"t","seq":"1"}', '{"type":"batch","events":{}}', '${'[' * 600}${']' * 600}']) {
        fake.link.receive(text);
      }
      expect(seen.taken, List.filled(8, 'error bad_message'));
      expect(fake.sent.map((one) => one.action), ['resync']);
      await fake.advance(second);
      expect(fake.sent, hasLength(2));
      fake
        ..snapshot({'a': 2})
        ..event('t');
      expect(seen.words, ['snapshot {a: 2}', 't null']);
      expect(fake.room.state, {'a': 2});
      await fake.advance(const Duration(minutes: 1));
      expect(fake.sent, hasLength(2));
    });

    test('that cannot be read ask for nothing more once the state is there', () async {
      await fake.join();
      fake.link.receive('{');
      fake.link.receive('{');
      fake.snapshot(null);
      await fake.advance(const Duration(minutes: 2));
      expect(fake.sent.map((one) => one.action), ['resync']);
      fake.link.receive('{');
      expect(fake.sent, hasLength(2));
    });

    test('that could not be read make the next connection ask for everything', () async {
      await fake.join();
      fake
        ..event('t')
        ..link.receive('{')
        ..cut();
      await fake.advance(second);
      expect(fake.link.request.url.query, 'game_id=lobby&refuse=close');
    });

    test('at or below the position are dropped', () async {
      final seen = await watch(await fake.join());
      for (final seq in [5, 5, 4, 9]) {
        fake.message({'type': 't$seq', 'payload': null, 'seq': seq});
      }
      fake.message({'type': 'free', 'payload': null});
      expect(seen.words, ['t5 null', 't9 null', 'free null']);
    });

    test('of a batch come one by one; a batch or a welcome in it is wrong', () async {
      final seen = await watch(await fake.join());
      fake.message({
        'type': 'batch',
        'events': [
          {'type': 'a', 'seq': 1},
          {'type': 'batch', 'events': <Object?>[]},
          {'type': 'welcome', 'payload': <String, Object?>{}},
          {'type': 'b', 'seq': 2},
        ],
      });
      expect(seen.words, ['a null', 'error bad_message', 'error bad_message', 'b null']);
    });

    test('before the welcome are reported to who listens already', () async {
      await fake.client.auth.ensure();
      final words = <String>[];
      final joining = fake.client.join('lobby', prepare: (room) => room.errors.listen((error) => words.add(error.code)));
      await VirtualClock.settle();
      fake
        ..event('early')
        ..welcome(more: {'user_id': 7})
        ..welcome(more: {'n': '7'});
      expect(words, ['bad_message', 'bad_message', 'bad_message']);
      fake.welcome();
      await joining;
    });
  });

  group('handlers', () {
    test('that throw disturb nobody, and are reported', () async {
      final room = await fake.join();
      final heard = <String>[];
      room.on('t').listen((_) => throw StateError('mine'));
      room.on('t').listen((event) => heard.add('t'));
      room.errors.listen((error) => heard.add(error.code));
      fake
        ..event('t')
        ..event('t');
      expect(heard, ['handler_failed', 't', 'handler_failed', 't']);
      expect(fake.log.where((line) => line.startsWith('error')), hasLength(2));
    });

    test('may close within an event, and nothing comes after that', () async {
      final room = await fake.join();
      final seen = await watch(room);
      room.on('stop').listen((_) => room.close());
      room.on('stop').listen((_) => seen.words.add('too late'));
      fake.message({
        'type': 'batch',
        'events': [
          {'type': 'stop', 'seq': 1},
          {'type': 'after', 'seq': 2},
        ],
      });
      expect(seen.words, ['stop null', 'Disconnected(1000, "closed by the client", willReconnect: false, cause: null)', 'done']);
      expect(fake.link.closed?.code, 1000);
      expect(fake.clock.waiting, 0);
    });

    test('may join another room within an event', () async {
      final room = await fake.join();
      room.on('go').listen((_) => fake.client.join('other').ignore());
      fake.event('go');
      await VirtualClock.settle();
      expect(fake.link.request.url.queryParameters['game_id'], 'other');
    });

    test('that listen to nothing find errors in the log', () async {
      await fake.join();
      fake.message({'type': 'error', 'payload': {'code': 'rate_limited', 'message': 'too fast'}});
      expect(fake.log, ['warning: room lobby: rate_limited: too fast']);
    });

    test('of streams of the room\'s are called until it ends, then their streams do', () async {
      final room = await fake.join();
      final all = room.events.map((event) => event.type).toList();
      fake
        ..event('a')
        ..event('b');
      await room.close();
      expect(await all, ['a', 'b']);
      expect(await room.events.toList(), isEmpty);
      expect((await room.connection.toList()).single, isA<Disconnected>());
    });
  });

  group('state', () {
    test('follows the events of the stock scripts', () async {
      fake = FakeRoom(reducers: lobbyReducers);
      final room = await fake.join(state: {'players': <Object?>[], 'state': {'old': 1}});
      final states = <JsonMap>[];
      room.states.listen(states.add);
      fake
        ..event('player_joined', {'user_id': '2', 'username': 'Bob'})
        ..event('player_moved', {'user_id': '2', 'x': 1, 'y': 2.5})
        ..event('player_away', {'user_id': '2'})
        ..event('state', {'action': 'set', 'payload': {'old': null, 'new': [1]}});
      final expected = {
        'players': {'2': {'user_id': '2', 'username': 'Bob', 'x': 1, 'y': 2.5, 'away': true}},
        'state': {'new': [1]},
      };
      expect(room.state, expected);
      expect(states, hasLength(4));
      expect(states.last, expected);
      fake
        ..event('player_back', {'user_id': '2'})
        ..event('player_upgraded', {'user_id': '9', 'old_id': '2', 'username': 'Bob'})
        ..event('player_left', {'user_id': '9'});
      expect(room.state['players'], isEmpty);
    });

    test('stands events of any shape', () async {
      fake = FakeRoom(reducers: lobbyReducers);
      final room = await fake.join(state: 7);
      for (final type in lobbyReducers.keys) {
        for (final payload in [null, 7, <Object?>[], <String, Object?>{}, {'user_id': 7}, {'user_id': 'x'}, {'action': 'set', 'payload': 7}]) {
          fake.event(type, payload);
        }
      }
      expect(fake.log, isEmpty);
      expect(room.connectionState, isA<Joined>());
    });

    test('is told once for a message', () async {
      fake = FakeRoom(reducers: lobbyReducers);
      final room = await fake.join();
      var told = 0;
      room.states.listen((_) => told++);
      fake.message({
        'type': 'batch',
        'events': [
          for (var i = 1; i < 9; i++) {'type': 'player_joined', 'payload': {'user_id': '$i'}, 'seq': i},
        ],
      });
      expect(told, 1);
    });
  });
}
