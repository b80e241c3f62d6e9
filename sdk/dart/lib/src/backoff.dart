import 'dart:math' as math;

import 'close_codes.dart';
import 'exception.dart';
import 'options.dart';

/// Of what the server asks for.
const _maxRetryAfterMs = 5 * 60 * 1000.0;

/// The first delay after a close that asks for it is at least half of this.
const _gentleMs = 1000.0;

/// The attempts of an outage: how many there were, how they went, and when the next one is due. No clock: `nowMs` is given.
final class Backoff {
  /// Counts from 0.
  Backoff(this._limits, this._random);

  final ReconnectOptions _limits;
  final math.Random _random;
  int _refusals = 0;
  double _openedAt = 0;
  double _lostAt = 0;

  /// 0 while the first connection is made, or one holds that is good.
  int get attempts => _attempts;
  int _attempts = 0;

  /// A welcome came.
  void opened(double nowMs) {
    _openedAt = nowMs;
    _refusals = 0;
  }

  /// Whether an outage begins with this loss: after a connection that held for a while.
  bool lost(double nowMs) {
    final held = nowMs - _openedAt >= _limits.stableAfter.inMilliseconds;
    if (_attempts > 0 && !held) return false;
    restart(nowMs);
    return true;
  }

  /// Begins anew, as if the connection had been lost now.
  void restart(double nowMs) {
    _attempts = 0;
    _lostAt = nowMs;
  }

  /// An attempt failed. A server, or what is in front of it, that says no is asked less and less often.
  void failed(GodraException error) => _refusals = _isAnswer(error) ? _refusals + 1 : 0;

  /// Counts one attempt more, after an end with [closeCode]; gives the milliseconds until it.
  double next(double nowMs, int closeCode, Duration? retryAfter) {
    final doublings = _refusals > 0 ? math.min(_refusals, _attempts) : _attempts;
    _attempts++;
    final maxMs = _limits.maxDelay.inMilliseconds.toDouble();
    final longest = _refusals > 0 ? maxMs : math.min(maxMs, longestMs(nowMs - _lostAt));
    final grown = math.min(longest, _limits.firstDelay.inMilliseconds * math.pow(2.0, math.min(doublings, 30)));
    final ceiling = math.min(maxMs, isGentle(closeCode) ? math.max(_gentleMs, grown) : grown);
    final asked = math.min(retryAfter?.inMilliseconds ?? 0, _maxRetryAfterMs);
    return asked + ceiling * (0.5 + _random.nextDouble() / 2);
  }

  /// A server that is restarted is away for seconds, and its players shall be back within one second of its return. After a minute
  /// the network is gone, or the server is in trouble: haste gains nothing then, and costs batteries.
  static double longestMs(double goneMs) => switch (goneMs) { < 60000 => 800, < 300000 => 5000, _ => 20000 };

  static bool _isAnswer(GodraException error) =>
      error.status != null || error.retryAfter != null || error.code == 'refused' || error.kind == ErrorKind.protocol;
}

/// The delay before retry [count], from 1, of something that the server put off.
Duration retryDelay(int count, math.Random random) {
  final ceiling = math.min(5000, 100 * math.pow(2.0, math.min(count - 1, 10)));
  return Duration(microseconds: (ceiling * (0.5 + random.nextDouble() / 2) * 1000).round());
}
