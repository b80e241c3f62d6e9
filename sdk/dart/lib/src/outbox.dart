import 'dart:async';
import 'dart:math';

import 'backoff.dart';
import 'clock.dart';
import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'inputs.dart';
import 'pending.dart';

/// So many numbered inputs may wait for their answers.
const maxWaiting = 64;

/// So many are on their way at once: the server keeps the first answers to so many, for who asks again.
const maxUnderWay = 16;

/// With these the server says: not now. They have not run, or nobody knows.
const _notNow = {'busy', 'unavailable', 'rate_limited', 'out_of_order'};

/// Requests that run exactly once: numbered, kept until they are answered, and sent again by the next connection.
final class Outbox {
  /// [_send] tells whether a text was sent.
  Outbox(this._send, this._clock, this._random);

  final bool Function(String text) _send;
  final Clock _clock;
  final Random _random;

  /// Oldest first.
  final _waiting = <_Numbered>[];
  bool _isOpen = false;
  bool _isSupported = true;
  int _nextN = 1;
  String? _epoch;
  String? _user;
  int _refusals = 0;
  Timer? _retry;

  /// Takes a request, and answers it by whichever connection the answer comes.
  void add(int id, String action, String text, Duration? timeout, Answered answered) {
    if (!_isSupported) return answered(null, _unsupported(action, Outcome.none));
    if (_waiting.length >= maxWaiting) {
      return answered(null, inputError('queue_full', '$maxWaiting requests wait already: $action was not sent', Outcome.none));
    }
    final one = _Numbered(id, action, text, answered);
    if (timeout != null) one.timer = _clock.after(timeout, () => _timedOut(one, timeout));
    _waiting.add(one);
    _flush();
  }

  /// A connection is there: what waits goes out, the oldest first, with the numbers that it had.
  void welcome(Welcome welcome) {
    _isOpen = true;
    _isSupported = welcome.n != null;
    if (!_isSupported) return _failAll((_) => true, _unsupported);
    final user = welcome.me.userId;
    final isOther = _user != null && user != _user;
    if (isOther) end('The connection is another player\'s now');
    _failAll((one) => one.epoch != null && one.epoch != welcome.epoch, _disconnected('The server has lost the room\'s data'));
    final next = welcome.n! + 1;
    _nextN = isOther || welcome.epoch != _epoch ? next : max(_nextN, next);
    _epoch = welcome.epoch;
    _user = user;
    _flush();
  }

  /// The store lost its data while the connection holds. What is under way gets its answer, unless the connection goes, too.
  void epochIs(String epoch) => _epoch = epoch;

  /// The connection is gone.
  void lost() {
    _isOpen = false;
    _refusals = 0;
    _retry?.cancel();
    _retry = null;
    for (final one in _waiting) {
      one.isUnderWay = false;
    }
  }

  /// No connection will follow.
  void end(String why) => _failAll((_) => true, _disconnected(why));

  /// Whether this was an answer to a numbered request.
  bool settle(int? id, int? n, Object? result, GodraException? error) {
    final one = _waiting.where((one) => one.n != null && (one.id == id || one.n == n)).firstOrNull;
    // What was sent twice is answered twice.
    if (one == null) return n != null;
    if (error != null && _notNow.contains(error.code)) {
      _putOff(one);
      return true;
    }
    _remove(one);
    _refusals = 0;
    one.answer(result, error);
    _flush();
    return true;
  }

  /// Nobody waits for it any more. One that was sent stays, see [_timedOut].
  void forget(int id) {
    final one = _waiting.where((one) => one.id == id).firstOrNull;
    if (one != null && one.n == null) _remove(one);
  }

  void _flush() {
    if (!_isOpen || _retry != null) return;
    var underWay = _waiting.where((one) => one.isUnderWay).length;
    for (final one in _waiting.where((one) => !one.isUnderWay).toList()) {
      if (underWay >= maxUnderWay) return;
      if (!_sendOne(one)) return _retryLater();
      underWay++;
    }
  }

  bool _sendOne(_Numbered one) {
    final n = one.n ?? _nextN;
    if (!_send(withNumber(withNumber(one.text, 'id', one.id), 'n', n))) return false;
    one
      ..n = n
      ..epoch ??= _epoch
      ..isUnderWay = true;
    _nextN = max(_nextN, n + 1);
    return true;
  }

  /// What was sent behind it must not run before it, and the server refuses that, too: all of it goes again, in order.
  void _putOff(_Numbered refused) {
    for (final one in _waiting) {
      if (one.n != null && one.n! >= refused.n!) one.isUnderWay = false;
    }
    _retryLater();
  }

  void _retryLater() {
    if (_retry != null) return;
    _refusals++;
    _retry = _clock.after(retryDelay(_refusals, _random), () {
      _retry = null;
      _flush();
    });
  }

  /// One that was sent stays, unheard: it may have been refused, and then holds back all behind it until it comes again.
  void _timedOut(_Numbered one, Duration timeout) {
    if (one.n == null) _remove(one);
    one.answer(null, timedOut(one.action, timeout, one.outcome));
  }

  void _failAll(bool Function(_Numbered one) isMeant, GodraException Function(String action, Outcome outcome) errorOf) {
    for (final one in _waiting.where(isMeant).toList()) {
      _remove(one);
      one.answer(null, errorOf(one.action, one.outcome));
    }
  }

  void _remove(_Numbered one) {
    one.timer?.cancel();
    _waiting.remove(one);
  }

  static GodraException Function(String, Outcome) _disconnected(String why) => (action, outcome) =>
      inputError('disconnected', '$why: $action ${outcome == Outcome.none ? 'was not sent' : 'may have run, or not'}', outcome);

  static GodraException _unsupported(String action, Outcome outcome) =>
      inputError('unsupported', 'This server takes no numbered inputs: $action was not sent', outcome);
}

final class _Numbered {
  _Numbered(this.id, this.action, this.text, this._answered);

  final int id;
  final String action;
  final String text;
  final Answered _answered;

  /// Its number, once it has been sent.
  int? n;

  /// Of the store that may have run it.
  String? epoch;
  bool isUnderWay = false;
  Timer? timer;
  bool _isAnswered = false;

  Outcome get outcome => n == null ? Outcome.none : Outcome.unknown;

  void answer(Object? result, GodraException? error) {
    if (_isAnswered) return;
    _isAnswered = true;
    _answered(result, error);
  }
}
