import 'exception.dart';
import 'json.dart';

/// Something that happened in a room, as a script published it; or the type `snapshot`, with the room's whole state.
final class GameEvent {
  /// Made by this package, and by tests of games.
  const GameEvent(this.type, this.value, [this.seq]);

  /// What the script called it.
  final String type;

  /// What it tells: any JSON.
  final Object? value;

  /// Its number in the room; null if it has none.
  final int? seq;

  /// [value] as an object; an empty one if it is none.
  JsonMap get payload => JsonMap.of(value);

  @override
  String toString() => 'GameEvent($type, seq: $seq)';
}

/// Applies an event to a room's state, by changing [state].
typedef Reducer = void Function(JsonMap state, GameEvent event);

/// Who plays here.
final class Me {
  /// Made by this package, and by tests of games.
  const Me(this.userId, this.username, this.role);

  /// A decimal number for an account, `guest:` and more for a guest.
  final String userId;

  /// The name to show.
  final String username;

  /// `guest`, `player` or `manager`.
  final String role;
}

/// The server's first word on each connection.
final class Welcome {
  const Welcome._(this.raw, this.epoch, this.seq, this.syncInterval);

  /// All of it, as it came.
  final JsonMap raw;

  /// Changes when the store loses the room's history.
  final String? epoch;

  /// The number of the room's last event.
  final int? seq;

  /// How often the room sends.
  final Duration syncInterval;

  /// Whether the state was kept, and the missed events follow.
  bool get recovered => raw.flag('recovered') ?? false;

  /// The number of this player's last numbered input; null from a server that knows none.
  int? get n => wholeOf(raw['n']);

  /// The server's clock, in milliseconds since 1970.
  int? get nowMs => wholeOf(raw['now']);

  /// The room's state; null if it has none, or if the client kept it.
  Object? get state => raw['state'];

  /// The player of this connection.
  Me get me => Me(raw.text('user_id') ?? '', raw.text('username') ?? '', raw.text('role') ?? '');

  /// From a message's payload. Throws a [FormatException] for what is none.
  static Welcome read(Object? payload) {
    if (payload is! Map<String, Object?>) throw const FormatException('a welcome that is not an object');
    final raw = JsonMap(payload);
    final epoch = payload['epoch'];
    if (epoch is! String?) throw const FormatException('a welcome with an epoch that is not a text');
    final seq = wholeOf(payload['seq']);
    if (seq == null && payload['seq'] != null) throw const FormatException('a welcome with a seq that is not a whole number');
    final interval = (raw.number('sync_interval_ms') ?? 50).clamp(0, 60000).toDouble();
    final micros = interval.isNaN ? 50000 : (interval * 1000).round();
    return Welcome._(raw, epoch, seq, Duration(microseconds: micros));
  }
}

/// What a room's connection is, see `Room.connection`.
sealed class RoomConnection {
  const RoomConnection._();
}

/// The first connection is being made.
final class Joining extends RoomConnection {
  /// There is one.
  const Joining() : super._();
}

/// In the room, for the first time or again. Comes before the connection's first event.
final class Joined extends RoomConnection {
  /// Made by this package, and by tests of games.
  const Joined(this.welcome) : super._();

  /// What the server said.
  final Welcome welcome;
}

/// Comes before each attempt to come back.
final class Reconnecting extends RoomConnection {
  /// Made by this package, and by tests of games.
  const Reconnecting(this.attempt, this.delay) : super._();

  /// Its number in this outage, from 1.
  final int attempt;

  /// The time until it.
  final Duration delay;
}

/// A connection is lost.
final class Disconnected extends RoomConnection {
  /// Made by this package, and by tests of games.
  const Disconnected(this.code, this.reason, {required this.willReconnect, this.cause}) : super._();

  /// The WebSocket's close code; 1006 for an end without one.
  final int code;

  /// What the server said besides.
  final String reason;

  /// False exactly once in the life of a room that was joined: that is the end.
  final bool willReconnect;

  /// Why it is the end, if not by the game's wish.
  final GodraException? cause;
}

/// Counts of a room, over all its connections.
final class RoomStats {
  /// Bytes of messages from the server.
  int bytesReceived = 0;

  /// Bytes of messages to it.
  int bytesSent = 0;

  /// Messages from the server.
  int framesReceived = 0;

  /// Messages to it.
  int framesSent = 0;

  /// Events of the room.
  int events = 0;

  /// Connections after the first.
  int reconnects = 0;

  /// Inputs that were not sent, as there was no connection or the network was too slow.
  int dropped = 0;

  /// Messages that could not be read.
  int badMessages = 0;

  /// How often the whole state was asked for, after a message that could not be read.
  int resyncs = 0;

  /// All of them as they are now.
  RoomStats copy() => RoomStats()
    ..bytesReceived = bytesReceived
    ..bytesSent = bytesSent
    ..framesReceived = framesReceived
    ..framesSent = framesSent
    ..events = events
    ..reconnects = reconnects
    ..dropped = dropped
    ..badMessages = badMessages
    ..resyncs = resyncs;
}
