import 'dart:convert';

import '../json.dart';
import '../link.dart';

/// What the game sent.
final class FakeInput {
  /// From its text.
  FakeInput(String text) : fields = JsonMap.of(jsonDecode(text));

  /// All of it.
  final JsonMap fields;

  /// Which one.
  String get action => fields.text('action')!;

  /// With what: any JSON.
  Object? get payload => fields['payload'];

  /// Of a request.
  int? get id => fields.integer('id');

  /// Of a request that runs once.
  int? get n => fields.integer('n');

  @override
  String toString() => jsonEncode(fields);
}

/// A link whose other end is the test.
final class FakeLink implements Link {
  /// [onInput] hears what is sent.
  FakeLink(this.request, this.listener, {required void Function(FakeInput input) onInput}) : _onInput = onInput;

  /// What it was opened with.
  final LinkRequest request;

  /// The client's end.
  final LinkListener listener;

  final void Function(FakeInput input) _onInput;
  bool _hasEnded = false;

  /// Whether the network takes nothing more.
  bool isFull = false;

  /// How the client closed it; null as long as it did not.
  ({int code, String reason})? closed;

  /// Whether it lives.
  bool get isOpen => closed == null && !_hasEnded;

  /// A message of the server's, as text.
  void receive(String text) => listener.received(text, utf8.encode(text).length);

  /// The server ends it, or the network does.
  void end(LinkEnd end) {
    if (!isOpen) return;
    _hasEnded = true;
    listener.ended(end);
  }

  @override
  bool send(String text) {
    if (!isOpen || isFull) return false;
    _onInput(FakeInput(text));
    return true;
  }

  @override
  Future<void> close(int code, String reason) async => closed ??= (code: code, reason: reason);
}
