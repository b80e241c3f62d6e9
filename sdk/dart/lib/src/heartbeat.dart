import 'dart:async';
import 'dart:collection';

import 'clock.dart';
import 'pending.dart';

const _samples = 5;

/// Finds connections that are dead although nobody closed them: a network that vanishes tells nobody.
final class Heartbeat {
  /// [_ask] sends one; [_heardAt] is when anything came; [_died] ends the connection.
  Heartbeat(this._clock, this._every, this._ask, this._heardAt, this._died);

  final Clock _clock;
  final Duration _every;
  final void Function(Duration limit, Answered answered) _ask;
  final double Function() _heardAt;
  final void Function() _died;
  final _roundTrips = Queue<double>();
  Timer? _timer;

  /// A check that another one overtook says nothing any more.
  Object? _check;

  /// The median of the last round trips; null before the first.
  Duration? get latency {
    if (_roundTrips.isEmpty) return null;
    final sorted = _roundTrips.toList()..sort();
    return ms(sorted[sorted.length ~/ 2]);
  }

  /// A connection is there. Answers have [limit].
  void start(Duration limit) {
    if (_every <= Duration.zero) return;
    _timer?.cancel();
    _timer = _clock.after(_every, () => check(limit, limit));
  }

  /// The connection is gone.
  void stop() {
    _timer?.cancel();
    _timer = null;
    _check = null;
  }

  /// Asks now, and gives up after [limit]; later ones have [then].
  void check(Duration limit, Duration then) {
    stop();
    final check = _check = Object();
    final sentAt = _clock.nowMs;
    _ask(limit, (_, error) {
      if (!identical(_check, check)) return;
      final isSilent = error?.code == 'timeout' && _heardAt() <= sentAt;
      isSilent ? _died() : start(then);
    });
  }

  /// One was answered.
  void measured(double roundTripMs) {
    _roundTrips.addLast(roundTripMs);
    if (_roundTrips.length > _samples) _roundTrips.removeFirst();
  }
}
