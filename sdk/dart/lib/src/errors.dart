import 'close_codes.dart';
import 'exception.dart';
import 'http.dart';
import 'json.dart';
import 'link.dart';

/// What became of an input.
GodraException inputError(String code, String message, Outcome outcome) => GodraException(code, message, ErrorFacts(outcome: outcome));

/// There was no answer in time.
GodraException timedOut(String action, Duration timeout, Outcome outcome) =>
    inputError('timeout', 'No answer to $action within ${timeout.inMilliseconds} ms', outcome);

/// There is no connection.
GodraException notSent(String action) => inputError('disconnected', 'Not connected: $action was not sent', Outcome.none);

/// The server's answer to an input.
GodraException errorOfPayload(Object? payload) {
  final error = JsonMap.of(payload);
  final code = error.text('code');
  if (code == null) return inputError('bad_message', 'The server sent an error without a code', Outcome.unknown);
  return GodraException(
    code,
    error.text('message') ?? 'The server reported an error',
    ErrorFacts(details: error['details'], outcome: outcomeOf(code), isServers: true),
  );
}

const _maxRetryAfterS = 24 * 3600;

/// What comes in the place of a welcome: a refusal, with all that HTTP would have said.
GodraException errorOfRefusal(JsonMap error) {
  final status = wholeOf(error['status']);
  final after = wholeOf(error['retry_after']);
  return GodraException(
    error.text('code') ?? 'refused',
    error.text('message') ?? 'The server refused the WebSocket',
    ErrorFacts(
      status: status == null || status > 599 ? null : status,
      details: error['details'],
      retryAfter: after == null ? null : Duration(seconds: after.clamp(0, _maxRetryAfterS)),
      isServers: true,
    ),
  );
}

/// A close frame as an error.
GodraException errorOfClose(int code, String reason) => NetworkException(
      'disconnected',
      'The connection was closed ($code${reason.isEmpty ? '' : ': $reason'})',
      ErrorFacts(closeCode: code, details: code == closedBanned ? _banOf(reason) : null),
    );

/// Why there was no welcome.
GodraException errorOfEnd(LinkEnd end, int wallMs) => switch (end.kind) {
      LinkEndKind.closed => errorOfClose(end.code, end.reason),
      LinkEndKind.refused => errorOfAnswer(end.answer!, wallMs),
      LinkEndKind.unreachable => NetworkException('unavailable', 'The server cannot be reached: ${end.reason}'),
      LinkEndKind.hidden => const NetworkException('refused', 'The WebSocket did not open'),
      LinkEndKind.notGodra => ProtocolException('bad_response', end.reason),
    };

/// `banned`, or `banned until MS`, then the manager's words behind `: `: as the details that a ban has by HTTP.
Object? _banOf(String reason) {
  final match = RegExp(r'^banned(?: until (\d{1,15}))?(?:: (.*))?$', dotAll: true).firstMatch(reason);
  if (match == null) return null;
  final until = match.group(1);
  return {'until': until == null ? null : int.parse(until), 'reason': match.group(2) ?? ''};
}

/// Whether the server will hardly change its mind: the lobby is gone, or full.
bool isFinal(GodraException error) => error.status == 400 || error.status == 403 || error.status == 404;

