import 'dart:convert';

import 'exception.dart';
import 'json.dart';

/// A lobby in a list.
final class LobbyInfo {
  /// Made by this package.
  const LobbyInfo(this.raw);

  /// All that the script tells.
  final JsonMap raw;

  /// For `client.join`; as that of a room, without `game:`.
  String get id => (raw.text('id') ?? '').replaceFirst('game:', '');

  /// How many players are in it.
  int get members => raw.integer('members') ?? 0;

  /// How many may be.
  int get capacity => raw.integer('capacity') ?? 0;
}

/// A part of the list of lobbies.
final class LobbyPage {
  const LobbyPage._(this.lobbies, this.cursor);

  /// From the result of the stock script.
  static LobbyPage read(Object? result) {
    // Lua cannot tell an empty list from an empty object, so the script answers with JSON that it wrote itself.
    final page = JsonMap.of(result is String ? readJson(result) : result);
    final lobbies = page.list('lobbies');
    if (lobbies == null) throw const FormatException('has no list of lobbies');
    return LobbyPage._([for (final one in lobbies.whereType<Map<String, Object?>>()) LobbyInfo(JsonMap(one))], page.text('cursor'));
  }

  /// The newest first.
  final List<LobbyInfo> lobbies;

  /// For the next page; null on the last one.
  final String? cursor;
}

final _id = RegExp(r'^[A-Za-z0-9_-]{1,64}$');

final _game = RegExp(r'^[a-z][a-z0-9_-]{0,31}$');

/// [game] if a game may have that name; the default one's is empty. Fails with `bad_request`.
String gameName(String game) {
  if (game.isEmpty || _game.hasMatch(game)) return game;
  throw UsageException(
    'bad_request',
    'Not a game: "$game". A name is 1 to 32 of a-z, 0-9, _ and -, a letter first',
    const ErrorFacts(outcome: Outcome.none),
  );
}

/// The id of a lobby, with or without `game:` before it. In any [game] but the default one its name and `~` are in front, which may
/// be left out here.
String lobbyId(String given, String game) {
  final front = game.isEmpty ? '' : '$game~';
  final full = given.startsWith('game:') ? given.substring(5) : given;
  final id = full.startsWith(front) ? full.substring(front.length) : full;
  if (_id.hasMatch(id)) return '$front$id';
  throw UsageException(
    'bad_request',
    'Not a lobby: "$given". An id is 1 to 64 letters, digits, underscores and hyphens',
    const ErrorFacts(outcome: Outcome.none),
  );
}

/// Most bytes of what a room's script is told at a join.
const _maxOptions = 1024;

/// The JSON text of [options]; null for none. Fails with `bad_request` for what cannot be JSON or is too long.
String? joinOptions(Map<String, Object?>? options) {
  if (options == null) return null;
  try {
    final text = jsonEncode(options);
    if (utf8.encode(text).length <= _maxOptions) return text;
  } on JsonUnsupportedObjectError {
    // As if it were too long: the same call helps.
  }
  throw const UsageException(
    'bad_request',
    'The options of a join are an object of at most $_maxOptions bytes of JSON',
    ErrorFacts(outcome: Outcome.none),
  );
}
