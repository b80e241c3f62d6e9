import 'client.dart';
import 'exception.dart';
import 'json.dart';

/// What players keep, by the stock scripts: profiles, friends, items and trades, the daily reward, seasons. For players with an
/// account; a guest is refused with `forbidden`. Objects are as the scripts answer them.
final class Players {
  /// Of the player that [client] is logged in as.
  const Players(this.client);

  /// By which it calls.
  final GodraClient client;

  /// The player's own, made by the first call: `{user_id, username, name, avatar?, settings, seen, version}`.
  Future<JsonMap> profile() => _json('get_profile');

  /// Changes it, `{name?, avatar?, settings?, version?}`, and gives it as it is then. Null takes back. With another version by now
  /// this fails with `conflict`.
  Future<JsonMap> setProfile(Map<String, Object?> changes) => _json('set_profile', changes);

  /// What others may see of a player.
  Future<JsonMap> viewProfile(String userId) => _json('view_profile', {'user_id': userId});

  /// `{friends, asks, asked, blocked}`, with who is online, and where.
  Future<JsonMap> friends() => _json('list_friends');

  /// Wants to be a friend. As the others, gives how it stands: `friends`, `asked`, `none` or `blocked`.
  Future<String> askFriend(String userId) => _friend('ask', userId);

  /// Becomes a friend of who has asked.
  Future<String> acceptFriend(String userId) => _friend('accept', userId);

  /// Does not.
  Future<String> declineFriend(String userId) => _friend('decline', userId);

  /// Ends a friendship, or takes back an ask.
  Future<String> removeFriend(String userId) => _friend('remove', userId);

  /// Ends it, too, and that player can neither ask nor see this one's profile.
  Future<String> block(String userId) => _friend('block', userId);

  /// Takes that back.
  Future<String> unblock(String userId) => _friend('unblock', userId);

  /// `{items, offers}`
  Future<JsonMap> inventory() => _json('get_inventory');

  /// Offers a friend a trade: `{status, version, ends_at}`.
  Future<JsonMap> offerTrade(String userId, {Map<String, int> gives = const {}, Map<String, int> takes = const {}}) =>
      _json('trade', {'verb': 'offer', 'user_id': userId, 'gives': gives, 'takes': takes});

  /// Accepts the offer that was seen. Another one by now is a `conflict`, with what is offered as its details.
  Future<JsonMap> acceptTrade(String userId, int version) =>
      _json('trade', {'verb': 'accept', 'user_id': userId, 'version': version});

  /// Ends what is offered between the two, whoever has offered it.
  Future<JsonMap> cancelTrade(String userId) => _json('trade', {'verb': 'cancel', 'user_id': userId});

  /// Claims the day's reward, once however often it is called: `{claimed, is_open, streak, reward, next_at, reminds}`.
  Future<JsonMap> claimDaily() => _json('claim_daily', const {});

  /// The same, and only looks.
  Future<JsonMap> daily() => _json('claim_daily', const {'claim': false});

  /// How a season has ended.
  Future<JsonMap> season(String name) => _json('season', {'name': name});

  Future<String> _friend(String verb, String userId) async {
    final result = await client.rpc('change_friends', args: [
      {'verb': verb, 'user_id': userId}
    ]);
    return result is String ? result : throw _unexpected('change_friends');
  }

  Future<JsonMap> _json(String script, [Map<String, Object?>? argument]) async {
    final result = await client.rpc(script, args: [if (argument != null) argument]);
    try {
      final value = result is String ? readJson(result) : null;
      if (value is Map<String, Object?>) return JsonMap(value);
    } on FormatException {
      // As if it were something else.
    }
    throw _unexpected(script);
  }

  ProtocolException _unexpected(String script) =>
      ProtocolException('bad_response', 'The answer of $script is not what the stock script gives');
}
