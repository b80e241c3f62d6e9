import 'dart:convert';
import 'dart:math';

import 'package:godra/godra.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

import 'harness/game.dart';

/// Messages by chance, near to right ones: whatever comes, the game goes on.
void main() {
  for (var seed = 0; seed < 40; seed++) {
    test('seed $seed', () async {
      final noise = _Noise(Random(seed));
      final fake = FakeRoom(reducers: lobbyReducers);
      final room = await fake.join(state: noise.value(3));
      final seen = await watch(room);
      for (var i = 0; i < 150; i++) {
        room.request('ask', i, once: i % 3 == 0).ignore();
        fake.link.receive(noise.message());
        if (i % 50 == 49) await fake.advance(second);
      }
      expect(fake.log.where((line) => line.startsWith('error')), isEmpty);
      expect(seen.words, isNot(contains('error handler_failed')));
      expect(room.connectionState, isA<Joined>());
      seen.taken;
      fake.message({'type': 'after'});
      expect(seen.words.last, 'after null');
      await room.close();
      expect(fake.clock.waiting, 0);
    });
  }
}

final class _Noise {
  _Noise(this._random);

  final Random _random;

  static const _names = ['type', 'payload', 'seq', 'id', 'n', 'events', 'epoch', 'result', 'code', 'user_id', 'action', 'players', 'x'];
  static const _words = [
    'welcome', 'batch', 'reply', 'error', 'snapshot', 'player_joined', 'player_moved', 'player_left', 'state', 'set', 'busy', 'e1', '1', //
    'out_of_order', '', '\u0000', '💥', '__proto__',
  ];

  T _one<T>(List<T> from) => from[_random.nextInt(from.length)];

  /// Often an object with the right members, now and then cut off.
  String message() {
    final text = jsonEncode(_random.nextInt(5) == 0 ? value(4) : _object(4));
    return _random.nextInt(10) == 0 ? text.substring(0, _random.nextInt(text.length)) : text;
  }

  Object? value(int depth) => switch (_random.nextInt(depth > 0 ? 10 : 7)) {
        0 => null,
        1 => _random.nextBool(),
        2 => _random.nextInt(200) - 20,
        3 => _one([0.5, -1.0, 7.0, 9007199254740993, 1e300]),
        < 7 => _one(_words),
        7 => [for (var i = _random.nextInt(4); i > 0; i--) value(depth - 1)],
        _ => _object(depth),
      };

  Map<String, Object?> _object(int depth) => {
        if (_random.nextInt(4) > 0) 'type': _one(_words),
        for (var i = _random.nextInt(6); i > 0; i--) _one(_names): value(depth - 1),
      };
}
