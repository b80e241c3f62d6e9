import 'dart:async';
import 'dart:convert';

import 'cancel.dart';
import 'clock.dart';
import 'exception.dart';
import 'http.dart';
import 'json.dart';

/// Calls of one server by HTTP.
final class Api {
  /// [baseUrl] as the game gave it.
  Api(String baseUrl, this._send, this._clock, this._timeout) : base = _parse(baseUrl);

  /// With a slash at the end.
  final Uri base;
  final HttpSend _send;
  final Clock _clock;
  final Duration _timeout;

  /// Ends a call that is under way.
  final _running = <void Function(GodraException error)>{};

  /// The answer's object; an empty one for 204.
  Future<JsonMap> post(String path, Map<String, Object?> body, {String? token, CancelToken? cancel, Duration? timeout}) =>
      send('POST', path, body, token: token, cancel: cancel, timeout: timeout);

  /// As [post], by any method.
  Future<JsonMap> send(
    String method,
    String path,
    Map<String, Object?> body, {
    String? token,
    CancelToken? cancel,
    Duration? timeout,
  }) async {
    final String text;
    try {
      text = jsonEncode(body);
    } on Object catch (e) {
      throw UsageException('bad_request', 'What is given to $path cannot be JSON: $e', const ErrorFacts(outcome: Outcome.none));
    }
    return _object(path, await call(method, path, body: text, token: token, cancel: cancel, timeout: timeout));
  }

  /// The answer's object.
  Future<JsonMap> get(String path, {String? token, CancelToken? cancel}) async =>
      _object(path, await call('GET', path, token: token, cancel: cancel));

  /// The address of the WebSocket of a room, with where to go on from, and with what its script is told.
  Uri socketOf(String roomId, ({String epoch, int since})? resume, String? joinOptions) => base.resolve('ws').replace(
        scheme: base.scheme == 'https' ? 'wss' : 'ws',
        queryParameters: {
          'game_id': roomId,
          if (resume != null) ...{'epoch': resume.epoch, 'since': '${resume.since}'},
          'refuse': 'close',
          if (joinOptions != null) 'options': joinOptions,
        },
      );

  /// Any answer that comes in time.
  Future<HttpAnswer> call(String method, String path, {String? body, String? token, CancelToken? cancel, Duration? timeout}) {
    cancel.check();
    final limit = timeout ?? _timeout;
    final done = Completer<HttpAnswer>();
    final aborted = Completer<void>();
    void fail(GodraException error) {
      if (done.isCompleted) return;
      done.completeError(error);
      aborted.complete();
    }

    _running.add(fail);
    final timer = _clock.after(
      limit,
      () => fail(NetworkException('timeout', 'No answer to $path within ${limit.inMilliseconds} ms', _unknown)),
    );
    final forget = cancel.onCancel(() => fail(cancelled(Outcome.unknown)));
    final ask = HttpAsk(method, base.resolve(path), token: token, body: body, aborted: aborted.future);
    _send(ask).then((answer) {
      if (!done.isCompleted) done.complete(answer);
    }, onError: (Object e) {
      fail(_failure(path, e));
    });
    return done.future.whenComplete(() {
      _running.remove(fail);
      timer.cancel();
      forget();
    });
  }

  /// Ends all calls that are under way: they would keep the program from ending.
  void close() {
    for (final fail in _running.toList()) {
      fail(cancelled(Outcome.unknown));
    }
  }

  static const _unknown = ErrorFacts(outcome: Outcome.unknown);

  static GodraException _failure(String path, Object e) {
    final failure = e is HttpFailure ? e : HttpFailure('$e');
    final facts = ErrorFacts(outcome: failure.isUnsent ? Outcome.none : Outcome.unknown, isUnsent: failure.isUnsent, cause: e);
    if (failure.isBadAnswer) return ProtocolException('bad_response', 'The answer to $path ${failure.message}', facts);
    return NetworkException('unavailable', 'The server cannot be reached for $path: ${failure.message}', facts);
  }

  JsonMap _object(String path, HttpAnswer answer) {
    final status = answer.status;
    if (status == 204) return const JsonMap({});
    if (status >= 300) throw errorOfAnswer(answer, _clock.wallMs);
    try {
      final body = readJson(answer.body);
      if (body is Map<String, Object?>) return JsonMap(body);
    } on FormatException {
      // The same as any other answer that is no object.
    }
    throw ProtocolException('bad_response', 'The answer to $path is not a JSON object', ErrorFacts(status: status, outcome: Outcome.unknown));
  }

  static Uri _parse(String given) {
    final uri = Uri.tryParse(given);
    final scheme = switch (uri?.scheme) { 'http' || 'ws' => 'http', 'https' || 'wss' => 'https', _ => null };
    if (uri == null || scheme == null || uri.host.isEmpty) {
      throw UsageException('bad_request', 'Not an address of a server: "$given". It is one like https://example.com');
    }
    final path = uri.path.endsWith('/') ? uri.path : '${uri.path}/';
    return Uri(scheme: scheme, host: uri.host, port: uri.hasPort ? uri.port : null, path: path);
  }
}
