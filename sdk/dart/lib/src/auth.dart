import 'api.dart';
import 'cancel.dart';
import 'credential.dart';
import 'exception.dart';
import 'json.dart';
import 'lobby.dart';
import 'session.dart';
import 'tokens.dart';

/// Logins. A session is refreshed by itself as long as the game uses it.
final class Auth {
  /// Made by the client.
  Auth(this._api, this._tokens, this._game, this._joinedRooms);

  final Api _api;
  final Tokens _tokens;
  final String _game;
  final List<String> Function() _joinedRooms;

  /// Calls at the same time are one: two guests are one too many.
  Future<Session>? _ensuring;

  /// Goes on with the session that is there or was kept, or logs in as a guest.
  Future<Session> ensure({CancelToken? cancel}) async {
    cancel.check();
    final running = _ensuring ??= _ensure().whenComplete(() => _ensuring = null);
    return cancel.waitFor(running);
  }

  Future<Session> _ensure() async {
    if (_tokens.session == null) {
      final kept = await _tokens.kept();
      if (kept != null && _tokens.session == null) await _tokens.begin(kept, isKept: true);
    }
    try {
      if (_tokens.session != null) await _tokens.fresh();
    } on SessionException {
      // Then there is none, and a guest plays on.
    }
    return _tokens.session ?? await guest();
  }

  /// Logs in as a new guest. Other players see [nickname], which others may have, too; `conflict` if it is an account's name.
  Future<Session> guest({String? nickname, CancelToken? cancel}) =>
      _login('guest-login', nickname == null ? const {} : {'nickname': nickname}, cancel);

  /// Logs in with an account. Rooms of another user's session end.
  Future<Session> login(String username, String password, {CancelToken? cancel}) =>
      _login('login', {'username': username, 'password': password}, cancel);

  /// Logs in with a token of another issuer, such as the studio's own login. Rooms of another user's session end.
  Future<Session> loginWithToken(String token, {CancelToken? cancel}) => _login('external-login', {'token': token}, cancel);

  /// Logs in with a device: what [Device.random] made once, and the game has kept. Rooms of another user's session end.
  Future<Session> loginWithDevice(Device device, {CancelToken? cancel}) => _login('device-login', device.toJson(), cancel);

  /// The account's other ways to log in: `identities`, and `has_password`.
  Future<JsonMap> identities({CancelToken? cancel}) =>
      _tokens.use((token) => _api.get('account/identities', token: token, cancel: cancel), cancel);

  /// Links one more way to log in, a token of another issuer or a device. [proof] shows that the account is one's own: its password,
  /// or a way that is linked already. A guest needs none, becomes a player, and goes on as that, as with [upgrade]; true if so.
  Future<bool> linkIdentity(Credential identity, {Credential? proof, List<String>? lobbies, CancelToken? cancel}) =>
      _change(cancel, (token) async {
        final rooms = [for (final lobby in lobbies ?? _joinedRooms()) lobbyId(lobby, _game)];
        final body = {...identity.fields, 'rooms': rooms, if (proof != null) 'proof': proof.fields};
        final answer = await _api.post('account/identities', body, token: token, cancel: cancel);
        if (answer.text('token') == null) return false;
        await _tokens.begin(_tokens.sessionOf(answer));
        return true;
      });

  /// Takes a way to log in from the account; all its other sessions end. The last way stays (`conflict`). For a device [issuer] is
  /// `device`, and [subject] its id.
  Future<void> unlinkIdentity(String issuer, String subject, {required Credential proof, CancelToken? cancel}) => _change(cancel, (token) {
        final path = 'account/identities/${Uri.encodeComponent(issuer)}/${Uri.encodeComponent(subject)}';
        return _api.send('DELETE', path, {'proof': proof.fields}, token: token, cancel: cancel);
      });

  /// Makes an account; [login] comes after it. A name has 3 to 32 letters and digits, a password 8 to 128 characters.
  Future<Account> register(String username, String password, {CancelToken? cancel}) async =>
      Account(await _api.post('register', {'username': username, 'password': password}, cancel: cancel));

  /// Makes the guest that is logged in a player with an account, and goes on as that. What the guest has in rooms goes over to the
  /// new user id: in those of this client, in those that the server knows of, and in [lobbies]. Rooms come back by themselves.
  Future<Session> upgrade(String username, String password, {List<String>? lobbies, CancelToken? cancel}) => _change(cancel, (token) async {
        final rooms = [for (final lobby in lobbies ?? _joinedRooms()) lobbyId(lobby, _game)];
        final body = {'username': username, 'password': password, 'rooms': rooms};
        final login = await _api.post('account/upgrade', body, token: token, cancel: cancel);
        return _tokens.begin(_tokens.sessionOf(login));
      });

