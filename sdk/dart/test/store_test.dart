import 'dart:io';

import 'package:godra/godra.dart';
import 'package:test/test.dart';

const session = Session(token: 't', refreshToken: 'r', userId: '1', username: 'Änne', role: 'player', expiresAtMs: 7);

void main() {
  late Directory folder;
  late FileSessionStore store;

  setUp(() {
    folder = Directory.systemTemp.createTempSync('godra-store-');
    store = FileSessionStore('${folder.path}/deep/session.json');
  });

  tearDown(() => folder.delete(recursive: true));

  test('keeps a session in a file, for the player alone', () async {
    expect(await store.load(), isNull);
    await store.save(session);
    expect((await store.load())!.toJson(), session.toJson());
    if (Platform.isLinux) expect(File('${folder.path}/deep/session.json').statSync().modeString(), 'rw-------');
    expect(Directory('${folder.path}/deep').listSync(), hasLength(1));
    await store.clear();
    await store.clear();
    expect(await store.load(), isNull);
  });

  test('a file that was cut off, or of another program, is none', () async {
    final file = File('${folder.path}/deep/session.json');
    await store.save(session);
    for (final text in ['', '{"token":', '[]', '7', '{"token":7,"user_id":"1"}', '{"token":"","user_id":"1"}', '{"token":"t"}']) {
      file.writeAsStringSync(text);
      expect(await store.load(), isNull, reason: text);
    }
  });

  test('lets one in at a time', () async {
    final order = <String>[];
    Future<void> enter(String who, SharedSessionStore store) async {
      final unlock = await store.lock();
      order.add('$who in');
      await Future<void>.delayed(const Duration(milliseconds: 30));
      order.add('$who out');
      await unlock();
    }

    await Future.wait([enter('a', store), enter('b', FileSessionStore('${folder.path}/deep/session.json'))]);
    // Whoever was first.
    expect([for (final word in order) word.split(' ').last], ['in', 'out', 'in', 'out']);
    expect(order[0].split(' ').first, order[1].split(' ').first);
  });

  test('a store of callbacks keeps one text', () async {
    String? kept;
    final store = CallbackSessionStore(load: () async => kept, save: (text) async => kept = text);
    await store.save(session);
    expect((await store.load())!.username, 'Änne');
    await store.clear();
    expect(kept, isNull);
    expect(await store.load(), isNull);
  });
}
