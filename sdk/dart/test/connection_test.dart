import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

import 'harness/files.dart';
import 'harness/game.dart';

void main() {
  late FakeRoom fake;

  setUp(() => fake = FakeRoom());

  test('a lost connection is made again, and goes on where it was', () async {
    final room = await fake.join(state: {'a': 1});
    fake.event('t');
    final seen = await watch(room);
    fake.cut();
    expect(seen.taken.first, 'Disconnected(1006, "", willReconnect: true, cause: null)');
    await fake.advance(second);
    expect(fake.link.request.url.query, 'game_id=lobby&epoch=e1&since=1&refuse=close');
    fake
      ..welcome(recovered: true)
      ..event('missed');
    expect(seen.words, ['Joined(recovered: true)', 'missed null']);
    expect(room.state, {'a': 1});
    expect(room.stats.reconnects, 1);
  });

  test('a welcome that is not recovered replaces the state, and the position, also to a lower one', () async {
    final room = await fake.join(state: {'a': 1});
    fake.message({'type': 't', 'seq': 50});
    fake.cut();
    await fake.advance(second);
    fake.welcome(state: {'b': 2}, more: {'seq': 3});
    expect(room.state, {'b': 2});
    final seen = await watch(room);
    fake.message({'type': 'u', 'seq': 4});
    expect(seen.words, ['u null']);
  });

  test('each code does what the table says', () async {
    for (final one in objects(sdkFile('protocol/fixtures/close-codes.json')['codes'])) {
      final each = FakeRoom();
      final seen = await watch(await each.join());
      each.close(one['code']! as int, 'why');
      final comesBack = one['class'] != 'stay_away' && one['class'] != 'new_token';
      if (one['class'] == 'new_token') continue;
      final first = seen.words.first;
      expect(first, contains('Disconnected(${one['code']}, "why", willReconnect: $comesBack'));
      await each.advance(const Duration(seconds: 5));
      expect(each.links, hasLength(comesBack ? 2 : 1), reason: '${one['code']}');
      expect(seen.words.where((word) => word.contains('willReconnect: false')), hasLength(comesBack ? 0 : 1));
      await each.room.close();
      expect(each.clock.waiting, 0);
    }
  });

  test('a refusal for good ends it, with how the outage began and the refusal as cause', () async {
    final room = await fake.join();
    fake.close(1001, 'bye');
    await fake.advance(second);
    fake.link.receive('{"type":"error","payload":{"code":"forbidden","message":"banned","status":403,"details":{"until":null,"reason":"x"}}}');
    final end = room.connectionState as Disconnected;
    expect([end.code, end.reason, end.willReconnect, end.cause!.code, end.cause!.status], [1001, 'bye', false, 'forbidden', 403]);
    expect(end.cause!.details, {'until': null, 'reason': 'x'});
    expect(fake.link.closed?.code, 4000);
    expect(fake.clock.waiting, 0);
  });

  test('a refusal for now is asked again, and not before it may', () async {
    final seen = await watch(await fake.join());
    fake.cut();
    await fake.advance(second);
    seen.taken;
    fake.link.receive('{"type":"error","payload":{"code":"busy","message":"x","status":503,"retry_after":3}}');
    expect(seen.words.single, contains('Reconnecting(2, 0:00:03'));
    await fake.advance(const Duration(milliseconds: 2999));
    expect(fake.links, hasLength(2));
    await fake.advance(second);
    expect(fake.links, hasLength(3));
  });

  test('a server that is away is tried for ever', () async {
    final seen = await watch(await fake.join());
    fake.cut();
    for (var minute = 0; minute < 30; minute++) {
      await fake.advance(const Duration(minutes: 1));
      fake.link.end(const LinkEnd.unreachable('no'));
    }
    expect(seen.words.where((word) => word.startsWith('Reconnecting')).length, greaterThan(25));
    expect(fake.room.connectionState, isA<Reconnecting>());
  });

  test('no answer to a heartbeat is an end', () async {
    final fake = FakeRoom(heartbeat: const Duration(seconds: 20));
    final seen = await watch(await fake.join());
    await fake.advance(const Duration(seconds: 20));
    expect(fake.sent.single.action, 'heartbeat');
    fake.reply({'n': 0, 'seq': 7, 'now': fake.clock.wallMs});
    await fake.advance(const Duration(seconds: 29));
    expect(seen.words, isEmpty);
    await fake.advance(const Duration(seconds: 2));
    expect(seen.words.first, 'Disconnected(1006, "no answer to a heartbeat", willReconnect: true, cause: null)');
    expect(fake.links.first.closed?.code, 4000);
    expect(fake.link.request.url.queryParameters['since'], '7');
  });

  test('anything that comes is a sign of life', () async {
    final fake = FakeRoom(heartbeat: const Duration(seconds: 20));
    await fake.join();
    await fake.advance(const Duration(seconds: 25));
    fake.event('t');
    await fake.advance(const Duration(seconds: 5));
    expect(fake.links, hasLength(1));
    await fake.advance(const Duration(seconds: 29));
    expect(fake.room.connectionState, isA<Joined>());
    await fake.advance(const Duration(seconds: 1));
    expect(fake.room.connectionState, isA<Reconnecting>());
  });

  test('after waking up a silence of three seconds is an end', () async {
    final seen = await watch(await fake.join());
    fake.room.checkNow();
    await fake.advance(const Duration(milliseconds: 2999));
    expect(seen.words, isEmpty);
    await fake.advance(const Duration(milliseconds: 1));
    expect(seen.words.first, contains('Disconnected(1006'));
    fake.room.checkNow();
    await VirtualClock.settle();
    expect(fake.links, hasLength(2));
  });

  test('without a network there are no attempts, and with it again one at once', () async {
    await fake.join();
    fake.client.setOnline(false);
    fake.cut();
    await fake.advance(const Duration(minutes: 5));
    expect(fake.links, hasLength(1));
    fake.client.setOnline(true);
    await VirtualClock.settle();
    expect(fake.links, hasLength(2));
  });

  test('what an older connection still says changes nothing', () async {
    final seen = await watch(await fake.join());
    final old = fake.link;
    fake.room.checkNow();
    await fake.advance(const Duration(seconds: 4));
    fake.welcome(recovered: true);
    seen.taken;
    old.receive('{"type":"t","seq":99}');
    old.listener.ended(const LinkEnd(4500, 'late'));
    expect(seen.words, isEmpty);
  });

  test('closing twice, and while it comes back, ends it once', () async {
    final seen = await watch(await fake.join());
    fake.cut();
    seen.taken;
    await fake.room.close();
    await fake.room.close();
    expect(seen.words, ['Disconnected(1000, "closed by the client", willReconnect: false, cause: null)', 'done']);
    await fake.advance(const Duration(minutes: 1));
    expect(fake.links, hasLength(1));
    expect(fake.clock.waiting, 0);
  });

  test('leaving tells the server first, and its 4500 is no kick', () async {
    final seen = await watch(await fake.join());
    final left = fake.room.leave();
    fake.close(4500, 'left');
    await left;
    expect(seen.words, ['Disconnected(1000, "closed by the client", willReconnect: false, cause: null)', 'done']);
    fake.client.join('lobby').ignore();
    await VirtualClock.settle();
    expect(fake.link.request.url.query, isNot(contains('since')));
  });

  test('without reconnecting the first end is the last', () async {
    final fake = FakeRoom(reconnect: null);
    await fake.join();
    fake.cut();
    expect((fake.room.connectionState as Disconnected).willReconnect, isFalse);
  });

  test('the server\'s clock is known to half of the best round trip, and forgotten with the connection', () async {
    await fake.join();
    final ping = fake.room.ping();
    await fake.advance(ms(100));
    fake.reply({'seq': 0, 'n': 0, 'now': fake.clock.wallMs + 5000 - 50});
    expect(await ping, ms(100));
    expect(fake.room.serverTime!.millisecondsSinceEpoch - fake.clock.wallMs, 5000);
    expect(fake.room.latency, ms(100));
    fake.cut();
    expect(fake.room.serverTime, isNull);
  });
}
