import 'clock.dart';
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
    if (payload is! Map<String, Object?>) throw const FormatException('it is not an object');
    final raw = JsonMap(payload);
    void check(String name, String what, bool isRight) {
      if (!isRight) throw FormatException('its $name is not $what');
    }

    check('user_id', 'a text', raw.text('user_id') != null);
    check('epoch', 'a text', raw['epoch'] is String?);
    check('recovered', 'a truth value', raw['recovered'] is bool?);
    check('seq', 'a whole number', raw['seq'] == null || wholeOf(raw['seq']) != null);
    check('n', 'a whole number', raw['n'] == null || wholeOf(raw['n']) != null);
    final interval = (raw.number('sync_interval_ms') ?? 50).clamp(0, 60000).toDouble();
    return Welcome._(raw, raw.text('epoch'), wholeOf(raw['seq']), ms(interval));
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

  @override
  String toString() => 'Joining()';
}

/// In the room, for the first time or again. Comes before the connection's first event.
final class Joined extends RoomConnection {
  /// Made by this package, and by tests of games.
  const Joined(this.welcome) : super._();

  /// What the server said.
  final Welcome welcome;

  @override
  String toString() => 'Joined(recovered: ${welcome.recovered})';
}

/// Comes before each attempt to come back.
final class Reconnecting extends RoomConnection {
  /// Made by this package, and by tests of games.
  const Reconnecting(this.attempt, this.delay) : super._();

  /// Its number in this outage, from 1.
  final int attempt;

  /// The time until it.
  final Duration delay;

  @override
  String toString() => 'Reconnecting($attempt, $delay)';
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

  @override
  String toString() => 'Disconnected($code, "$reason", willReconnect: $willReconnect, cause: $cause)';
}
