import 'dart:math';

import 'package:godra/godra.dart';
import 'package:godra/src/backoff.dart';
import 'package:godra/src/close_codes.dart';
import 'package:godra/src/http.dart' show outcomeOf;
import 'package:godra/src/outbox.dart';
import 'package:test/test.dart';

import 'harness/files.dart';

/// The tables that all SDKs share.
void main() {
  final protocol = sdkFile('protocol.json');

  test('close codes', () {
    for (final one in objects(sdkFile('protocol/fixtures/close-codes.json')['codes'])) {
      final code = one['code']! as int;
      final kind = one['class'];
      expect(comesBackAfter(code), kind != 'stay_away', reason: 'after $code');
      expect(isGentle(code), kind == 'gently', reason: 'gently after $code');
      expect(code == closedTokenExpired, kind == 'new_token', reason: 'token after $code');
    }
  });

  test('error codes of the server', () {
    for (final one in objects(protocol['error_codes'])) {
      final code = one['code']! as String;
      expect(GodraException(code, '', const ErrorFacts(isServers: true)).kind.name, one['kind'], reason: code);
      expect(outcomeOf(code).name, one['outcome'], reason: code);
    }
  });

  test('error codes of clients', () {
    for (final one in objects(protocol['client_error_codes'])) {
      final code = one['code']! as String;
      expect(GodraException(code, '').kind.name, one['kind'], reason: code);
    }
  });

  test('a code that nobody knows is a script\'s, also if it is named like one of ours', () {
    expect(GodraException('too_poor', '', const ErrorFacts(isServers: true)), isA<ScriptException>());
    expect(GodraException('timeout', '', const ErrorFacts(isServers: true)), isA<ScriptException>());
  });

  test('delays', () {
    for (final one in objects(sdkFile('protocol/fixtures/delays.json')['cases'])) {
      for (final random in [_Fixed(0), _Fixed(1)]) {
        final backoff = Backoff(const ReconnectOptions(), random)..lost(0);
        var delay = 0.0;
        for (var attempt = 0; attempt <= (one['k']! as int); attempt++) {
          delay = backoff.next((one['gone_ms']! as num).toDouble(), closedBroken, null);
        }
        expect(delay, random.value == 0 ? one['least_ms'] : one['most_ms'], reason: '$one');
      }
    }
  });

  test('limits and defaults', () {
    final defaults = protocol['client_defaults']! as Map<String, Object?>;
    const options = GodraOptions();
    expect(
      {
        'connect_timeout_ms': options.connectTimeout.inMilliseconds,
        'request_timeout_ms': options.requestTimeout.inMilliseconds,
        'heartbeat_ms': options.heartbeat.inMilliseconds,
        'first_delay_ms': options.reconnect!.firstDelay.inMilliseconds,
        'stable_ms': options.reconnect!.stableAfter.inMilliseconds,
        'once_waiting': maxWaiting,
        'once_under_way': maxUnderWay,
        'max_incoming_bytes': options.maxMessageBytes,
      },
      {
        for (final name in [
          'connect_timeout_ms', 'request_timeout_ms', 'heartbeat_ms', 'first_delay_ms', 'stable_ms', 'once_waiting', //
          'once_under_way', 'max_incoming_bytes',
        ])
          name: defaults[name],
      },
    );
  });
}

final class _Fixed implements Random {
  _Fixed(this.value);

  final double value;

  @override
  double nextDouble() => value;

  @override
  bool nextBool() => false;

  @override
  int nextInt(int max) => 0;
}
