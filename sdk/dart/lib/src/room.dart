import 'dart:async';

import 'cancel.dart';
import 'clock.dart';
import 'connection.dart';
import 'connection_listener.dart';
import 'conversation.dart';
import 'delivery.dart';
import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'inputs.dart';
import 'json.dart';
import 'log.dart';
import 'options.dart';
import 'replica.dart';
import 'stage.dart';
import 'stats.dart';

/// What a room asks of its client.
abstract interface class RoomOwner {
  /// Ends the player's place in the room on the server.
  Future<void> leaveLobby(String roomId, CancelToken? cancel);

  /// The room is over: joining again makes another one.
  void forget(Room room);
}

/// One lobby, and one WebSocket. Lives through reconnects, until it is left, closed, or ended by the server.
final class Room {
  /// Made by the client.
  Room(this.id, this._owner, this._options, Delivery delivery, Log log, Connection Function(ConnectionListener) connect)
      : _replica = Replica(_options.reducers) {
    _stage = Stage(id, _replica, delivery, log, _options.clock, onOver: () => _owner.forget(this));
    _connection = connect(_stage);
  }

  /// The lobby's, without `game:`.
  final String id;

  final RoomOwner _owner;
  final GodraOptions _options;
  final Replica _replica;
  late final Stage _stage;
  late final Connection _connection;
  Conversation get _conversation => _connection.conversation;

  /// The server's newest first word. Throws a [StateError] before the room is joined.
  Welcome get welcome => _connection.welcome ?? (throw StateError('The room $id is not joined yet'));

  /// Who plays here. Throws a [StateError] before the room is joined.
  Me get me => welcome.me;

  /// What the connection is now.
  RoomConnection get connectionState => _stage.connection.newest ?? const Joining();

  /// What the connection becomes; a new listener hears first what it is. Ends with the room.
  Stream<RoomConnection> get connection => _stage.connection.stream;

  /// The room as this client knows it: never written by the game, but by its reducers. An empty object if the state is none.
  JsonMap get state => _replica.map;

  /// The same, also where it is no object.
  Object? get rawState => _replica.value;

  /// [state] whenever it may have changed, once for a message of the server's at most; each time another object.
  Stream<JsonMap> get states => _stage.states.stream;

  /// All events in order, also `snapshot`.
  Stream<GameEvent> get events => _stage.events.stream;

  /// The events of one type.
  Stream<GameEvent> on(String type) => _stage.on(type);

  /// What failed and nobody awaits; logged where nobody listens.
  Stream<GodraException> get errors => _stage.errors.stream;

  /// The median round trip of the last heartbeats; null before the first.
  Duration? get latency => _conversation.latency;

  /// The server's clock; null without a connection.
  DateTime? get serverTime => _conversation.serverTime;

  /// How often the room sends.
  Duration get syncInterval => _connection.welcome?.syncInterval ?? const Duration(milliseconds: 50);

  /// Counts over all connections.
  RoomStats get stats => _conversation.stats.copy();

  /// Keeps [state] up to date: each reducer applies the events of its type, before the game's listeners hear of them. A reducer
  /// takes the place of one of the same type. Give them to `client.join`, or to the options, so that no event comes before.
  void reduce(Map<String, Reducer> reducers) => _replica.reduce(reducers);

  /// Sends an input now, or not at all: false if there is no connection, or the network is too slow.
  bool send(String action, [Object? payload]) => _connection.send(inputText(action, payload));

  /// Sends an input of which only the newest counts, such as a position: at most one in [syncInterval] and [key] (by default the
  /// action). The last one goes out for sure, if need be after a reconnect that takes less than a second.
  void sendLatest(String action, Object? payload, {String? key}) {
    final text = inputText(action, payload);
    if (!_connection.isOver) _conversation.sendLatest(key ?? action, text);
  }

  /// Sends an input, and gives what its script answers, or throws a [GodraException]. Its `outcome` tells whether the script ran.
  ///
  /// With [once] it runs exactly once, also over a reconnect, and waits for a connection: 64 may wait, and without a [timeout] they
  /// wait for as long as the room lives. Without [once] it fails at once when there is no connection, or when that is lost.
  Future<Object?> request(String action, Object? payload, {bool once = false, Duration? timeout, CancelToken? cancel}) async {
    cancel.check();
    if (_connection.isOver) throw notSent(action);
    final done = Completer<Object?>();
    void answered(Object? result, GodraException? error) {
      if (done.isCompleted) return;
      error == null ? done.complete(result) : done.completeError(error);
    }

    final number = _conversation.request(action, payload, timeout, answered, once: once);
    final forget = cancel.onCancel(() {
      _conversation.forget(number);
      answered(null, cancelled(Outcome.unknown));
    });
    try {
      return await done.future;
    } finally {
      forget();
    }
  }

  /// The round trip to the server now.
  Future<Duration> ping() {
    final done = Completer<Duration>();
    final (clock, sentAt) = (_options.clock, _options.clock.nowMs);
    _conversation.ping(_options.requestTimeout, (_, error) {
      error == null ? done.complete(ms(clock.nowMs - sentAt)) : done.completeError(error);
    });
    return done.future;
  }

  /// Asks at once whether the connection still lives, and tries at once to come back. Call it when the app comes to the front.
  void checkNow() => _connection.checkNow();

  /// Gives up the player's place in the lobby, and closes. Fails if the server could not be told; the room is closed all the same.
  Future<void> leave({CancelToken? cancel}) async {
    if (_connection.isOver) return;
    // The server ends the connection of who has left: that is no kick.
    _connection.leaving();
    try {
      await _owner.leaveLobby(id, cancel);
    } finally {
      await close();
    }
  }

  /// Closes the connection for good; the player's place is kept for as long as the server keeps it. No event follows. Done when the
  /// socket is closed.
  Future<void> close() {
    _stage.silence();
    _connection.close();
    return _connection.closing;
  }
}

/// What only this package does with a room.
extension RoomInternals on Room {
  /// Begins to join; only the first call counts.
  Future<Welcome> start() {
    _connection.start();
    return _connection.joined;
  }

  /// Whether it is over.
  bool get isOver => _connection.isOver;

  /// Whether it was joined.
  bool get wasJoined => _connection.welcome != null;

  /// The session is over, and the room with it.
  void endSession(GodraException cause) => _connection.close(cause);

  /// See `GodraClient.setOnline`.
  void setOnline({required bool isOnline}) => _connection.setOnline(isOnline: isOnline);
}
