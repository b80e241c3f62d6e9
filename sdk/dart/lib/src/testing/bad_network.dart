import 'dart:async';
import 'dart:collection';
import 'dart:math';

import '../clock.dart';
import '../link.dart';
import '../platform/platform.dart';

/// A bad network, for trying out a game: the option `link` of a client.
///
/// [latency] comes to each round trip, and up to [jitter] more. About every [dropEvery] the connection breaks. What is late is
/// never overtaken. No part of what players load.
LinkOpener badNetwork({
  Duration latency = Duration.zero,
  Duration jitter = Duration.zero,
  Duration? dropEvery,
  Clock clock = const SystemClock(),
  Random? random,
  LinkOpener over = openLink,
}) {
  final chance = random ?? Random();
  _Way way() => _Way(clock, () => latency.inMs / 2 + chance.nextDouble() * jitter.inMs / 2);
  return (request, listener) {
    final bad = _BadLink(listener, way(), way());
    bad._link = over(request, bad);
    if (dropEvery != null) bad._timer = clock.after(dropEvery * (0.5 + chance.nextDouble()), bad._break);
    return bad;
  };
}

final class _BadLink implements Link, LinkListener {
  _BadLink(this._listener, this._out, this._back);

  final LinkListener _listener;
  final _Way _out;
  final _Way _back;
  late final Link _link;
  Timer? _timer;
  bool _isOver = false;

  @override
  bool send(String text) {
    if (!_isOver) _out.add(() => _link.send(text));
    return !_isOver;
  }

  @override
  Future<void> close(int code, String reason) {
    _end();
    return _link.close(code, reason);
  }

  @override
  void opened() => _later(_listener.opened);

  @override
  void heard() => _later(_listener.heard);

  @override
  void received(String text, int bytes) => _later(() => _listener.received(text, bytes));

  @override
  void unreadable(String why) => _later(() => _listener.unreadable(why));

  @override
  void ended(LinkEnd end) => _later(() {
        _end();
        _listener.ended(end);
      });

  void _break() {
    _end();
    unawaited(_link.close(4000, 'simulated'));
    _listener.ended(const LinkEnd(1006, 'simulated'));
  }

  void _later(void Function() tell) => _back.add(() {
        if (!_isOver) tell();
      });

  void _end() {
    _isOver = true;
    _timer?.cancel();
    _out.clear();
    _back.clear();
  }
}

/// One direction.
final class _Way {
  _Way(this._clock, this._delayMs);

  final Clock _clock;
  final double Function() _delayMs;
  final _timers = Queue<Timer>();
  final _waiting = Queue<void Function()>();
  double _lastAt = 0;

  void add(void Function() arrive) {
    _lastAt = max(_lastAt, _clock.nowMs + _delayMs());
    _waiting.add(arrive);
    // Timers of one moment need not come in order; what they let through does.
    _timers.add(_clock.after(ms(_lastAt - _clock.nowMs), () {
      if (_timers.isNotEmpty) _timers.removeFirst();
      if (_waiting.isNotEmpty) _waiting.removeFirst()();
    }));
  }

  void clear() {
    for (final timer in _timers) {
      timer.cancel();
    }
    _timers.clear();
    _waiting.clear();
  }
}
