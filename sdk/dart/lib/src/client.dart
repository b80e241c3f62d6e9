import 'dart:async';
import 'dart:math';

import 'api.dart';
import 'auth.dart';
import 'cancel.dart';
import 'connection.dart';
import 'delivery.dart';
import 'dialer.dart';
import 'exception.dart';
import 'keeper.dart';
import 'lobby.dart';
import 'log.dart';
import 'options.dart';
import 'platform/platform.dart';
import 'room.dart';
import 'session.dart';
import 'tokens.dart';

/// A server, and one player on it: logins, rooms, and calls of scripts.
final class GodraClient {
  /// [baseUrl] is the server's, such as `https://example.com`, or with a path. Throws a [UsageException] for what is none.
  GodraClient(String baseUrl, {GodraOptions options = const GodraOptions()})
      : _options = options,
        _log = Log(options.log),
        _api = Api(baseUrl, options.http ?? openHttp(), options.clock, options.requestTimeout) {
    gameName(options.game);
    _tokens = Tokens(_api, Keeper(options.store, _log), options.clock, _onSession);
  }

  final GodraOptions _options;
  final Log _log;
  final Api _api;
  late final Tokens _tokens;
  late final Random _random = _options.random ?? Random();
  final _delivery = Delivery();
  final _rooms = <String, Room>{};

  /// How many wait for a room's join; the last one who gives up closes it.
  final _waiters = <Room, int>{};
  bool _isClosed = false;
  late final _sessions = Signal<Session?>(_guard);
  late final _sessionEnds = Signal<GodraException>(_guard);

  /// Logins.
  late final Auth auth = Auth(_api, _tokens, _options.game, () => [
        for (final room in _rooms.values)
          if (room.wasJoined) room.id,
      ]);

  /// Who is logged in; null for nobody.
  Session? get session => _tokens.session;

  /// Each new session, also after a refresh, and null at its end.
  Stream<Session?> get sessions => _sessions.stream;

  /// The login is over, not by the game's wish: show the login screen. Comes before the rooms end.
  Stream<GodraException> get sessionEnded => _sessionEnds.stream;

  /// Joins a lobby; gives the same room to who is in it already. With [prepare] the game listens before the connection is made. The
  /// room's `on_connect` gets the [options] at each connection: at most 1 KiB of JSON. Those of the first join count.
  Future<Room> join(
    String lobby, {
    void Function(Room room)? prepare,
    CancelToken? cancel,
    Map<String, Object?>? options,
  }) async {
    cancel.check();
    _checkOpen();
    final id = lobbyId(lobby, _options.game);
    final told = joinOptions(options);
    final room = _rooms[id] ??= _newRoom(id, told);
    _waiters.update(room, (count) => count + 1, ifAbsent: () => 1);
    try {
      prepare?.call(room);
      await cancel.waitFor(room.start());
      return room;
    } finally {
      final left = _waiters[room]! - 1;
      left == 0 ? _waiters.remove(room) : _waiters[room] = left;
      if (left == 0 && !room.wasJoined) unawaited(room.close());
      if (room.isOver) _forget(room);
    }
  }

  /// Makes a lobby by the stock script, and joins it.
  Future<Room> createRoom({
    int capacity = 4,
    Map<String, Object?>? settings,
    void Function(Room room)? prepare,
    CancelToken? cancel,
    Map<String, Object?>? options,
  }) async {
    final made = await rpc('create_lobby', args: [capacity, if (settings != null) settings], cancel: cancel);
    if (made is! String) throw const ProtocolException('bad_response', 'The answer of create_lobby is not an id');
    return join(made, prepare: prepare, cancel: cancel, options: options);
  }

  /// A page of the lobbies, the newest first, up to 100.
  Future<LobbyPage> listRooms({int limit = 20, String? cursor, CancelToken? cancel}) async {
    final result = await rpc('list_lobbies', args: [limit, if (cursor != null) cursor], cancel: cancel);
    try {
      return LobbyPage.read(result);
    } on FormatException catch (e) {
      throw ProtocolException('bad_response', 'The answer of list_lobbies ${e.message}');
    }
  }

