import 'dart:async';
import 'dart:math';

import 'close_codes.dart';
import 'connection_listener.dart';
import 'conversation.dart';
import 'dial.dart';
import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'inbox.dart';
import 'link.dart';
import 'options.dart';
import 'rejoin.dart';
import 'stats.dart';
import 'tokens.dart';

/// Where a connection stands. What an attempt or a timer of an earlier phase still brings counts no more.
enum _Phase { idle, dialing, open, waiting, left }

const _closedByClient = 'closed by the client';

/// What a connection needs of its client.
abstract interface class Dialer {
  /// The address of the room, to go on from [resume].
  Uri addressOf(({String epoch, int since})? resume);

  /// Opens a socket.
  Link open(LinkRequest request, LinkListener listener);

  /// Why a socket did not open whose platform does not tell.
  Future<GodraException> explain();
}

/// The connection of one room: made, lost and made again, until it ends for good.
final class Connection implements DialListener, InboxListener {
  /// Nothing happens before [start].
  Connection(this._options, Random random, this._tokens, this._room, this._dialer) : _rejoin = Rejoin(_options, random, _tokens) {
    _joined.future.ignore();
    conversation = Conversation(_options, random, _sendNow, heardAt: () => _dial?.heardAt ?? 0, died: _died, listener: this);
  }

  final GodraOptions _options;
  final Tokens _tokens;
  final ConnectionListener _room;
  final Dialer _dialer;
  final Rejoin _rejoin;
  final _joined = Completer<Welcome>();

  /// What is said in it.
  late final Conversation conversation;
  _Phase _phase = _Phase.idle;

  /// Counts attempts: what is asked for one of them is for no other.
  int _attempt = 0;
  Dial? _dial;
  bool _isLeaving = false;

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

  bool get _isFirst => _welcome == null;

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
  void setOnline({required bool isOnline}) => isOnline ? checkNow() : _rejoin.offline();

  /// The network is back, or the app: what was known of the connection may be old.
  void checkNow() {
    _rejoin.online();
    if (_phase == _Phase.open) conversation.checkNow();
    if (_phase != _Phase.waiting) return;
    _rejoin.restart();
    _dialNow();
  }

  /// The game gives up its place: whatever ends the connection from now on is what it wants.
  void leaving() => _isLeaving = true;

  /// Ends it by the game's wish, or, with a [cause], with the session.
  void close([GodraException? cause]) {
    final isOutage = cause != null && _phase != _Phase.open;
    isOutage ? _endOutage(cause) : _end(closedNormally, _closedByClient, cause);
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
    _welcome = welcome;
    _rejoin.opened();
    conversation.welcome(welcome);
    _room.onConnected(welcome);
    if (!_joined.isCompleted) _joined.complete(welcome);
  }

  @override
  void onRefusal(GodraException error) => _giveUp(error);

  @override
  void onTimeout() =>
      _giveUp(NetworkException('timeout', 'No welcome from the server within ${_options.connectTimeout.inMilliseconds} ms'));

  @override
  void onEnd(LinkEnd end) {
    _dial = null;
    if (_phase == _Phase.open) return _lost(end.code, end.reason);
    if (end.kind != LinkEndKind.hidden) return _failed(errorOfEnd(end, _options.clock.wallMs));
    final attempt = _attempt;
    _dialer.explain().then((error) {
      if (_counts(attempt)) _failed(error);
    }).ignore();
  }

  bool _counts(int attempt) => _phase == _Phase.dialing && attempt == _attempt;

  bool _sendNow(String text) {
    if (_phase != _Phase.open || !(_dial?.send(text) ?? false)) return false;
    conversation.stats.sent(text);
    return true;
  }

  void _dialNow() {
    _rejoin.stop();
    _phase = _Phase.dialing;
    final attempt = ++_attempt;
    _tokens.fresh().then((token) {
      if (_counts(attempt)) _dialWith(token);
    }, onError: (Object e) {
      if (_counts(attempt)) _failed(e is GodraException ? e : NetworkException('unavailable', 'There is no token: $e'));
    });
  }

