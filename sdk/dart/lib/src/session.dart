import 'exception.dart';
import 'json.dart';

/// A login: whose it is, and its tokens.
final class Session {
  /// As a store gives it back; see [Session.fromJson].
  const Session({
    required this.token,
    required this.userId,
    required this.username,
    required this.role,
    required this.expiresAtMs,
    this.refreshToken,
    this.expiresIn,
  });

  /// What [toJson] made; null if it is none.
  static Session? fromJson(Object? json) {
    final fields = JsonMap.of(json);
    final token = fields.text('token');
    final userId = fields.text('user_id');
    if (token == null || !_token.hasMatch(token) || userId == null) return null;
    return Session(
      token: token,
      refreshToken: fields.text('refresh_token'),
      userId: userId,
      username: fields.text('username') ?? '',
      role: fields.text('role') ?? '',
      expiresAtMs: fields.integer('expires_at') ?? 0,
    );
  }

  /// From the server's answer to a login.
  static Session ofLogin(JsonMap login, int wallMs) {
    final session = fromJson(login);
    final seconds = login.number('expires_in');
    if (session == null || session.refreshToken == null || seconds == null) {
      throw const ProtocolException('bad_response', 'The answer to a login lacks token, refresh_token, user_id or expires_in');
    }
    final ms = (seconds.clamp(0, _maxSeconds) * 1000).round();
    return Session(
      token: session.token,
      refreshToken: session.refreshToken,
      userId: session.userId,
      username: session.username,
      role: session.role,
      expiresAtMs: wallMs + ms,
      expiresIn: Duration(milliseconds: ms),
    );
  }

  /// What goes in a header, and as a subprotocol.
  static final _token = RegExp(r'^[A-Za-z0-9._~+-]{1,8192}$');

  static const _maxSeconds = 100 * 365 * 24 * 3600;

  /// Shows the server whose call it is.
  final String token;

  /// Gives the next pair of tokens, once.
  final String? refreshToken;

  /// A decimal number for an account, `guest:` and more for a guest.
  final String userId;

  /// The name to show.
  final String username;

  /// `guest`, `player` or `manager`.
  final String role;

  /// When [token] ends, in milliseconds since 1970 by this device's clock.
  final int expiresAtMs;

  /// For how long [token] was good when it came; null after a session was loaded.
  final Duration? expiresIn;

  /// The same under another name.
  Session renamed(String username) => Session(
        token: token,
        refreshToken: refreshToken,
        userId: userId,
        username: username,
        role: role,
        expiresAtMs: expiresAtMs,
        expiresIn: expiresIn,
      );

  /// For a store. Keep it where only the player can read it: it holds the tokens.
  Map<String, Object?> toJson() => {
        'token': token,
        'refresh_token': refreshToken,
        'expires_at': expiresAtMs,
        'user_id': userId,
        'username': username,
        'role': role,
      };

  /// Without the tokens.
  @override
  String toString() => 'Session($userId, $username, $role)';
}

/// Whose session the server says it is.
final class Account {
  /// Made by this package.
  Account(this.raw);

  /// All of it, as it came.
  final JsonMap raw;

  /// A decimal number for an account, `guest:` and more for a guest.
  String get userId => raw.text('user_id') ?? '';

  /// The name to show.
  String get username => raw.text('username') ?? '';

  /// `guest`, `player` or `manager`.
  String get role => raw.text('role') ?? '';
}
