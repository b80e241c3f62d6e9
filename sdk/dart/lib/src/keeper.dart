import 'log.dart';
import 'session.dart';
import 'session_store.dart';

/// A session store whose failures end no game: they are logged.
final class Keeper {
  /// Keeps in memory without a store.
  Keeper(SessionStore? store, this._log) : _store = store ?? MemorySessionStore();

  final SessionStore _store;
  final Log _log;

  /// Clients of this program that share a store refresh one after the other.
  static final _queues = Expando<Future<void>>();

  /// The kept session; null without one.
  Future<Session?> load() async {
    try {
      return await _store.load();
    } on Object catch (e) {
      _log.warning('the session could not be read: $e');
      return null;
    }
  }

  /// Keeps it.
  Future<void> save(Session session) => _keep(() => _store.save(session));

  /// Forgets it.
  Future<void> clear() => _keep(_store.clear);

  /// Runs [body] while nobody else who shares the store is within.
  Future<void> locked(Future<void> Function() body) {
    final before = _queues[_store] ?? Future<void>.value();
    final mine = before.then((_) => _lockedOutside(body));
    _queues[_store] = mine.then<void>((_) {}, onError: (Object _) {});
    return mine;
  }

  Future<void> _lockedOutside(Future<void> Function() body) async {
    final store = _store;
    if (store is! SharedSessionStore) return body();
    Future<void> Function()? unlock;
    try {
      unlock = await store.lock();
    } on Object catch (e) {
      // Without it the server still gives all the same tokens for a while.
      _log.warning('the session could not be locked: $e');
    }
    try {
      await body();
    } finally {
      await unlock?.call();
    }
  }

  Future<void> _keep(Future<void> Function() keep) async {
    try {
      await keep();
    } on Object catch (e) {
      _log.warning('the session could not be kept: $e');
    }
  }
}
