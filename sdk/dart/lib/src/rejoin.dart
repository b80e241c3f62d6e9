import 'dart:async';
import 'dart:math';

import 'backoff.dart';
import 'clock.dart';
import 'close_codes.dart';
import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'options.dart';
import 'tokens.dart';

/// Whether a room comes back after an end or a refusal, and when.
final class Rejoin {
  /// Made by the connection.
  Rejoin(this._options, Random random, this._tokens) : _backoff = Backoff(_options.reconnect ?? const ReconnectOptions(), random);

  final GodraOptions _options;
  final Tokens _tokens;
  final Backoff _backoff;
  Timer? _timer;
  bool _isOffline = false;
  bool _hasRefreshed = false;

  /// How the outage began: what the game is told at its end.
  ({int code, String reason}) get first => _first;
  ({int code, String reason}) _first = (code: closedNormally, reason: '');

  /// With which the attempt that counts was made.
  String? usedToken;

  double get _now => _options.clock.nowMs;

  /// A welcome came.
  void opened() {
    _hasRefreshed = false;
    _backoff.opened(_now);
  }

  /// A connection that was open is lost.
  void lost(int code, String reason) {
    if (_backoff.lost(_now)) _first = (code: code, reason: reason);
    if (code == closedTokenExpired) _tokens.refused(usedToken, isOver: _isSessionOver(reason));
  }

  /// Whether another connection is to follow.
  bool followsClose(int code, String reason) {
    if (_options.reconnect == null || !comesBackAfter(code)) return false;
    // What an upgrade of the game's own ends, it replaces.
    if (code != closedTokenExpired || _tokens.isChanging || _tokens.isReplaced(usedToken)) return true;
    return _tokens.canRefresh && !_isSessionOver(reason);
  }

  /// An attempt failed. Whether one more is to be made at once, with a fresher token.
  bool wantsFresherToken(GodraException error) {
    if (!isTokenRefused(error)) {
      _backoff.failed(error);
      return false;
    }
    _tokens.refused(usedToken, isOver: error.code == 'session_ended');
    final wants = _tokens.canRefresh && !_hasRefreshed;
    _hasRefreshed = true;
    return wants;
  }

  /// Whether the session is what an attempt failed for.
  static bool isTokenRefused(GodraException error) => error.status == 401 || error.closeCode == closedTokenExpired;

  /// Whether another attempt is to follow one that failed.
  bool followsFailure(GodraException error) {
    final code = error.closeCode;
    if (code != null) return followsClose(code, '');
    return error.kind != ErrorKind.session && !isFinal(error);
  }

  /// Calls [dial] when it is time, but not while the device has no network; tells when that is.
  Reconnecting wait(int code, Duration? retryAfter, void Function() dial) {
    stop();
    final delay = ms(_backoff.next(_now, code, retryAfter));
    if (!_isOffline) _timer = _options.clock.after(delay, dial);
    return Reconnecting(_backoff.attempts, delay);
  }

  /// Nothing is waited for any more.
  void stop() => _timer?.cancel();

  /// The device has no network.
  void offline() {
    _isOffline = true;
    stop();
  }

  /// The network is back, or the app: what failed before says nothing any more.
  void restart() {
    stop();
    _isOffline = false;
    _backoff.restart(_now);
  }

  /// The device has a network again, or always had one.
  void online() => _isOffline = false;

  static bool _isSessionOver(String reason) => reason.startsWith('session_ended');
}
