import 'dart:convert';

import 'session.dart';

/// Keeps a session between two runs of the game. A store that fails ends no game: it is logged.
abstract interface class SessionStore {
  /// The session that was saved last; null without one.
  Future<Session?> load();

  /// Takes the place of the one before. It is awaited before the session is used.
  Future<void> save(Session session);

  /// Forgets it.
  Future<void> clear();
}

/// A store that several programs share, such as a file.
abstract interface class SharedSessionStore implements SessionStore {
  /// Waits until no other program is within; gives what lets the next one in. A refresh goes on without it after some seconds.
  Future<Future<void> Function()> lock();
}

/// Keeps the session as long as the program runs: for several clients of one player.
final class MemorySessionStore implements SessionStore {
  /// Empty, or with a session to go on with.
  MemorySessionStore([this._session]);

  Session? _session;

  @override
  Future<Session?> load() async => _session;

  @override
  Future<void> save(Session session) async => _session = session;

  @override
  Future<void> clear() async => _session = null;
}

/// Keeps the session wherever the game does, such as `flutter_secure_storage`, as one text:
///
/// ```dart
/// final store = CallbackSessionStore(
///   load: () => storage.read(key: 'session'),
///   save: (text) => storage.write(key: 'session', value: text),
/// );
/// ```
final class CallbackSessionStore implements SessionStore {
  /// [save] gets null when the session is to be forgotten.
  const CallbackSessionStore({required Future<String?> Function() load, required Future<void> Function(String? text) save})
      : _load = load,
        _save = save;

  final Future<String?> Function() _load;
  final Future<void> Function(String?) _save;

  @override
  Future<Session?> load() async => sessionOfText(await _load());

  @override
  Future<void> save(Session session) => _save(textOfSession(session));

  @override
  Future<void> clear() => _save(null);
}

/// A session as text.
String textOfSession(Session session) => jsonEncode(session.toJson());

/// What [textOfSession] made; null for anything else, such as a file that was cut off.
Session? sessionOfText(String? text) {
  if (text == null || text.isEmpty) return null;
  try {
    return Session.fromJson(jsonDecode(text));
  } on FormatException {
    return null;
  }
}
