import 'dart:convert';

import 'package:godra/godra.dart';
import 'package:godra/src/json.dart' show maxDepth, readJson, wholeOf;
import 'package:test/test.dart';

void main() {
  final map = JsonMap.of(jsonDecode('{"i": 1, "d": 1.0, "half": 1.5, "t": "x", "f": true, "m": {"a": 1}, "l": [1], "big": 1e300, "n": null}'));

  test('numbers are numbers, whole or not', () {
    expect([map.number('i'), map.number('d'), map.number('half')], [1.0, 1.0, 1.5]);
    expect([map.integer('i'), map.integer('d')], [1, 1]);
    expect([map.integer('half'), map.integer('big'), map.integer('t'), map.number('t'), map.number('none')], [null, null, null, null, null]);
  });

  test('members of another type are null', () {
    expect([map.text('t'), map.flag('f'), map.map('m')?.integer('a'), map.list('l')], ['x', true, 1, [1]]);
    expect([map.text('i'), map.flag('t'), map.map('l'), map.list('m'), map.text('n')], [null, null, null, null, null]);
    expect(JsonMap.of([1]), isEmpty);
    expect(JsonMap.of(null), isEmpty);
  });

  test('whole numbers are taken in any spelling', () {
    expect([wholeOf(7), wholeOf(7.0), wholeOf(0), wholeOf(9007199254740992.0)], [7, 7, 0, 9007199254740992]);
    expect([wholeOf(-1), wholeOf(0.5), wholeOf('7'), wholeOf(null), wholeOf(double.infinity), wholeOf(double.nan)],
        [null, null, null, null, null, null]);
  });

  test('what is nested too deep is refused, and what is not is read', () {
    String nested(int depth) => '${'[' * depth}${']' * depth}';
    expect(readJson(nested(maxDepth)), isA<List<Object?>>());
    expect(() => readJson(nested(maxDepth + 1)), throwsA(isA<FormatException>()));
    expect(() => readJson('[' * 100000), throwsA(isA<FormatException>()));
    expect(() => readJson('{"a":' * 10000), throwsA(isA<FormatException>()));
  });

  test('brackets in strings are no depth', () {
    final text = '[["${'[' * 2000}", "\\"${'{' * 2000}"]]';
    expect(readJson(text), isA<List<Object?>>());
    final many = '[${List.filled(3000, '[]').join(',')}]';
    expect(readJson(many), hasLength(3000));
  });

  test('of two members with one name the last counts', () => expect(readJson('{"a":1,"a":2}'), {'a': 2}));

  test('names of members are data', () => expect(readJson('{"__proto__":{"x":1},"constructor":2}'), {'__proto__': {'x': 1}, 'constructor': 2}));
}
