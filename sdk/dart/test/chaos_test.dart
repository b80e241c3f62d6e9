import 'dart:math';

import 'package:godra/godra.dart';
import 'package:test/test.dart';

import 'harness/model_server.dart';

/// Whatever the network does: what runs once runs once and in order, each event comes once, and the state is the server's.
void main() {
  for (var seed = 0; seed < 60; seed++) {
    test('seed $seed', () async {
      final random = Random(seed);
      final server = ModelServer(random);
      final client = server.client();
      await client.auth.guest();
      final joining = client.join('a');
      await server.clock.advance(const Duration(seconds: 1));
      final room = await joining;
      final heard = <int>[];
      room.on('ran').listen((event) => heard.add(event.seq!));
      final results = <Future<Object?>>[];
      for (var i = 0; i < 60; i++) {
        results.add(room.request('add', i, once: true));
        await server.clock.advance(Duration(milliseconds: random.nextInt(80)));
        if (random.nextInt(12) == 0) server.cut();
      }
      for (var wait = 0; wait < 100 && server.ran.length < 60; wait++) {
        await server.clock.advance(const Duration(seconds: 1));
      }
      await server.clock.advance(const Duration(seconds: 30));
      expect(server.cuts, greaterThan(0));
      expect(server.ran, [for (var i = 0; i < 60; i++) i]);
      expect(await Future.wait(results), [for (var i = 0; i < 60; i++) {'ran': i}]);
      expect(room.state['ran'], server.ran);
      expect(heard, heard.toSet().toList()..sort());
      await client.close();
    });
  }
}
