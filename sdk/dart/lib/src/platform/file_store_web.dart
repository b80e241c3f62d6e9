import '../session.dart';
import '../session_store.dart';

/// Keeps the session in a file: not on the web, where a page has none. Take a `CallbackSessionStore` there.
final class FileSessionStore implements SharedSessionStore {
  /// Throws an [UnsupportedError].
  FileSessionStore(String path) {
    throw UnsupportedError('There are no files on the web: take a CallbackSessionStore in place of "$path"');
  }

  @override
  Never load() => throw UnsupportedError('There are no files on the web');

  @override
  Never save(Session session) => load();

  @override
  Never clear() => load();

  @override
  Never lock() => load();
}
