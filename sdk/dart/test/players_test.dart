@Tags(['server'])
library;

import 'package:godra/godra.dart';
import 'package:test/test.dart';

import 'harness/game.dart';
import 'harness/godra_server.dart';

/// What players keep, against the real server and its stock scripts.
void main() {
  test('profiles, friends, trades and own data', () async {
    final server = await GodraServer.start(const []);
    final clients = <GodraClient>[];
    addTearDown(() async {
      await Future.wait(clients.map((client) => client.close()));
      await server.stop();
    });
    Future<(GodraClient, Players, String)> player(String name) async {
      final client = GodraClient(server.url, options: GodraOptions(log: (_, __) {}));
      clients.add(client);
      await client.auth.register(name, 'long enough 8');
      final session = await client.auth.login(name, 'long enough 8');
      return (client, Players(client), session.userId);
    }

    final (client, ann, annId) = await player('ann');
    final (_, ben, benId) = await player('ben');
    expect((await ann.profile()).text('name'), 'ann');
    final changed = await ann.setProfile({
      'name': 'Ann',
      'settings': {'volume': 0.5}
    });
    expect(changed.map('settings'), {'volume': 0.5});
    await expectLater(ann.setProfile({'name': 'A', 'version': 1}), fails('conflict'));
    expect((await ben.viewProfile(annId)).text('name'), 'Ann');
    await expectLater(ann.askFriend(benId), fails('not_found'));
    await ben.profile();
    expect(await ann.askFriend(benId), 'asked');
    expect(await ben.removeFriend(annId), 'none');
    expect(await ben.acceptFriend(annId), 'friends');
    expect(JsonMap.of((await ann.friends()).list('friends')!.first).text('user_id'), benId);

    expect((await ann.daily()).flag('is_open'), true);
    expect((await ann.claimDaily()).flag('claimed'), true);
    expect((await ann.claimDaily()).flag('claimed'), false);
    final offer = await ann.offerTrade(benId, gives: {'coin': 4});
    final seen = JsonMap.of((await ben.inventory()).list('offers')!.first);
    expect(seen.integer('version'), offer.integer('version'));
    await expectLater(ben.acceptTrade(annId, seen.integer('version')! + 1), fails('conflict'));
    expect((await ben.acceptTrade(annId, seen.integer('version')!)).map('items'), {'coin': 4});
    await ann.offerTrade(benId, takes: {'coin': 1});
    expect((await ben.cancelTrade(annId)).text('status'), 'none');
    await expectLater(ann.season('none'), fails('not_found'));

    expect(await ben.block(annId), 'blocked');
    await expectLater(ann.viewProfile(benId), fails('not_found'));
    expect(await ben.unblock(annId), 'none');
    expect(await ann.askFriend(benId), 'asked');
    expect(await ben.declineFriend(annId), 'none');

    // What was just saved is in the database a moment later.
    var collections = <String?>[];
    for (var round = 0; round < 200 && collections.length < 4; round++) {
      collections = [for (final one in (await client.auth.data()).list('documents')!) JsonMap.of(one).text('collection')];
      await Future<void>.delayed(const Duration(milliseconds: 20));
    }
    expect(collections, ['daily', 'friends', 'inventory', 'profile']);
    final page = await client.auth.data(limit: 1);
    final next = await client.auth.data(cursor: page.text('cursor'), limit: 1);
    expect(JsonMap.of(next.list('documents')!.first).text('collection'), 'friends');
    expect((await client.auth.document('profile', annId)).map('value')!.text('username'), 'ann');
  });
}
