import 'dart:convert';

import 'json.dart';

/// Whose token it is, as far as that can be told without asking: a JWT says it to everyone.
String? userOfJwt(String token) {
  final parts = token.split('.');
  if (parts.length != 3) return null;
  try {
    return JsonMap.of(readJson(utf8.decode(base64Url.decode(base64Url.normalize(parts[1]))))).text('sub');
  } on FormatException {
    return null;
  }
}
