import 'package:godra/godra.dart';
import 'package:godra/src/http.dart' show errorOfAnswer, retryAfter;
import 'package:test/test.dart';

void main() {
  final now = DateTime.utc(2026, 11, 29, 12).millisecondsSinceEpoch;

  test('Retry-After in seconds and as a date', () {
    expect(retryAfter('7', now), const Duration(seconds: 7));
    expect(retryAfter(' 0 ', now), Duration.zero);
    expect(retryAfter('Sun, 29 Nov 2026 12:00:30 GMT', now), const Duration(seconds: 30));
    expect(retryAfter('Sun, 29 Nov 2026 11:00:00 GMT', now), Duration.zero);
  });

  test('Retry-After that says nothing', () {
    for (final text in ['', '-1', 'soon', 'Sun, 29 Foo 2026 12:00:30 GMT', '2026-11-29', '1e3']) {
      expect(retryAfter(text, now), isNull, reason: text);
    }
    expect(retryAfter(null, now), isNull);
    expect(retryAfter('99999999999999999999999', now), isNull);
    expect(retryAfter('999999999', now), const Duration(days: 1));
  });

  test('an error of the server', () {
    const body = '{"error":{"code":"too_poor","message":"no gold","details":{"gold":1}}}';
    final error = errorOfAnswer(const HttpAnswer(400, body, hasRun: true), now);
    expect(error, isA<ScriptException>());
    expect([error.code, error.message, error.status, error.details, error.outcome], ['too_poor', 'no gold', 400, {'gold': 1}, Outcome.ran]);
  });

  test('an answer of a proxy', () {
    final codes = {
      400: 'bad_request', 401: 'unauthorized', 403: 'forbidden', 404: 'not_found', 409: 'conflict', 413: 'too_large', //
      429: 'rate_limited', 500: 'unavailable', 502: 'unavailable', 503: 'unavailable', 302: 'bad_response', 418: 'bad_response',
    };
    for (final MapEntry(key: status, value: code) in codes.entries) {
      expect(errorOfAnswer(HttpAnswer(status, '<html>'), now).code, code, reason: '$status');
    }
  });

  test('outcomes', () {
    Outcome? of(int status, String? code, {bool ran = false}) =>
        errorOfAnswer(HttpAnswer(status, code == null ? 'x' : '{"error":{"code":"$code"}}', hasRun: ran), now).outcome;
    expect(of(429, 'rate_limited'), Outcome.none);
    expect(of(503, 'unavailable'), Outcome.unknown);
    expect(of(503, 'unavailable', ran: true), Outcome.unknown);
    expect(of(400, 'rate_limited', ran: true), Outcome.ran);
    expect(of(502, null), Outcome.unknown);
    expect(of(404, null), Outcome.none);
  });

  test('what may be tried again', () {
    const none = ErrorFacts(outcome: Outcome.none);
    const unknown = ErrorFacts(outcome: Outcome.unknown);
    expect(const ServerException('busy', '', none).isRetryable, isTrue);
    expect(const NetworkException('timeout', '', unknown).isRetryable, isFalse);
    expect(const NetworkException('unavailable', '').isRetryable, isTrue);
    expect(const ServerException('forbidden', '', none).isRetryable, isFalse);
  });
}
