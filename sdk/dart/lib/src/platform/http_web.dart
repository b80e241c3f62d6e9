import 'dart:async';
import 'dart:js_interop';

import '../http.dart';

/// Calls by the browser's `fetch`.
HttpSend openHttp() => _send;

Future<HttpAnswer> _send(HttpAsk ask) async {
  final abort = _AbortController();
  unawaited(ask.aborted.then((_) => abort.abort()));
  try {
    final headers = {
      if (ask.token != null) 'Authorization': 'Bearer ${ask.token}',
      if (ask.body != null) 'Content-Type': 'application/json',
    };
    final init = _Init(
      method: ask.method,
      headers: headers.jsify()!,
      body: ask.body?.toJS,
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      signal: abort.signal,
    );
    final response = await _fetch('${ask.url}'.toJS, init).toDart;
    if (response.type == 'opaqueredirect') throw const HttpFailure('is a redirect', isBadAnswer: true);
    final text = (await response.text().toDart).toDart;
    if (text.length > ask.maxBytes) throw HttpFailure('is longer than ${ask.maxBytes} bytes', isBadAnswer: true);
    return HttpAnswer(
      response.status,
      text,
      retryAfter: response.headers.get('retry-after'),
      hasRun: response.headers.get('godra-script') != null,
    );
  } on HttpFailure {
    rethrow;
  } on Object catch (e) {
    // A page is not told more; it may be CORS, too.
    throw HttpFailure('$e');
  }
}

@JS('fetch')
external JSPromise<_Response> _fetch(JSString url, _Init init);

extension type _Init._(JSObject _) implements JSObject {
  external factory _Init({
    String method,
    JSAny headers,
    JSString? body,
    String redirect,
    String credentials,
    String cache,
    JSAny signal,
  });
}

@JS('AbortController')
extension type _AbortController._(JSObject _) implements JSObject {
  external factory _AbortController();
  external JSAny get signal;
  external void abort();
}

extension type _Headers._(JSObject _) implements JSObject {
  external String? get(String name);
}

extension type _Response._(JSObject _) implements JSObject {
  external int get status;
  external String get type;
  external _Headers get headers;
  external JSPromise<JSString> text();
}
