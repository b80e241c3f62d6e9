import 'dart:async';
import 'dart:math';

import 'backoff.dart';
import 'clock.dart';
import 'close_codes.dart';
import 'conversation.dart';
import 'dial.dart';
import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'inbox.dart';
import 'link.dart';
import 'options.dart';
import 'tokens.dart';

/// Hears what a room's connection brings.
abstract interface class ConnectionListener {
  /// For the first time or again.
  void onConnected(Welcome welcome);

  /// Of one message, in order.
  void onEvents(List<GameEvent> events);

  /// Something failed that nobody awaits.
  void onError(GodraException error);

  /// Before each attempt to come back.
  void onReconnecting(Reconnecting next);

  /// Once for each connection that is lost; without coming back exactly once, as the last of all.
  void onDisconnected(Disconnected end);
}

/// Where it stands; an attempt or a timer that belongs to another phase counts no more.
enum _Phase { idle, dialing, open, waiting, left }

const _closedByClient = 'closed by the client';

/// The connection of one room: made, lost and made again, until it ends for good.
final class Connection implements DialListener, InboxListener {
  /// Nothing happens before [start].
  Connection(this._options, Random random, this._tokens, this._room, this._addressOf, this._open)
      : _backoff = Backoff(_options.reconnect ?? const ReconnectOptions(), random) {
    _joined.future.ignore();
    conversation = Conversation(
      _options,
      random,
      _sendNow,
      heardAt: () => _dial?.heardAt ?? 0,
      died: _died,
      listener: this,
    );
  }

  final GodraOptions _options;
  final Tokens _tokens;
  final ConnectionListener _room;
  final Uri Function(({String epoch, int since})? resume) _addressOf;
  final LinkOpener _open;
  final Backoff _backoff;
  final _joined = Completer<Welcome>();

  /// What is said in it.
  late final Conversation conversation;
  _Phase _phase = _Phase.idle;

  /// The attempt that counts.
  Dial? _dial;
  Timer? _timer;
  int _tokenAsks = 0;
  String? _usedToken;
  bool _hasRefreshed = false;
  bool _isOffline = false;
  bool _isLeaving = false;

  /// How the outage began.
  ({int code, String reason}) _lost = (code: closedNormally, reason: '');

  /// The newest one.
  Welcome? get welcome => _welcome;
  Welcome? _welcome;

  /// Done when the last socket is closed.
  Future<void> get closing => _closing;
  Future<void> _closing = Future.value();

  /// The first welcome, or why there was none.
  Future<Welcome> get joined => _joined.future;

  /// Whether it is over.
  bool get isOver => _phase == _Phase.left;

  /// Begins; only the first call counts.
  void start() {
    if (_phase == _Phase.idle) _dialNow();
  }

  /// Whether it was sent.
  bool send(String text) {
    final isSent = _sendNow(text);
    if (!isSent) conversation.stats.dropped++;
    return isSent;
  }

  /// The device says whether it has a network.
  void setOnline({required bool isOnline}) {
    _isOffline = !isOnline;
    isOnline ? checkNow() : _timer?.cancel();
  }

  /// The network is back, or the game: what was known of the connection may be old.
  void checkNow() {
    _isOffline = false;
    if (_phase == _Phase.open) conversation.checkNow();
    if (_phase != _Phase.waiting) return;
    _backoff.restart(_options.clock.nowMs);
    _dialNow();
  }

  /// The game gives up its place: whatever ends the connection from now on is what it wants.
  void leaving() => _isLeaving = true;

  /// Ends it by the game's wish, or, with a [cause], with the session.
  void close([GodraException? cause]) {
    final isOutage = cause != null && _phase != _Phase.open;
    isOutage ? _end(_lost.code, _lost.reason, cause) : _end(closedNormally, _closedByClient, cause);
  }

  @override
  void onText(String text, int bytes) {
    conversation.stats
      ..framesReceived += 1
      ..bytesReceived += bytes;
    conversation.inbox.read(text);
  }

  @override
  void onUnreadable(String why) => conversation.inbox.unreadable(why);

  @override
  void onEvents(List<GameEvent> events) => _room.onEvents(events);

  @override
  void onError(GodraException error) => _room.onError(error);

  @override
  void onWelcome(Welcome welcome) {
    _dial!.welcomed();
    _phase = _Phase.open;
    _hasRefreshed = false;
    _welcome = welcome;
    _backoff.opened(_options.clock.nowMs);
    conversation.welcome(welcome);
    _room.onConnected(welcome);
    if (!_joined.isCompleted) _joined.complete(welcome);
  }

  @override
  void onRefusal(GodraException error) {
    _drop(_isFirst ? closedNormally : closedToComeBack, error.code);
    _failed(error);
  }

  @override
  void onTimeout() {
    final why = 'No welcome from the server within ${_options.connectTimeout.inMilliseconds} ms';
    _drop(_isFirst ? closedNormally : closedToComeBack, 'no welcome in time');
    _failed(NetworkException('timeout', why));
  }

  @override
  void onEnd(LinkEnd end) {
    _dial = null;
    if (_phase == _Phase.open) return _lose(end.code, end.reason);
    _failed(errorOfEnd(end, _options.clock.wallMs));
  }

  bool get _isFirst => _welcome == null;

