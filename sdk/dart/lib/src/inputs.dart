import 'dart:convert';

import 'errors.dart';
import 'exception.dart';

/// What the server takes.
const _maxBytes = 64 << 10;

/// For an `id` and an `n`, which come to it.
const _numbersBytes = 64;

final _action = RegExp(r'^[A-Za-z0-9_-]{1,64}$');

/// The text of an input; fails for what cannot be one.
String inputText(String action, Object? payload) {
  if (!_action.hasMatch(action)) {
    throw inputError(
      'bad_request',
      'Not an action: "$action". It is 1 to 64 letters, digits, underscores and hyphens',
      Outcome.none,
    );
  }
  final String text;
  try {
    text = '{"action":"$action","payload":${jsonEncode(payload)}}';
  } on Object catch (e) {
    // Also what a game's toJson throws, and the end of the stack.
    throw inputError('bad_request', 'The payload of $action cannot be JSON: ${_words(e)}', Outcome.none);
  }
  if (text.length * 3 + _numbersBytes > _maxBytes && utf8.encode(text).length + _numbersBytes > _maxBytes) {
    throw inputError('too_large', '$action is longer than $_maxBytes bytes with its payload: it was not sent', Outcome.none);
  }
  return text;
}

/// The same with a number more.
String withNumber(String text, String name, int value) => '${text.substring(0, text.length - 1)},"$name":$value}';

/// Without the object itself: that may be what nobody can print.
String _words(Object e) => switch (e) {
      JsonCyclicError() => 'it contains itself',
      JsonUnsupportedObjectError(:final unsupportedObject) => 'it holds a ${unsupportedObject.runtimeType}',
      _ => '${e.runtimeType}',
    };
