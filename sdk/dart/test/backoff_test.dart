import 'dart:math';

import 'package:godra/godra.dart';
import 'package:godra/src/backoff.dart';
import 'package:test/test.dart';

void main() {
  Backoff backoff() => Backoff(const ReconnectOptions(), Random(1))..lost(0);
  const busy = ServerException('busy', '', ErrorFacts(status: 503));
  const away = NetworkException('unavailable', '');

  test('after 1001 and 4003 the first delay is 0.5 to 1 s', () {
    for (final code in [1001, 4003]) {
      expect(backoff().next(0, code, null), inInclusiveRange(500, 1000));
    }
  });

  test('Retry-After comes on top, and five minutes are the most of it', () {
    expect(backoff().next(0, 1006, const Duration(seconds: 3)), inInclusiveRange(3100, 3200));
    expect(backoff().next(0, 1006, const Duration(hours: 3)), inInclusiveRange(300100, 300200));
  });

  test('refusals double without the limits of the first minutes', () {
    final refused = backoff();
    var last = 0.0;
    for (var attempt = 0; attempt < 8; attempt++) {
      last = refused.next(1000, 1006, null);
      refused.failed(busy);
    }
    expect(last, greaterThan(10000));
    refused.failed(away);
    expect(refused.next(1000, 1006, null), inInclusiveRange(400, 800));
  });

  test('only a connection that held begins the count anew', () {
    final one = backoff()..next(0, 1006, null);
    one.opened(1000);
    expect(one.lost(5999), isFalse);
    one.next(5999, 1006, null);
    expect(one.attempts, 2);
    one.opened(7000);
    expect(one.lost(12000), isTrue);
    expect(one.attempts, 0);
  });

  test('a thousand clients do not come in one moment', () {
    final random = Random();
    final buckets = List.filled(5, 0);
    for (var client = 0; client < 1000; client++) {
      final delay = (Backoff(const ReconnectOptions(), random)..lost(0)).next(0, 1001, null);
      buckets[((delay - 500) / 100).floor().clamp(0, 4)]++;
    }
    for (final bucket in buckets) {
      expect(bucket, lessThan(280));
    }
  });
}
