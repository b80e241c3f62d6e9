import 'dart:async';

import 'clock.dart';
import 'pending.dart';

const _first = Duration(seconds: 1);
const _longest = Duration(minutes: 1);

/// Asks the server for the whole state after something came that cannot be read: once a second at most, and less and less often
/// while no snapshot comes.
final class Resync {
  /// [_ask] sends the question.
  Resync(this._clock, this._ask);

  final Clock _clock;
  final void Function(Answered answered) _ask;
  Duration _pause = _first;
  bool _isWanted = false;
  Timer? _timer;

  /// Asks now, or as soon as it may.
  void want() {
    _isWanted = true;
    if (_timer == null) _askNow();
  }

  /// A snapshot came, which holds what was lost.
  void done() {
    _isWanted = false;
    _pause = _first;
  }

  /// The connection is gone; the next one brings the whole state anyway.
  void stop() {
    done();
    _timer?.cancel();
    _timer = null;
  }

  void _askNow() {
    _isWanted = false;
    _timer = _clock.after(_pause, () {
      _timer = null;
      if (_isWanted) _askNow();
    });
    _pause = _pause * 2 > _longest ? _longest : _pause * 2;
    _ask((_, error) {
      if (error == null || (error.code != 'rate_limited' && error.code != 'busy')) return;
      _timer == null ? want() : _isWanted = true;
    });
  }
}
