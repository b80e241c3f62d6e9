import 'dart:convert';

/// A JSON object, with accessors that take whole numbers for numbers: `1` is an `int` off the web, so `payload['x'] as double`
/// fails for it. Each gives null for a member that is missing or of another type.
extension type const JsonMap(Map<String, Object?> fields) implements Map<String, Object?> {
  /// [value] as an object; an empty one if it is none.
  JsonMap.of(Object? value) : fields = value is Map<String, Object?> ? value : {};

  /// A number, whole or not.
  double? number(String name) => switch (fields[name]) { final num value => value.toDouble(), _ => null };

  /// A whole number, in whatever way it was written: `7`, `7.0` or `7e0`.
  int? integer(String name) => switch (fields[name]) {
        final int value => value,
        final double value when _isWhole(value) => value.toInt(),
        _ => null,
      };

  /// A text.
  String? text(String name) => switch (fields[name]) { final String value => value, _ => null };

  /// A truth value.
  bool? flag(String name) => switch (fields[name]) { final bool value => value, _ => null };

  /// An object.
  JsonMap? map(String name) => switch (fields[name]) { final Map<String, Object?> value => JsonMap(value), _ => null };

  /// A list.
  List<Object?>? list(String name) => switch (fields[name]) { final List<Object?> value => value, _ => null };
}

/// What a double holds without a gap.
const _maxExact = 9007199254740992.0;

bool _isWhole(double value) => value.abs() <= _maxExact && value == value.truncateToDouble();

/// A `seq`, `id` or `n`: a whole number from 0 on; null for anything else.
int? wholeOf(Object? value) {
  final whole = value is int ? value : (value is double && _isWhole(value) ? value.toInt() : null);
  return whole != null && whole >= 0 ? whole : null;
}

/// What is nested deeper than this is not read: the game's own functions over it would overflow the stack.
const maxDepth = 512;

/// Reads JSON, or throws a [FormatException].
Object? readJson(String text) {
  if (_isTooDeep(text)) throw const FormatException('is nested deeper than $maxDepth levels');
  try {
    return jsonDecode(text);
  } on FormatException catch (e) {
    throw FormatException('is not JSON: ${e.message}');
  }
}

bool _isTooDeep(String text) {
  // Each level takes two characters.
  if (text.length <= 2 * maxDepth) return false;
  var depth = 0;
  for (var i = 0; i < text.length; i++) {
    switch (text.codeUnitAt(i)) {
      case 0x22: // "
        i = _endOfString(text, i + 1);
      case 0x5b || 0x7b: // [ {
        if (++depth > maxDepth) return true;
      case 0x5d || 0x7d: // ] }
        depth--;
    }
  }
  return false;
}

int _endOfString(String text, int from) {
  var at = from;
  while (at < text.length) {
    final unit = text.codeUnitAt(at);
    if (unit == 0x22) return at;
    at += unit == 0x5c ? 2 : 1; // A backslash hides what follows it.
  }
  return at;
}
