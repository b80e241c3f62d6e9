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