  void _dialWith(String token) {
    final user = _tokens.userOf(token);
    // What one player has seen is not what another may see.
    if (user != null && user != _welcome?.me.userId) conversation.position.forget();
    conversation.inbox.restart();
    _rejoin.usedToken = token;
    final request = LinkRequest(
      _dialer.addressOf(conversation.position.resume),
      token,
      maxMessageBytes: _options.maxMessageBytes,
      maxBufferedBytes: _options.maxBufferedBytes,
    );
    _dial = Dial(this, _options.clock)..start(_dialer.open, request, _options.connectTimeout);
  }

  void _died() {
    const reason = 'no answer to a heartbeat';
    // 1006 may not be sent.
    _drop(closedToComeBack, reason);
    _lost(closedBroken, reason);
  }

  void _lost(int code, String reason) {
    _rejoin.lost(code, reason);
    conversation.lost('The connection was lost ($code${reason.isEmpty ? '' : ': $reason'})');
    if (_isLeaving) return _end(closedNormally, _closedByClient, null);
    if (_rejoin.followsClose(code, reason)) return _comeBack(code, reason);
    final error = errorOfClose(code, reason);
    code == closedTokenExpired ? _endSession(error) : _end(code, reason, error);
  }

  void _comeBack(int code, String reason) {
    final next = _wait(code, null);
    _room
      ..onDisconnected(Disconnected(code, reason, willReconnect: true))
      ..onReconnecting(next);
    // So that the end of a session is known before the first attempt, which waits for a while.
    if (code == closedTokenExpired) _tokens.fresh().ignore();
  }

  Reconnecting _wait(int code, Duration? retryAfter) {
    _phase = _Phase.waiting;
    return _rejoin.wait(code, retryAfter, _dialNow);
  }

  void _giveUp(GodraException error) {
    // The code tells the room whether the player's place is to be kept.
    _drop(_isFirst ? closedNormally : closedToComeBack, error.code);
    _failed(error);
  }

  /// An attempt failed.
  void _failed(GodraException error) {
    if (_isLeaving) return _end(closedNormally, _closedByClient, null);
    if (_rejoin.wantsFresherToken(error)) return _dialNow();
    if (Rejoin.isTokenRefused(error)) return _endSession(error);
    if (_isFirst || !_rejoin.followsFailure(error)) return _endOutage(error);
    _room.onReconnecting(_wait(error.closeCode ?? closedBroken, error.retryAfter));
  }

  /// No token of this session is taken any more. That is for all rooms, and first of all for the game.
  void _endSession(GodraException why) {
    _rejoin.stop();
    _phase = _Phase.waiting;
    final text = 'The server takes no token of this session: ${why.message}';
    final cause = SessionException('session_ended', text, ErrorFacts(status: why.status, cause: why));
    _tokens.end(_rejoin.usedToken, cause).whenComplete(() => _endOutage(cause)).ignore();
  }

  void _endOutage(GodraException cause) => _end(_rejoin.first.code, _rejoin.first.reason, cause);

  void _drop(int code, String reason) {
    final dial = _dial;
    if (dial == null) return;
    _dial = null;
    _closing = dial.leave(code, reason);
  }

  void _end(int code, String reason, GodraException? cause) {
    if (_phase == _Phase.left) return;
    _phase = _Phase.left;
    _rejoin.stop();
    _drop(closedNormally, _closedByClient);
    conversation.end(cause?.message ?? 'The room was closed');
    if (!_isFirst) _room.onDisconnected(Disconnected(code, reason, willReconnect: false, cause: cause));
    if (!_joined.isCompleted) _joined.completeError(cause ?? cancelledJoin);
  }

  /// The game closed the room that it waited for.
  static const cancelledJoin = UsageException('cancelled', 'The room was closed before it was joined');
}
