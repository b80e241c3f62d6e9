import 'dart:io';

import '../session.dart';
import '../session_store.dart';

/// Keeps the session in a file. Programs that share it lock one another out while they refresh.
///
/// On mobile give it a path within the app's own folder. Not on the web.
final class FileSessionStore implements SharedSessionStore {
  /// The folder is made if it is not there.
  FileSessionStore(String path) : _file = File(path);

  final File _file;

  @override
  Future<Session?> load() async => await _file.exists() ? sessionOfText(await _file.readAsString()) : null;

  /// A program that ends in the middle leaves the old session, or the new one.
  @override
  Future<void> save(Session session) async {
    await _file.parent.create(recursive: true);
    final fresh = File('${_file.path}.$pid.new');
    await fresh.writeAsString('');
    await _hide(fresh);
    await fresh.writeAsString(textOfSession(session), flush: true);
    await fresh.rename(_file.path);
  }

  @override
  Future<void> clear() async {
    if (await _file.exists()) await _file.delete();
  }

  @override
  Future<Future<void> Function()> lock() async {
    await _file.parent.create(recursive: true);
    final path = '${_file.absolute.path}.lock';
    // The system's locks are those of a program, not of a store in it.
    while (!_held.add(path)) {
      await Future<void>.delayed(_pause);
    }
    try {
      final handle = await _lockFile(File(path));
      return () async {
        _held.remove(path);
        // The end of the handle is the end of the lock, also when the program crashes.
        await handle.close();
      };
    } on Object {
      _held.remove(path);
      rethrow;
    }
  }

  static Future<RandomAccessFile> _lockFile(File file) async {
    final handle = await file.open(mode: FileMode.write);
    final watch = Stopwatch()..start();
    while (true) {
      try {
        return await handle.lock();
      } on FileSystemException {
        if (watch.elapsed > _longest) {
          await handle.close();
          rethrow;
        }
        await Future<void>.delayed(_pause);
      }
    }
  }

  static final _held = <String>{};
  static const _pause = Duration(milliseconds: 20);
  static const _longest = Duration(seconds: 15);

  /// From the other users of the machine.
  static Future<void> _hide(File file) async {
    if (!Platform.isLinux && !Platform.isMacOS) return;
    try {
      await Process.run('chmod', ['600', file.path]);
    } on ProcessException {
      // An app in a sandbox has a folder that is its own anyway.
    }
  }
}
