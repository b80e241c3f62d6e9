import 'dart:async';

import 'exception.dart';

/// Takes back calls that are under way: give it to them, and call [cancel] when nobody waits for them any more.
///
/// They fail with the code `cancelled`; what was sent already may run all the same.
final class CancelToken {
  final _listeners = <void Function()>{};

  /// Whether it was.
  bool get isCancelled => _isCancelled;
  bool _isCancelled = false;

  /// Takes back all calls that it was given to, and those that it will be given to.
  void cancel() {
    if (_isCancelled) return;
    _isCancelled = true;
    for (final listener in _listeners.toList()) {
      listener();
    }
    _listeners.clear();
  }
}

/// For this package alone.
extension Cancelling on CancelToken? {
  /// Calls [listener] when it is taken back; gives what forgets it.
  void Function() onCancel(void Function() listener) {
    final token = this;
    if (token == null) return () {};
    if (token._isCancelled) {
      listener();
      return () {};
    }
    token._listeners.add(listener);
    return () => token._listeners.remove(listener);
  }

  /// Fails if it was taken back.
  void check() {
    if (this?._isCancelled ?? false) throw cancelled();
  }

  /// Waits for [future], or until this is taken back; the future goes on for others.
  Future<T> waitFor<T>(Future<T> future) {
    if (this == null) return future;
    final done = Completer<T>();
    final forget = onCancel(() {
      if (!done.isCompleted) done.completeError(cancelled());
    });
    future.then((value) {
      if (!done.isCompleted) done.complete(value);
    }, onError: (Object e, StackTrace stack) {
      if (!done.isCompleted) done.completeError(e, stack);
    });
    return done.future.whenComplete(forget);
  }
}

/// The error of a call that was taken back before it ran.
GodraException cancelled([Outcome outcome = Outcome.none]) =>
    UsageException('cancelled', 'The game took the call back', ErrorFacts(outcome: outcome));
