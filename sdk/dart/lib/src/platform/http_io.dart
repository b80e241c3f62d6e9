import 'dart:async';
import 'dart:convert';
import 'dart:io';

import '../http.dart';

/// Calls by the [HttpClient] of `dart:io`; `HttpOverrides` of the game's count, for proxies and certificates.
HttpSend openHttp() => _HttpIo().send;

final class _HttpIo {
  Future<HttpAnswer> send(HttpAsk ask) async {
    // One a call: a connection that is kept would hold up the end of the program, and may be dead after a sleep.
    final client = HttpClient();
    unawaited(ask.aborted.then((_) => client.close(force: true)));
    try {
      final request = await _open(client, ask);
      final body = ask.body;
      if (body != null) {
        request.headers.set(HttpHeaders.contentTypeHeader, 'application/json');
        request.add(utf8.encode(body));
      }
      return await readAnswer(await request.close(), ask.maxBytes);
    } on HttpFailure {
      rethrow;
    } on Exception catch (e) {
      throw HttpFailure('$e');
    } finally {
      client.close(force: true);
    }
  }

  Future<HttpClientRequest> _open(HttpClient client, HttpAsk ask) async {
    try {
      final request = await client.openUrl(ask.method, ask.url);
      request.followRedirects = false;
      request.persistentConnection = false;
      if (ask.token != null) request.headers.set(HttpHeaders.authorizationHeader, 'Bearer ${ask.token}');
      return request;
    } on Exception catch (e) {
      throw HttpFailure('$e', isUnsent: true);
    }
  }
}

/// All of an answer, up to [maxBytes].
Future<HttpAnswer> readAnswer(HttpClientResponse response, int maxBytes) async {
  final bytes = BytesBuilder(copy: false);
  await for (final part in response) {
    bytes.add(part);
    if (bytes.length > maxBytes) throw HttpFailure('is longer than $maxBytes bytes', isBadAnswer: true);
  }
  return HttpAnswer(
    response.statusCode,
    utf8.decode(bytes.takeBytes(), allowMalformed: true),
    retryAfter: _first(response, HttpHeaders.retryAfterHeader),
    hasRun: _first(response, 'godra-script') != null,
  );
}

String? _first(HttpClientResponse response, String header) => response.headers[header]?.first;
