import 'dart:async';
import 'dart:collection';

/// Calls the game one call after the other, in order: what a handler causes comes after that handler, and never within it.
final class Delivery {
  final _waiting = Queue<void Function()>();
  bool _isRunning = false;

  /// Runs [call] now, or when those before it are done.
  void post(void Function() call) {
    _waiting.add(call);
    if (_isRunning) return;
    _isRunning = true;
    try {
      while (_waiting.isNotEmpty) {
        _waiting.removeFirst()();
      }
    } finally {
      _isRunning = false;
    }
  }
}

/// Runs a call of the game's, and keeps what it throws from others.
typedef Guard = void Function(void Function() call);

/// A stream of the game's to listen to. Listeners are called at once, in the order in which they came.
final class Signal<T> {
  /// With [replays], a new listener hears first what came last.
  Signal(this._guard, {this.replays = false});

  final Guard _guard;

  /// Whether the newest value is kept.
  final bool replays;

  /// What came last, if it is kept.
  T? get newest => _newest;
  T? _newest;
  bool _hasNewest = false;
  bool _isOver = false;

  /// Replaced when it changes, so that listeners may come and go while they are called.
  List<MultiStreamController<T>> _listeners = const [];

  /// Whether anybody listens.
  bool get hasListeners => _listeners.isNotEmpty;

  /// For the game.
  late final Stream<T> stream = _Guarded(Stream<T>.multi(_listen, isBroadcast: true), _guard);

  /// Tells all listeners.
  void add(T value) {
    if (_isOver) return;
    if (replays) {
      _newest = value;
      _hasNewest = true;
    }
    for (final listener in _listeners) {
      listener.addSync(value);
    }
  }

  /// Nothing more comes.
  void close() {
    if (_isOver) return;
    _isOver = true;
    final listeners = _listeners;
    _listeners = const [];
    for (final listener in listeners) {
      listener.closeSync();
    }
  }

  void _listen(MultiStreamController<T> listener) {
    if (_hasNewest) listener.add(_newest as T);
    if (_isOver) {
      unawaited(listener.close());
      return;
    }
    _listeners = [..._listeners, listener];
    listener.onCancel = () {
      _listeners = [
        for (final one in _listeners)
          if (!identical(one, listener)) one,
      ];
    };
  }
}

/// A stream whose listeners cannot break one another.
final class _Guarded<T> extends Stream<T> {
  _Guarded(this._source, this._guard);

  final Stream<T> _source;
  final Guard _guard;

  @override
  bool get isBroadcast => true;

  @override
  StreamSubscription<T> listen(void Function(T event)? onData, {Function? onError, void Function()? onDone, bool? cancelOnError}) {
    final guarded = onData == null ? null : (T value) => _guard(() => onData(value));
    return _source.listen(guarded, onError: onError, onDone: onDone, cancelOnError: cancelOnError);
  }
}
