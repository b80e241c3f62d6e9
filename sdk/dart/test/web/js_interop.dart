// Just enough of dart:js_interop to check the types of the half for the web, on machines without dart2js. Never run.
// ignore_for_file: public_member_api_docs

import 'dart:typed_data';

final class JS {
  const JS([this.name]);

  final String? name;
}

extension type JSAny._(Object _) implements Object {}
extension type JSObject._(JSAny _) implements JSAny {}
extension type JSString._(JSAny _) implements JSAny {}
extension type JSFunction._(JSObject _) implements JSObject {}
extension type JSExportedDartFunction._(JSFunction _) implements JSFunction {}
extension type JSArray<T extends JSAny?>._(JSObject _) implements JSObject {}
extension type JSArrayBuffer._(JSObject _) implements JSObject {}
extension type JSPromise<T extends JSAny?>._(JSObject _) implements JSObject {}

extension JSAnyUtility on JSAny? {
  external bool isA<T extends JSAny?>();
}

extension ObjectToJS on Object? {
  external JSAny? jsify();
}

extension JSStringToString on JSString {
  external String get toDart;
}

extension StringToJS on String {
  external JSString get toJS;
}

extension FunctionToJS on Function {
  external JSExportedDartFunction get toJS;
}

extension ListToJS<T extends JSAny?> on List<T> {
  external JSArray<T> get toJS;
}

extension BufferToDart on JSArrayBuffer {
  external ByteBuffer get toDart;
}

extension PromiseToDart<T extends JSAny?> on JSPromise<T> {
  external Future<T> get toDart;
}
