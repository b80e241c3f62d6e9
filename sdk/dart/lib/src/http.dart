import 'exception.dart';
import 'json.dart';

/// A call by HTTP.
final class HttpAsk {
  /// [aborted] completes when nobody waits for the answer any more.
  const HttpAsk(this.method, this.url, {required this.aborted, this.token, this.body, this.maxBytes = 16 << 20});

  /// `GET`, `POST`, `PATCH` or `DELETE`.
  final String method;

  /// The whole address.
  final Uri url;

  /// Goes as `Authorization: Bearer`.
  final String? token;

  /// JSON.
  final String? body;

  /// A longer answer is an error.
  final int maxBytes;

  /// Ends the call.
  final Future<void> aborted;
}

/// The whole answer.
final class HttpAnswer {
  /// As it came.
  const HttpAnswer(this.status, this.body, {this.retryAfter, this.hasRun = false});

  /// Also that of a redirect, which is not followed.
  final int status;

  /// As text.
  final String body;

  /// As the header says it, in seconds or as a date.
  final String? retryAfter;

  /// Whether the header `Godra-Script` says that a script ran.
  final bool hasRun;
}

/// Makes a call: without cookies, and without following redirects. A server that cannot be reached is a [HttpFailure].
typedef HttpSend = Future<HttpAnswer> Function(HttpAsk ask);

/// There was no answer.
final class HttpFailure implements Exception {
  /// [isUnsent] if the call did not even begin.
  const HttpFailure(this.message, {this.isUnsent = false, this.isBadAnswer = false});

  /// For people.
  final String message;

  /// Whether the server surely has heard nothing.
  final bool isUnsent;

  /// Whether there was an answer, but none that can be taken.
  final bool isBadAnswer;
}

/// The error of an answer with a status of 300 and above.
GodraException errorOfAnswer(HttpAnswer answer, int wallMs) {
  final error = JsonMap.of(JsonMap.of(_jsonOrNull(answer.body))['error']);
  final code = error.text('code');
  final status = answer.status;
  final message = error.text('message') ?? 'The server answered with the HTTP status $status';
  final after = retryAfter(answer.retryAfter, wallMs);
  final facts = ErrorFacts(status: status, details: error['details'], retryAfter: after, isServers: code != null);
  return GodraException(code ?? _codeOf(status), message, facts.withOutcome(_outcomeOf(answer, code)));
}

/// What a header `Retry-After` means: seconds, or a date as HTTP writes it; null for anything else.
Duration? retryAfter(String? header, int wallMs) {
  final text = header?.trim() ?? '';
  final seconds = int.tryParse(text);
  if (seconds != null) return seconds < 0 ? null : Duration(seconds: seconds.clamp(0, _maxSeconds));
  final match = _date.firstMatch(text);
  if (match == null) return null;
  int part(int group) => int.parse(match.group(group)!);
  final month = _months.indexOf(match.group(2)!) + 1;
  if (month == 0) return null;
  final at = DateTime.utc(part(3), month, part(1), part(4), part(5), part(6)).millisecondsSinceEpoch;
  return Duration(milliseconds: (at - wallMs).clamp(0, _maxSeconds * 1000));
}

const _maxSeconds = 24 * 3600;
final _date = RegExp(r'^[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$');
const _months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/// For answers that are not the server's own, but a proxy's.
String _codeOf(int status) => switch (status) {
      400 => 'bad_request',
      401 => 'unauthorized',
      403 => 'forbidden',
      404 => 'not_found',
      409 => 'conflict',
      413 => 'too_large',
      429 => 'rate_limited',
      >= 500 => 'unavailable',
      _ => 'bad_response',
    };

Outcome _outcomeOf(HttpAnswer answer, String? code) {
  if (answer.hasRun && code != 'unavailable') return Outcome.ran;
  if (code != null) return outcomeOf(code);
  return answer.status < 500 ? Outcome.none : Outcome.unknown;
}

/// With these the server says that an input did not run. With `unavailable` nobody knows.
const _notRun = {
  'bad_request', 'unauthorized', 'token_expired', 'session_ended', 'forbidden', 'not_found', //
  'out_of_order', 'too_large', 'rate_limited', 'busy',
};

/// What a code of the server's says about an input or a call.
Outcome outcomeOf(String code) {
  if (_notRun.contains(code)) return Outcome.none;
  return code == 'unavailable' ? Outcome.unknown : Outcome.ran;
}

Object? _jsonOrNull(String text) {
  try {
    return readJson(text);
  } on FormatException {
    return null;
  }
}