  bool _sendNow(String text) {
    if (_phase != _Phase.open || !(_dial?.send(text) ?? false)) return false;
    conversation.stats
      ..framesSent += 1
      ..bytesSent += text.length;
    return true;
  }

  void _dialNow() {
    _timer?.cancel();
    _phase = _Phase.dialing;
    final ask = ++_tokenAsks;
    bool counts() => _phase == _Phase.dialing && ask == _tokenAsks;
    _tokens.fresh().then((token) {
      if (counts()) _openWith(token);
    }, onError: (Object e) {
      if (counts()) _failed(e is GodraException ? e : NetworkException('unavailable', 'There is no token: $e'));
    });
  }

  void _openWith(String token) {
    final session = _tokens.session;
    final user = session?.token == token ? session!.userId : userOf(token);
    // What one player has seen is not what another may see.
    if (user != null && user != _welcome?.me.userId) conversation.position.forget();
    conversation.inbox.restart();
    _usedToken = token;
    final request = LinkRequest(
      _addressOf(conversation.position.resume),
      token,
      maxMessageBytes: _options.maxMessageBytes,
      maxBufferedBytes: _options.maxBufferedBytes,
    );
    _dial = Dial(this, _options.clock)..start(_open, request, _options.connectTimeout);
  }

  void _died() {
    const reason = 'no answer to a heartbeat';
    // 1006 may not be sent.
    _drop(closedToComeBack, reason);
    _lose(closedBroken, reason);
  }

  void _lose(int code, String reason) {
    if (_backoff.lost(_options.clock.nowMs)) _lost = (code: code, reason: reason);
    conversation.lost('The connection was lost ($code${reason.isEmpty ? '' : ': $reason'})');
    final isTokenVoid = code == closedTokenExpired;
    if (isTokenVoid) _tokens.refused(_usedToken, isOver: _isSessionOver(reason));
    if (_isLeaving) return _end(closedNormally, _closedByClient, null);
    if (_comesBack(code, reason)) return _comeBack(code, reason);
    isTokenVoid ? _endSession(errorOfClose(code, reason)) : _end(code, reason, errorOfClose(code, reason));
  }

  void _comeBack(int code, String reason) {
    final next = _retryLater(code, null);
    _room
      ..onDisconnected(Disconnected(code, reason, willReconnect: true))
      ..onReconnecting(next);
    // So that the end of a session is known before the first attempt, which waits for a while.
    if (code == closedTokenExpired) _tokens.fresh().ignore();
  }

  bool _comesBack(int code, String reason) {
    if (_options.reconnect == null || !comesBackAfter(code)) return false;
    // What an upgrade of the game's own ends, it replaces.
    if (code != closedTokenExpired || _tokens.isChanging || _tokens.isReplaced(_usedToken)) return true;
    return _tokens.canRefresh && !_isSessionOver(reason);
  }

  static bool _isSessionOver(String reason) => reason.startsWith('session_ended');

  Reconnecting _retryLater(int code, Duration? retryAfter) {
    _phase = _Phase.waiting;
    _timer?.cancel();
    final delay = ms(_backoff.next(_options.clock.nowMs, code, retryAfter));
    if (!_isOffline) _timer = _options.clock.after(delay, _dialNow);
    return Reconnecting(_backoff.attempts, delay);
  }

  /// An attempt failed.
  void _failed(GodraException error) {
    final isTokenRefused = error.status == 401 || error.closeCode == closedTokenExpired;
    if (isTokenRefused) _tokens.refused(_usedToken, isOver: error.code == 'session_ended');
    if (isTokenRefused && _tokens.canRefresh && !_hasRefreshed) {
      _hasRefreshed = true;
      return _dialNow();
    }
    _backoff.failed(error);
    if (_isLeaving) return _end(closedNormally, _closedByClient, null);
    if (isTokenRefused) return _endSession(error);
    if (_isFirst || _isOver(error)) return _end(_lost.code, _lost.reason, error);
    _room.onReconnecting(_retryLater(error.closeCode ?? closedBroken, error.retryAfter));
  }

  bool _isOver(GodraException error) {
    final code = error.closeCode;
    if (code != null) return !_comesBack(code, '');
    return error.kind == ErrorKind.session || isFinal(error);
  }

  /// No token of this session is taken any more. That is for all rooms, and first of all for the game.
  void _endSession(GodraException why) {
    _timer?.cancel();
    _phase = _Phase.waiting;
    final cause = SessionException(
      'session_ended',
      'The server takes no token of this session: ${why.message}',
      ErrorFacts(status: why.status, cause: why),
    );
    _tokens.end(_usedToken, cause).whenComplete(() => _end(_lost.code, _lost.reason, cause)).ignore();
  }

  void _drop(int code, String reason) {
    final dial = _dial;
    if (dial == null) return;
    _dial = null;
    _closing = dial.leave(code, reason);
  }

  void _end(int code, String reason, GodraException? cause) {
    if (_phase == _Phase.left) return;
    _phase = _Phase.left;
    _timer?.cancel();
    _drop(closedNormally, _closedByClient);
    conversation.end(cause?.message ?? 'The room was closed');
    if (!_isFirst) _room.onDisconnected(Disconnected(code, reason, willReconnect: false, cause: cause));
    if (!_joined.isCompleted) {
      _joined.completeError(cause ?? const UsageException('cancelled', 'The room was closed before it was joined'));
    }
  }
}
