import 'dart:async';

/// Time, as this package takes it; tests give another one.
abstract interface class Clock {
  /// Milliseconds on a clock that never jumps.
  double get nowMs;

  /// Milliseconds since 1970, as the device says.
  int get wallMs;

  /// Calls [callback] after [delay], unless the timer is cancelled.
  Timer after(Duration delay, void Function() callback);
}

/// The device's clock.
final class SystemClock implements Clock {
  /// There is one.
  const SystemClock();

  static final _watch = Stopwatch()..start();

  @override
  double get nowMs => _watch.elapsedMicroseconds / 1000;

  @override
  int get wallMs => DateTime.now().millisecondsSinceEpoch;

  @override
  Timer after(Duration delay, void Function() callback) => Timer(delay, callback);
}

/// A duration of milliseconds that need not be whole.
Duration ms(double milliseconds) => Duration(microseconds: (milliseconds * 1000).round());

/// The other way round.
extension Milliseconds on Duration {
  /// With what is behind the point.
  double get inMs => inMicroseconds / 1000;
}
