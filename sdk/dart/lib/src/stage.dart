import 'clock.dart';
import 'connection_listener.dart';
import 'delivery.dart';
import 'events.dart';
import 'exception.dart';
import 'json.dart';
import 'log.dart';
import 'replica.dart';

/// What the game hears of a room, and in which order.
final class Stage implements ConnectionListener {
  /// [_onOver] is called before the game hears of the end.
  Stage(this._id, this._replica, this._delivery, this._log, this._clock, {required void Function() onOver}) : _onOver = onOver;

  final String _id;
  final Replica _replica;
  final Delivery _delivery;
  final Log _log;
  final Clock _clock;
  final void Function() _onOver;

  /// See `Room.connection`.
  late final connection = Signal<RoomConnection>(_guard, replays: true);

  /// See `Room.events`.
  late final events = Signal<GameEvent>(_guardSilent);

  /// See `Room.errors`.
  late final errors = Signal<GodraException>(_guardErrors);

  /// See `Room.states`.
  late final states = Signal<JsonMap>(_guardSilent);
  final _types = <String, Signal<GameEvent>>{};
  bool _isSilent = false;
  bool _isOver = false;

  /// What waits until the game had the time to listen, after the first welcome.
  List<void Function()>? _held;
  bool _wasConnected = false;

  /// See `Room.on`.
  Stream<GameEvent> on(String type) {
    final signal = _types[type] ??= Signal<GameEvent>(_guardSilent);
    if (_isOver) signal.close();
    return signal.stream;
  }

  /// The game has closed the room: it hears of its end, and of nothing else.
  void silence() => _isSilent = true;

  @override
  void onConnected(Welcome welcome) {
    void tell() {
      if (_isSilent) return;
      _replica.welcome(welcome);
      connection.add(Joined(welcome));
      if (!welcome.recovered) _tellState();
    }

    _post(tell);
    if (_wasConnected) return;
    _wasConnected = true;
    // What comes next waits until those who wait for the join have registered their listeners: a turn of the event loop.
    _held = [];
    _clock.after(Duration.zero, _release);
  }

  @override
  void onEvents(List<GameEvent> events) => _post(() {
        var isChanged = false;
        for (final event in events) {
          if (_isSilent) return;
          _guard(() => isChanged |= _replica.apply(event));
          this.events.add(event);
          _types[event.type]?.add(event);
        }
        if (isChanged && !_isSilent) _tellState();
      });

  @override
  void onReconnecting(Reconnecting next) => _post(() {
        _log.info('room $_id: attempt ${next.attempt} in ${next.delay.inMilliseconds} ms');
        if (!_isSilent) connection.add(next);
      });

  @override
  void onDisconnected(Disconnected end) {
    if (!end.willReconnect) _onOver();
    _post(() {
      _log.info('room $_id: disconnected (${end.code} ${end.reason})');
      if (!_isSilent || !end.willReconnect) connection.add(end);
      if (!end.willReconnect) close();
    });
  }

  @override
  void onError(GodraException error) => _post(() => _tellError(error));

  /// All streams end.
  void close() {
    _isOver = true;
    connection.close();
    events.close();
    states.close();
    errors.close();
    for (final signal in _types.values) {
      signal.close();
    }
  }

  void _post(void Function() call) {
    final held = _held;
    held == null ? _delivery.post(call) : held.add(call);
  }

  void _release() {
    final held = _held;
    _held = null;
    held?.forEach(_delivery.post);
  }

  void _tellState() {
    if (states.hasListeners) states.add(_replica.copy());
  }

  void _tellError(GodraException error) {
    if (_isSilent) return;
    if (!errors.hasListeners) _log.warning('room $_id: ${error.code}: ${error.message}');
    errors.add(error);
  }

  void _guard(void Function() call) {
    try {
      call();
    } on Object catch (e, stack) {
      _log.error('room $_id: a handler failed: $e\n$stack');
      errors.add(UsageException('handler_failed', 'A handler of the game failed: $e', ErrorFacts(cause: e)));
    }
  }

  /// A handler that comes after one that closed the room is not called.
  void _guardSilent(void Function() call) {
    if (!_isSilent) _guard(call);
  }

  void _guardErrors(void Function() call) {
    try {
      if (!_isSilent) call();
    } on Object catch (e, stack) {
      _log.error('room $_id: a handler of errors failed: $e\n$stack');
    }
  }
}
