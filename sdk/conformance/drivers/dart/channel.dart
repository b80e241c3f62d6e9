import 'dart:convert';
import 'dart:io';

import 'package:godra/godra.dart';

/// The control channel, from the driver's side.
final class Channel {
  Channel(String url) : _url = Uri.parse(url);

  final Uri _url;
  final _http = HttpClient();
  List<Object?> _waiting = [];

  /// Done when all is sent.
  Future<void> get sent => _sent;
  Future<void> _sent = Future.value();

  /// Reports go out one POST at a time, so that they arrive in order; what piles up meanwhile goes together.
  void tell(Map<String, Object?> report) {
    _waiting.add(report);
    if (_waiting.length == 1) _sent = _sent.then((_) => _send());
  }

  /// Commands as they come.
  Stream<JsonMap> commands() async* {
    while (true) {
      final response = await (await _http.getUrl(_url)).close();
      final text = await utf8.decodeStream(response);
      if (response.statusCode == 200) yield JsonMap.of(jsonDecode(text));
    }
  }

  void close() => _http.close(force: true);

  Future<void> _send() async {
    final reports = _waiting;
    _waiting = [];
    final request = await _http.postUrl(_url);
    request.headers.contentType = ContentType.json;
    // JSON has no infinity.
    request.write(jsonEncode(reports, toEncodable: (value) => '$value'));
    final response = await request.close();
    await response.drain<void>();
    if (response.statusCode != 204) throw StateError('The judge answered with ${response.statusCode}');
  }
}
