import 'dart:async';

import 'clock.dart';
import 'errors.dart';
import 'exception.dart';

/// Hears of an answer: a result, or an error.
typedef Answered = void Function(Object? result, GodraException? error);

/// More requests than this do not wait at once.
const maxPending = 1024;

/// Requests that wait for the answer of this connection.
final class Pending {
  /// Empty.
  Pending(this._clock);

  final Clock _clock;
  final _waiting = <int, ({Answered answered, Timer timer})>{};

  /// Whether no more are taken.
  bool get isFull => _waiting.length >= maxPending;

  /// It was sent with [id].
  void add(int id, String action, Duration timeout, Answered answered) {
    final timer = _clock.after(timeout, () => settle(id, null, timedOut(action, timeout, Outcome.unknown)));
    _waiting[id] = (answered: answered, timer: timer);
  }

  /// Whether somebody waited for it.
  bool settle(int? id, Object? result, GodraException? error) {
    final one = _waiting.remove(id);
    if (one == null) return false;
    one.timer.cancel();
    one.answered(result, error);
    return true;
  }

  /// Nobody waits for it any more.
  void forget(int id) => _waiting.remove(id)?.timer.cancel();

  /// The connection is gone.
  void lost(String why) {
    final all = _waiting.values.toList();
    _waiting.clear();
    for (final one in all) {
      one.timer.cancel();
      one.answered(null, inputError('disconnected', why, Outcome.unknown));
    }
  }
}
