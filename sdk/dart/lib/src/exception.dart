import 'error_facts.dart';
import 'error_kinds.dart';

export 'error_facts.dart';

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
      switch (kindOf(code, isServers: facts.isServers)) {
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
