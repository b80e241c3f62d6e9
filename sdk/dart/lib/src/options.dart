import 'dart:math';

import 'clock.dart';
import 'events.dart';
import 'http.dart';
import 'link.dart';
import 'session_store.dart';

/// How important a line of the log is.
enum LogLevel {
  /// What happens, step by step.
  debug,

  /// Connections that come and go.
  info,

  /// Something failed, and nobody else will tell.
  warning,

  /// A handler of the game's failed.
  error,
}

/// Takes a line of the log. There is never a token in it.
typedef LogSink = void Function(LogLevel level, String message);

/// How a room comes back after its connection is lost.
final class ReconnectOptions {
  /// The defaults suit servers that restart within seconds.
  const ReconnectOptions({
    this.firstDelay = const Duration(milliseconds: 200),
    this.maxDelay = const Duration(seconds: 20),
    this.stableAfter = const Duration(seconds: 5),
  });

  /// Before the first attempt; doubles from attempt to attempt.
  final Duration firstDelay;

  /// No delay is longer, but for what the server asks for.
  final Duration maxDelay;

  /// A connection that held for so long begins the delays anew.
  final Duration stableAfter;
}

/// How a client behaves. The defaults suit most games.
final class GodraOptions {
  /// All may be left out.
  const GodraOptions({
    this.store,
    this.reconnect = const ReconnectOptions(),
    this.game = '',
    this.requestTimeout = const Duration(seconds: 10),
    this.connectTimeout = const Duration(seconds: 10),
    this.heartbeat = const Duration(seconds: 20),
    this.maxMessageBytes = 16 << 20,
    this.maxBufferedBytes = 1 << 20,
    this.reducers = const {},
    this.log,
    this.decoder,
    this.clock = const SystemClock(),
    this.random,
    this.http,
    this.link,
  });

  /// Keeps the session when the game ends; by default it is forgotten.
  final SessionStore? store;

  /// Which of several games on the server is played; empty for the default one.
  final String game;

  /// Null for rooms that end with their first connection.
  final ReconnectOptions? reconnect;

  /// For answers: of requests that name no time of their own, of calls by HTTP, and of heartbeats.
  final Duration requestTimeout;

  /// From the begin of an attempt to the welcome.
  final Duration connectTimeout;

  /// How often a sign of life is asked for; zero for never.
  final Duration heartbeat;

  /// A longer message of the server's is passed over.
  final int maxMessageBytes;

  /// While more than this waits for the network, `send` is refused.
  final int maxBufferedBytes;

  /// For all rooms, see `Room.reduce`.
  final Map<String, Reducer> reducers;

  /// By default warnings and errors are printed.
  final LogSink? log;

  /// Reads JSON in the place of `dart:convert`, for example with other number types. Throws a [FormatException] for what is none.
  final Object? Function(String text)? decoder;

  /// For tests.
  final Clock clock;

  /// For tests: delays are half random.
  final Random? random;

  /// For tests, and for platforms of one's own.
  final HttpSend? http;

  /// For tests, and for platforms of one's own.
  final LinkOpener? link;
}
