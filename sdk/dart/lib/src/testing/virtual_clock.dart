import 'dart:async';

import '../clock.dart';

/// A clock that stands still until the test moves it.
final class VirtualClock implements Clock {
  /// Begins at [wallMs] since 1970.
  VirtualClock({int wallMs = 1800000000000}) : _beginMs = wallMs;

  final int _beginMs;
  final _timers = <_VirtualTimer>[];
  int _made = 0;

  @override
  double nowMs = 0;

  @override
  int get wallMs => _beginMs + nowMs.floor();

  /// How many timers wait.
  int get waiting => _timers.length;

  @override
  Timer after(Duration delay, void Function() callback) {
    final at = nowMs + (delay < Duration.zero ? 0 : delay.inMs);
    final timer = _VirtualTimer(at, _made++, callback, _timers.remove);
    _timers.add(timer);
    return timer;
  }

  /// Lets [time] pass: all that becomes due runs in its order, and what follows from it as well.
  Future<void> advance(Duration time) async {
    final end = nowMs + time.inMs;
    await settle();
    while (true) {
      final due = _timers.where((timer) => timer.at <= end).toList()..sort((a, b) => a.compareTo(b));
      if (due.isEmpty) break;
      nowMs = due.first.at > nowMs ? due.first.at : nowMs;
      due.first.fire();
      await settle();
    }
    nowMs = end;
  }

  /// Lets everything run that waits for no time.
  static Future<void> settle() async {
    for (var turn = 0; turn < 100; turn++) {
      await Future<void>.value();
    }
  }
}

final class _VirtualTimer implements Timer {
  _VirtualTimer(this.at, this._number, this._callback, this._forget);

  final double at;
  final int _number;
  final void Function() _callback;
  final void Function(_VirtualTimer timer) _forget;
  int _tick = 0;

  @override
  bool get isActive => _isActive;
  bool _isActive = true;

  @override
  int get tick => _tick;

  @override
  void cancel() {
    if (!_isActive) return;
    _isActive = false;
    _forget(this);
  }

  void fire() {
    cancel();
    _tick++;
    _callback();
  }

  int compareTo(_VirtualTimer other) => at == other.at ? _number.compareTo(other._number) : at.compareTo(other.at);
}
