import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

import 'harness/game.dart';

final class Odd {
  Object? toJson() => throw StateError('odd');
}

void main() {
  late FakeRoom fake;
  late Room room;

  setUp(() async {
    fake = FakeRoom();
    room = await fake.join();
  });

  Future<void> comeBack({Map<String, Object?> more = const {}}) async {
    await fake.advance(second);
    fake.welcome(recovered: true, more: more);
  }

  group('send', () {
    test('has no id, and tells whether it went', () {
      expect(room.send('jump', {'x': 1}), isTrue);
      expect(fake.sent.single.fields, {'action': 'jump', 'payload': {'x': 1}});
      fake.link.isFull = true;
      expect(room.send('jump'), isFalse);
      fake.cut();
      expect(room.send('jump'), isFalse);
      expect(room.stats.dropped, 2);
    });

    test('refuses what cannot be sent, and sends nothing', () {
      final cycle = <Object?>[];
      cycle.add(cycle);
      Object? deep = 1;
      for (var i = 0; i < 200000; i++) {
        deep = [deep];
      }
      for (final payload in [cycle, Odd(), double.nan, double.infinity, () {}, {1: 2}, deep]) {
        expect(() => room.send('jump', payload), fails('bad_request', outcome: Outcome.none));
      }
      for (final action in ['', 'a b', 'x' * 65, 'a"']) {
        expect(() => room.send(action), fails('bad_request', outcome: Outcome.none));
      }
      expect(() => room.send('jump', 'x' * 65536), fails('too_large', outcome: Outcome.none));
      expect(() => room.send('jump', '€' * 22000), fails('too_large', outcome: Outcome.none));
      expect(room.send('jump', 'x' * 65000), isTrue);
      expect(fake.sent, hasLength(1));
    });
  });

  group('request', () {
    test('gives the result, whatever that is', () async {
      for (final result in [null, false, 0, '', <Object?>[], {'a': 1}]) {
        final asked = room.request('ask', null);
        fake.reply(result);
        expect(await asked, result);
      }
      expect(fake.sent.map((one) => one.id).toSet(), hasLength(6));
    });

    test('fails with what the script says', () async {
      final failed = expectLater(room.request('buy', null), throwsA(isA<ScriptException>().having((e) => e.details, 'details', {'gold': 1})));
      fake.refuse('too_poor', details: {'gold': 1});
      await failed;
      final busy = expectLater(room.request('buy', null), fails('busy', outcome: Outcome.none));
      fake.refuse('busy');
      await busy;
      final nonsense = expectLater(room.request('buy', null), fails('bad_message', outcome: Outcome.unknown));
      fake.message({'type': 'error', 'id': fake.sent.last.id, 'payload': 7});
      await nonsense;
    });

    test('is answered in any order', () async {
      final all = [for (var i = 0; i < 100; i++) room.request('ask', i)];
      for (final input in fake.sent.reversed.toList()) {
        fake.reply(input.payload, to: input);
      }
      expect(await Future.wait(all), [for (var i = 0; i < 100; i++) i]);
    });

    test('ends in time, and what comes later is nothing', () async {
      final failed = expectLater(room.request('ask', null, timeout: second), fails('timeout', outcome: Outcome.unknown));
      await fake.advance(second);
      await failed;
      final seen = await watch(room);
      fake
        ..reply(1)
        ..refuse('late');
      expect(seen.words, isEmpty);
    });

    test('fails with its connection, and without one', () async {
      final failed = expectLater(room.request('ask', null), fails('disconnected', outcome: Outcome.unknown));
      fake.cut();
      await failed;
      await expectLater(room.request('ask', null), fails('disconnected', outcome: Outcome.none));
      await comeBack();
      expect(fake.sent, hasLength(1));
    });

    test('can be taken back', () async {
      final cancel = CancelToken();
      final failed = expectLater(room.request('ask', null, cancel: cancel), fails('cancelled'));
      cancel.cancel();
      await failed;
      await expectLater(room.request('ask', null, cancel: cancel), fails('cancelled'));
      expect(fake.sent, hasLength(1));
      fake.reply(1);
      expect(fake.clock.waiting, 0);
    });

    test('after the end fails', () async {
      await room.close();
      await expectLater(room.request('ask', null), fails('disconnected', outcome: Outcome.none));
      await expectLater(room.request('ask', null, once: true), fails('disconnected', outcome: Outcome.none));
      expect(room.send('ask'), isFalse);
      room.sendLatest('ask', 1);
      expect(fake.clock.waiting, 0);
    });
  });

  group('once', () {
    List<Object?> numbers() => [for (final one in fake.sent) one.n];

    test('counts on from the welcome, and goes again over a reconnect, oldest first', () async {
      final fake = FakeRoom();
      final joined = await fake.join(more: {'n': 6});
      final first = joined.request('buy', 1, once: true);
      final second = joined.request('buy', 2, once: true);
      expect([for (final one in fake.sent) one.n], [7, 8]);
      fake.cut();
      final third = joined.request('buy', 3, once: true);
      fake.sent.clear();
      await fake.advance(const Duration(seconds: 1));
      fake.welcome(recovered: true, more: {'n': 7});
      expect([for (final one in fake.sent) (one.n, one.payload)], [(7, 1), (8, 2), (9, 3)]);
      fake
        ..reply({'duplicate': true}, to: fake.sent[0])
        ..reply('b', to: fake.sent[1])
        ..reply('c', to: fake.sent[2]);
      expect(await Future.wait([first, second, third]), [{'duplicate': true}, 'b', 'c']);
    });

    test('has at most 16 on their way, and 64 in all', () async {
      final all = [for (var i = 0; i < 64; i++) room.request('buy', i, once: true)];
      expect(fake.sent, hasLength(16));
      await expectLater(room.request('buy', null, once: true), fails('queue_full', outcome: Outcome.none));
      for (var i = 0; i < 64; i++) {
        fake.reply(i, to: fake.sent[i]);
      }
      expect(await Future.wait(all), [for (var i = 0; i < 64; i++) i]);
      expect(numbers(), [for (var n = 1; n <= 64; n++) n]);
    });

    test('put off by the server goes again with all behind it, in order', () async {
      final all = [for (var i = 1; i <= 3; i++) room.request('buy', i, once: true)];
      final sent = [...fake.sent];
      fake
        ..reply('a', to: sent[0])
        ..refuse('rate_limited', to: sent[1])
        ..refuse('out_of_order', to: sent[2]);
      fake.sent.clear();
      await fake.advance(ms(100));
      expect(numbers(), [2, 3]);
      final failed = expectLater(all[2], fails('too_poor', outcome: Outcome.ran));
      fake
        ..reply('b', to: fake.sent[0])
        ..refuse('too_poor', to: fake.sent[1]);
      expect(await Future.wait(all.take(2)), ['a', 'b']);
      await failed;
    });

    test('fails when the store has lost the room\'s data, but what was never sent goes with new numbers', () async {
      final sent = expectLater(room.request('buy', 1, once: true), fails('disconnected', outcome: Outcome.unknown));
      fake.cut();
      room.request('buy', 2, once: true).ignore();
      fake.sent.clear();
      await fake.advance(second);
      fake.welcome(more: {'epoch': 'e2', 'n': 0});
      await sent;
      expect([for (final one in fake.sent) (one.n, one.payload)], [(1, 2)]);
    });

    test('that is another player\'s now fails', () async {
      final failed = expectLater(room.request('buy', 1, once: true), fails('disconnected', outcome: Outcome.unknown));
      fake.cut();
      await fake.advance(second);
      fake.welcome(more: {'user_id': '2'});
      await failed;
    });

    test('that ends in time keeps its place', () async {
      final failed = expectLater(room.request('buy', 1, once: true, timeout: second), fails('timeout', outcome: Outcome.unknown));
      await fake.advance(second);
      await failed;
      fake.cut();
      fake.sent.clear();
      await comeBack();
      expect(numbers(), [1]);
    });

    test('that was never sent ends in time, and does not go', () async {
      fake.cut();
      final failed = expectLater(room.request('buy', 1, once: true, timeout: ms(50)), fails('timeout', outcome: Outcome.none));
      await fake.advance(ms(50));
      await failed;
      await comeBack();
      expect(fake.sent, isEmpty);
    });

    test('fails at the end of the room: sent or not', () async {
      final sent = expectLater(room.request('buy', 1, once: true), fails('disconnected', outcome: Outcome.unknown));
      fake.cut();
      final unsent = expectLater(room.request('buy', 2, once: true), fails('disconnected', outcome: Outcome.none));
      await room.close();
      await sent;
      await unsent;
      expect(fake.clock.waiting, 0);
    });

    test('is not for servers that know no numbers', () async {
      final fake = FakeRoom();
      final old = await fake.join(more: {'n': null});
      await expectLater(old.request('buy', 1, once: true), fails('unsupported', outcome: Outcome.none));
    });
  });

  group('sendLatest', () {
    List<Object?> payloads() => [for (final one in fake.sent) one.payload];

    test('sends one an interval, the newest, and the last for sure', () async {
      for (var i = 0; i < 100; i++) {
        room.sendLatest('move', i);
      }
      expect(payloads(), [0]);
      await fake.advance(ms(50));
      expect(payloads(), [0, 99]);
      await fake.advance(second);
      expect(payloads(), [0, 99]);
      expect(fake.sent.first.id, isNull);
      expect(fake.clock.waiting, 0);
    });

    test('keeps keys apart', () {
      room
        ..sendLatest('move', 1)
        ..sendLatest('look', 2)
        ..sendLatest('move', 3, key: 'other');
      expect(payloads(), [1, 2, 3]);
    });

    test('keeps the newest for a short outage', () async {
      room.sendLatest('move', 1);
      fake.cut();
      room
        ..sendLatest('move', 2)
        ..sendLatest('move', 3);
      await fake.advance(ms(900));
      fake.welcome(recovered: true);
      expect(payloads(), [1, 3]);
    });

    test('drops what is older than a second', () async {
      fake.cut();
      room.sendLatest('move', 1);
      await fake.advance(ms(1001));
      fake.welcome(recovered: true);
      await fake.advance(second);
      expect(payloads(), isEmpty);
      expect(room.stats.dropped, 1);
    });

    test('waits while the network is too slow', () async {
      fake.link.isFull = true;
      room.sendLatest('move', 1);
      await fake.advance(ms(120));
      fake.link.isFull = false;
      await fake.advance(ms(50));
      expect(payloads(), [1]);
    });
  });
}
