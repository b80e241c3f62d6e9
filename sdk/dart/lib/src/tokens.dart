import 'dart:async';
import 'dart:math';

import 'api.dart';
import 'cancel.dart';
import 'claims.dart';
import 'clock.dart';
import 'exception.dart';
import 'json.dart';
import 'keeper.dart';
import 'session.dart';

/// So long before its end a token is refreshed, or a tenth of its time if that is less.
const _earlyMs = 60000.0;

/// The session: an access token, and a refresh token that is good once. It is refreshed when a call needs its token and that is
/// near its end, or was refused. Refreshes at the same time are one.
final class Tokens {
  /// [onChange] hears of every new session, and of null with the reason, if that was not the game's own wish.
  Tokens(this._api, this._keeper, this._clock, this._onChange);

  final Api _api;
  final Keeper _keeper;
  final Clock _clock;
  final void Function(Session? session, GodraException? cause) _onChange;

  /// Nobody is logged in without one.
  Session? get session => _session;
  Session? _session;
  double _freshUntil = 0;
  bool _isStale = false;
  bool _isOver = false;
  Future<void>? _refreshing;
  int _changes = 0;
  Future<void> _changing = Future.value();

  /// Whether another token can be had when this one is refused.
  bool get canRefresh => _session?.refreshToken != null;

  /// Whether a login, a logout or an upgrade of the game's is under way.
  bool get isChanging => _changes > 0;

  /// Whether there is another one than this by now.
  bool isReplaced(String? token) => _session != null && _session!.token != token;

  /// Whose token this is, if that can be told.
  String? userOf(String token) => _session?.token == token ? _session!.userId : userOfJwt(token);

  /// A token that is good for a while.
  Future<String> fresh([CancelToken? cancel]) async {
    // The game's own login or upgrade has the last word: what it ends must not be refreshed meanwhile.
    await cancel.waitFor(_changing);
    if (_isOver && _session != null) {
      const cause = SessionException('session_ended', 'The server says that the session is over');
      await end(_session!.token, cause);
      throw cause;
    }
    final wantsRefresh = canRefresh && (_isStale || _clock.nowMs >= _freshUntil);
    if (wantsRefresh) await refresh(cancel);
    return _session?.token ?? (throw notLoggedIn());
  }

  /// The token was refused, or its socket closed for it: the next call refreshes it first, unless that helps no more.
  void refused(String? token, {required bool isOver}) {
    if (_session == null || _session!.token != token) return;
    _isStale = true;
    _isOver |= isOver;
  }

  /// Makes a call with a fresh token; once more with a fresher one if the server itself refuses that.
  Future<T> use<T>(Future<T> Function(String token) call, [CancelToken? cancel]) async {
    final token = await fresh(cancel);
    try {
      return await call(token);
    } on GodraException catch (e) {
      if (e.status != 401 || e.outcome == Outcome.ran || !canRefresh) rethrow;
      refused(token, isOver: e.code == 'session_ended');
    }
    return call(await fresh(cancel));
  }

  /// Runs a login, a logout or an upgrade; tokens are given out again when it is done.
  Future<T> change<T>(Future<T> Function() run) {
    _changes++;
    final settled = Completer<void>();
    _changing = Future.wait([_changing, settled.future]);
    return Future.sync(run).whenComplete(() {
      _changes--;
      settled.complete();
    });
  }

  /// Gets a new pair of tokens. Goes on for others when one who waits gives up.
  Future<void> refresh([CancelToken? cancel]) async {
    final old = _session;
    if (old?.refreshToken == null) throw notLoggedIn();
    final running = _refreshing ??= _refresh(old!).whenComplete(() => _refreshing = null);
    await cancel.waitFor(running);
  }

  /// Begins with a new session, or goes on with one that was kept.
  Future<Session> begin(Session session, {bool isKept = false}) async {
    if (!isKept) await _keeper.save(session);
    _set(session, null);
    return session;
  }

  /// What a login's answer is for.
  Session sessionOf(JsonMap login) => Session.ofLogin(login, _clock.wallMs);

  /// The session that a run before has kept.
  Future<Session?> kept() => _keeper.load();

  /// Ends the session by the game's wish.
  Future<void> forget() async {
    _set(null, null);
    await _keeper.clear();
  }

  /// Ends the session, if it still is the one with that token.
  Future<void> end(String? token, GodraException cause) async {
    final ended = _session;
    if (ended == null || ended.token != token) return;
    _set(null, cause);
    // Whoever shares the store may have logged in anew meanwhile.
    final kept = await _keeper.load();
    if (kept == null || kept.token == token || kept.refreshToken == ended.refreshToken) await _keeper.clear();
  }

  Future<void> _refresh(Session old) => _keeper.locked(() async {
        // Another client that shares the store may have been faster.
        final kept = await _keeper.load();
        final isNewer = kept != null && kept.userId == old.userId && kept.refreshToken != old.refreshToken;
        if (isNewer && kept.expiresAtMs > _clock.wallMs) {
          if (identical(_session, old)) await begin(kept, isKept: true);
          return;
        }
        try {
          final login = await _present(old.refreshToken!);
          if (identical(_session, old)) await begin(sessionOf(login));
        } on GodraException catch (e) {
          if (e.status != 400 && e.status != 401 && e.status != 403) rethrow;
          final cause = SessionException('session_ended', 'The session is over: ${e.message}', ErrorFacts(status: e.status, cause: e));
          await end(old.token, cause);
          throw cause;
        }
      });

  /// The answer may be lost on its way: the server gives it a second time.
  Future<JsonMap> _present(String refreshToken) async {
    final body = {'refresh_token': refreshToken};
    try {
      return await _api.post('refresh', body);
    } on NetworkException catch (e) {
      if (e.status != null) rethrow;
      return _api.post('refresh', body);
    }
  }

  void _set(Session? next, GodraException? cause) {
    final before = _session;
    _session = next;
    _isStale = false;
    _isOver = false;
    if (next != null) _freshUntil = _clock.nowMs + _freshMs(next);
    if (!identical(before, next)) _onChange(next, cause);
  }

  /// By the time that is left rather than by the date, which a device may have wrong. Only a kept session has no other.
  double _freshMs(Session next) {
    final whole = next.expiresIn?.inMs;
    final left = (next.expiresAtMs - _clock.wallMs).toDouble();
    final good = whole == null ? left : min(left, whole);
    return good - min(_earlyMs, (whole ?? left) / 10);
  }
}

/// The error of a call that needs a session.
GodraException notLoggedIn() => const SessionException(
      'unauthorized',
      'Not logged in: call auth.ensure, auth.guest or auth.login first',
      ErrorFacts(outcome: Outcome.none),
    );
