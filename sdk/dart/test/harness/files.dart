import 'dart:convert';
import 'dart:io';

/// A file beside this package, such as `protocol.json`.
Map<String, Object?> sdkFile(String path) => jsonDecode(File('../$path').readAsStringSync()) as Map<String, Object?>;

/// The objects of a list in such a file.
List<Map<String, Object?>> objects(Object? list) => (list! as List<Object?>).cast<Map<String, Object?>>();
