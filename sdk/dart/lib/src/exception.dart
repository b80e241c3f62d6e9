/// Who is to blame for a [GodraException].
enum ErrorKind {
  /// The server refused it.
  server,

  /// The game's own script refused it, or broke.
  script,

  /// The network, or a server that is away.
  network,

  /// The login: log in again.
  session,

  /// Client and server do not understand each other.
  protocol,

  /// The game asked for what cannot be.
  usage,
}

/// Whether what failed has run on the server.
enum Outcome {
  /// It has not.
  none,

  /// Nobody knows.
  unknown,

  /// It has, and the script refused it: nothing has changed.
  ran,
}

/// What is known of an error besides its code and message. Made by this package and by tests of games.
final class ErrorFacts {
  /// All of it may be left out.
  const ErrorFacts({
    this.status,
    this.details,
    this.retryAfter,
    this.closeCode,
    this.outcome,
    this.cause,
    this.isServers = false,
    this.isUnsent = false,
  });

  /// The HTTP status.
  final int? status;

  /// What the script, or the server, adds for programs: any JSON.
  final Object? details;

  /// How long the server asks to wait.
  final Duration? retryAfter;

  /// The code with which a WebSocket was closed.
  final int? closeCode;

  /// Whether it has run.
  final Outcome? outcome;

  /// What is behind it.
  final Object? cause;

  /// Whether the server itself chose the code.
  final bool isServers;

  /// Whether it never left this machine.
  final bool isUnsent;

  /// The same with another outcome.
  ErrorFacts withOutcome(Outcome outcome) => ErrorFacts(
        status: status,
        details: details,
        retryAfter: retryAfter,
        closeCode: closeCode,
        outcome: outcome,
        cause: cause,
        isServers: isServers,
        isUnsent: isUnsent,
      );
}

/// Whatever fails here. The subclass tells whom to blame, [code] what it was:
///
/// ```dart
/// switch (error) {
///   case ScriptException(code: 'too_poor'): …
///   case NetworkException(): …
///   …
/// }
/// ```
sealed class GodraException implements Exception {
  const GodraException._(this.code, this.message, this.facts);

  /// An error of the kind that its code belongs to.
  factory GodraException(String code, String message, [ErrorFacts facts = const ErrorFacts()]) =>
      switch (_kindOf(code, facts.isServers)) {
        ErrorKind.server => ServerException(code, message, facts),
        ErrorKind.script => ScriptException(code, message, facts),
        ErrorKind.network => NetworkException(code, message, facts),
        ErrorKind.session => SessionException(code, message, facts),
        ErrorKind.protocol => ProtocolException(code, message, facts),
        ErrorKind.usage => UsageException(code, message, facts),
      };

  /// For programs: the server's, a script's, or this package's.
  final String code;

  /// For people.
  final String message;

  /// All else that is known.
  final ErrorFacts facts;

  /// Whom to blame.
  ErrorKind get kind;

  /// The HTTP status, if there was one.
  int? get status => facts.status;

  /// What the script or the server adds for programs.
  Object? get details => facts.details;

  /// How long the server asks to wait.
  Duration? get retryAfter => facts.retryAfter;

  /// The code with which the WebSocket was closed, if that was it.
  int? get closeCode => facts.closeCode;

  /// Whether it has run, if it was something that runs.
  Outcome? get outcome => facts.outcome;

  /// Whether it is safe, and may help, to do the same again.
  bool get isRetryable => _retryable.contains(code) && (outcome ?? Outcome.none) == Outcome.none;

  @override
  String toString() => '$runtimeType($code): $message';
}

/// The server refused it.
final class ServerException extends GodraException {
  /// Made by this package, and by tests of games.
  const ServerException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.server;
}

/// A script of the game refused it on purpose, or broke.
final class ScriptException extends GodraException {
  /// Made by this package, and by tests of games.
  const ScriptException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.script;
}

/// The network failed, or the server is away.
final class NetworkException extends GodraException {
  /// Made by this package, and by tests of games.
  const NetworkException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.network;
}

/// Nobody is logged in any more: show the login screen.
final class SessionException extends GodraException {
  /// Made by this package, and by tests of games.
  const SessionException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.session;
}

/// Client and server do not understand each other.
final class ProtocolException extends GodraException {
  /// Made by this package, and by tests of games.
  const ProtocolException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.protocol;
}

/// The game asked for what cannot be, or took it back.
final class UsageException extends GodraException {
  /// Made by this package, and by tests of games.
  const UsageException(super.code, super.message, [super.facts = const ErrorFacts()]) : super._();
  @override
  ErrorKind get kind => ErrorKind.usage;
}

const _retryable = {'timeout', 'unavailable', 'disconnected', 'busy', 'rate_limited', 'out_of_order'};

/// Codes of this package's own.
const _kinds = {
  'timeout': ErrorKind.network,
  'unavailable': ErrorKind.network,
  'disconnected': ErrorKind.network,
  'refused': ErrorKind.network,
  'session_ended': ErrorKind.session,
  'bad_response': ErrorKind.protocol,
  'bad_message': ErrorKind.protocol,
  'unsupported': ErrorKind.protocol,
  'queue_full': ErrorKind.usage,
  'cancelled': ErrorKind.usage,
  'bad_request': ErrorKind.usage,
  'too_large': ErrorKind.usage,
  'handler_failed': ErrorKind.usage,
};

/// Codes that mean this when the server chose them.
const _kindsOfServer = {
  'unauthorized': ErrorKind.session,
  'token_expired': ErrorKind.session,
  'session_ended': ErrorKind.session,
  'bad_request': ErrorKind.usage,
  'forbidden': ErrorKind.server,
  'not_found': ErrorKind.server,
  'conflict': ErrorKind.server,
  'out_of_order': ErrorKind.server,
  'too_large': ErrorKind.usage,
  'rate_limited': ErrorKind.server,
  'busy': ErrorKind.server,
  'unavailable': ErrorKind.server,
};

ErrorKind _kindOf(String code, bool isServers) {
  final own = isServers ? null : _kinds[code];
  return own ?? _kindsOfServer[code] ?? (isServers ? ErrorKind.script : _kinds[code]) ?? ErrorKind.script;
}