  /// Changes the password; all other sessions of the account end.
  Future<void> changePassword(String old, String fresh, {CancelToken? cancel}) =>
      _change(cancel, (token) => _api.post('account/password', {'old': old, 'new': fresh}, token: token, cancel: cancel));

  /// Gives the account another name. Rooms see it when the player joins again.
  Future<Account> rename(String username, String password, {CancelToken? cancel}) =>
      _rename({'username': username, 'password': password}, cancel);

  /// Gives the account another name, as [rename] does, by [proof] that it is one's own: its password, or a way to log in that is linked.
  Future<Account> renameWith(String username, Credential proof, {CancelToken? cancel}) =>
      _rename({'username': username, 'proof': proof.fields}, cancel);

  Future<Account> _rename(Map<String, Object?> body, CancelToken? cancel) => _change(cancel, (token) async {
        final account = Account(await _api.send('PATCH', 'account', body, token: token, cancel: cancel));
        final session = _tokens.session;
        if (session != null && session.userId == account.userId) await _tokens.begin(session.renamed(account.username));
        return account;
      });

  /// Deletes the account for good, and ends the session with all its rooms. It takes the [password], or as [proof] a way to log in
  /// that is linked; of a guest neither.
  Future<void> delete({String? password, Credential? proof, CancelToken? cancel}) => _change(cancel, (token) async {
        final body = {if (password != null) 'password': password, if (proof != null) 'proof': proof.fields};
        await _api.send('DELETE', 'account', body, token: token, cancel: cancel);
        await _tokens.forget();
      });

  /// Sets another password by a code that the game's operator has sent; [login] comes after it.
  Future<void> resetPassword(String username, String code, String password, {CancelToken? cancel}) async {
    await _api.post('account/reset', {'username': username, 'code': code, 'password': password}, cancel: cancel);
  }

  /// Whose session this is, as the server says.
  Future<Account> account({CancelToken? cancel}) =>
      _tokens.use((token) async => Account(await _api.get('account', token: token, cancel: cancel)), cancel);

  /// What is kept of the player for long, a page of it: `{documents, entries?, cursor?}`. All pages together are the player's own data.
  Future<JsonMap> data({String? cursor, int? limit, CancelToken? cancel}) {
    final query = {if (cursor != null) 'cursor': cursor, if (limit != null) 'limit': '$limit'};
    final path = query.isEmpty ? 'account/data' : 'account/data?${Uri(queryParameters: query).query}';
    return _tokens.use((token) => _api.get(path, token: token, cancel: cancel), cancel);
  }

  /// One document that the player may read: `{collection, key, version, owner, schema, updated_at, value}`.
  Future<JsonMap> document(String collection, String key, {CancelToken? cancel}) {
    final path = ['data', collection, ...key.split('/')].map(Uri.encodeComponent).join('/');
    return _tokens.use((token) => _api.get(path, token: token, cancel: cancel), cancel);
  }

  /// Gets a new pair of tokens now; done by itself when a call needs them.
  Future<Session> refresh({CancelToken? cancel}) async {
    await _tokens.refresh(cancel);
    return _tokens.session ?? (throw notLoggedIn());
  }

  /// Ends the session here at once, with all rooms, and then on the server. If that cannot be reached, this fails, but the session
  /// is forgotten all the same.
  Future<void> logout({CancelToken? cancel}) {
    final ended = _tokens.session;
    return _tokens.change(() async {
      await _tokens.forget();
      if (ended != null) await _endOnServer(ended, cancel);
    });
  }

  Future<void> _endOnServer(Session ended, CancelToken? cancel) async {
    try {
      await _api.post('logout', const {}, token: ended.token, cancel: cancel);
    } on GodraException catch (e) {
      if (e.status != 401) rethrow;
      // It was over already; but after `token_expired` the refresh token is good for much longer, and must not stay so.
      if (e.code != 'token_expired' || ended.refreshToken == null) return;
      final fresh = await _api.post('refresh', {'refresh_token': ended.refreshToken}, cancel: cancel);
      await _api.post('logout', const {}, token: fresh.text('token'), cancel: cancel);
    }
  }

  Future<Session> _login(String path, Map<String, Object?> body, CancelToken? cancel) => _tokens.change(() async {
        final session = _tokens.sessionOf(await _api.post(path, body, cancel: cancel));
        final before = _tokens.session;
        // Another user's rooms end with that user's session.
        if (before != null && before.userId != session.userId) await _tokens.forget();
        return _tokens.begin(session);
      });

  Future<T> _change<T>(CancelToken? cancel, Future<T> Function(String token) call) async {
    final token = await _tokens.fresh(cancel);
    return _tokens.change(() => call(token));
  }
}