  /// All lobbies, the newest first; asks for the next page when it is needed.
  Stream<LobbyInfo> rooms({int pageSize = 20}) async* {
    String? cursor;
    do {
      final page = await listRooms(limit: pageSize, cursor: cursor);
      yield* Stream.fromIterable(page.lobbies);
      cursor = page.cursor;
    } while (cursor != null);
  }

  /// Runs a script, and gives its result. [keys] say which room's data it gets, as `game:ID`. When the answer is lost, the call is
  /// not made again: it may have run, as the error's `outcome` tells.
  Future<Object?> rpc(
    String script, {
    List<Object?> args = const [],
    List<String>? keys,
    Duration? timeout,
    CancelToken? cancel,
  }) async {
    _checkOpen();
    final body = {'script': script, if (_options.game.isNotEmpty) 'game': _options.game, 'args': args, if (keys != null) 'keys': keys};
    final answer = await _tokens.use((token) => _api.post('api/rpc', body, token: token, cancel: cancel, timeout: timeout), cancel);
    if (answer.containsKey('result')) return answer['result'];
    throw const ProtocolException('bad_response', 'The answer to an RPC has no result', ErrorFacts(outcome: Outcome.unknown));
  }

  /// Tells all rooms that the app or the network is back, see [Room.checkNow].
  void checkNow() => _rooms.values.toList().forEach((room) => room.checkNow());

  /// Tells all rooms whether the device has a network, as `connectivity_plus` knows it: without one they make no attempts to come
  /// back, and with it again they try at once.
  void setOnline(bool isOnline) => _rooms.values.toList().forEach((room) => room.setOnline(isOnline: isOnline));

  /// Closes all rooms, and waits for their sockets: 2 s at most. Calls that are under way fail with `cancelled`. The session stays good, and can be gone on with if it was kept.
  Future<void> close() async {
    _isClosed = true;
    final closing = Future.wait([for (final room in _rooms.values.toList()) room.close()]);
    _api.close();
    await closing;
    _delivery.post(() {
      _sessions.close();
      _sessionEnds.close();
    });
  }

  void _checkOpen() {
    if (_isClosed) throw const UsageException('bad_request', 'The client is closed', ErrorFacts(outcome: Outcome.none));
  }

  Room _newRoom(String id, String? told) => Room(
        id,
        _Owner(this),
        _options,
        _delivery,
        _log,
        (listener) => Connection(_options, _random, _tokens, listener, RoomDialer(_api, id, told, _options.link ?? openLink)),
      );

  void _forget(Room room) {
    if (identical(_rooms[room.id], room)) _rooms.remove(room.id);
  }

  void _onSession(Session? session, GodraException? cause) {
    _delivery.post(() => _sessions.add(session));
    if (cause != null) _delivery.post(() => _sessionEnds.add(cause));
    if (session != null) return;
    final why = cause ?? const SessionException('session_ended', 'The game has ended the session');
    for (final room in _rooms.values.toList()) {
      room.endSession(why);
    }
  }

  void _guard(void Function() call) {
    try {
      call();
    } on Object catch (e, stack) {
      _log.error('a handler failed: $e\n$stack');
    }
  }
}

final class _Owner implements RoomOwner {
  _Owner(this._client);

  final GodraClient _client;

  @override
  void forget(Room room) => _client._forget(room);

  @override
  Future<void> leaveLobby(String roomId, CancelToken? cancel) async {
    try {
      await _client.rpc('leave_lobby', keys: ['game:$roomId'], cancel: cancel);
    } on GodraException catch (e) {
      // The lobby is no more: so nobody has a place in it.
      if (e.code != 'not_found') rethrow;
    }
  }
}
