/// The part of `package:test` that these tests use, for machines without pub. With pub `dart test` runs them as they are.
library;

import 'dart:async';
import 'dart:io';

import 'matchers.dart';

export 'matchers.dart';

typedef _Body = FutureOr<void> Function();

final _tests = <({String name, _Body body, List<_Body> before, List<_Body> after, Duration limit})>[];
var _prefix = '';
var _before = <_Body>[];
var _after = <_Body>[];
var _isScheduled = false;

/// What the running test wants to be done after it.
var _tearDowns = <_Body>[];

/// What kind of tests a file has.
final class Tags {
  const Tags(this.tags);

  final List<String> tags;
}

/// How long a test may take.
final class Timeout {
  const Timeout(this.duration);

  final Duration duration;
}

void group(String name, void Function() body) {
  final (prefix, before, after) = (_prefix, _before, _after);
  _prefix = '$prefix$name ';
  _before = [...before];
  _after = [...after];
  body();
  _prefix = prefix;
  _before = before;
  _after = after;
}

void setUp(_Body body) => _before.add(body);

void tearDown(_Body body) => _after.add(body);

void addTearDown(_Body body) => _tearDowns.add(body);

void test(String name, _Body body, {Timeout timeout = const Timeout(Duration(minutes: 2))}) {
  _tests.add((name: '$_prefix$name', body: body, before: _before, after: _after, limit: timeout.duration));
  if (_isScheduled) return;
  _isScheduled = true;
  // When all are known.
  Timer.run(_runAll);
}

/// Something that a test expects is not so.
final class TestFailure implements Exception {
  TestFailure(this.message);

  final String message;

  @override
  String toString() => message;
}

void expect(Object? actual, Object? matcher, {String? reason}) {
  final matches = matcherOf(matcher);
  if (matches is AsyncMatcher) {
    // Of a function that throws at once; expectLater is for futures.
    final error = thrownBy(actual);
    if (error != null && matches.inner.matches(error.error)) return;
    throw TestFailure('expected $matches, but ${error == null ? 'nothing was thrown' : '${error.error} was'}');
  }
  if (matches.matches(actual)) return;
  throw TestFailure('${reason == null ? '' : '$reason: '}expected $matches, got ${show(actual)}');
}

Future<void> expectLater(Object? actual, Object? matcher) async {
  final matches = matcherOf(matcher);
  if (matches is! AsyncMatcher) return expect(actual is Future ? await actual : actual, matches);
  try {
    final Object? value = await (actual! as Future<Object?>);
    throw TestFailure('expected $matches, but it gave ${show(value)}');
  } on TestFailure {
    rethrow;
  } on Object catch (e) {
    if (!matches.inner.matches(e)) throw TestFailure('expected $matches, but it threw $e');
  }
}

Never fail(String message) => throw TestFailure(message);

Future<void> _runAll() async {
  final only = Platform.environment['GODRA_TESTS'] ?? '';
  var (passed, failed) = (0, 0);
  for (final one in _tests.where((one) => one.name.contains(only))) {
    final error = await _run(one.body, one.before, one.after, one.limit);
    error == null ? passed++ : failed++;
    stdout.writeln(error == null ? 'passed  ${one.name}' : 'FAILED  ${one.name}: $error');
  }
  stdout.writeln('$passed passed, $failed failed');
  await stdout.flush();
  exit(failed == 0 && passed > 0 ? 0 : 1);
}

/// What went wrong; also what nobody caught.
Future<Object?> _run(_Body body, List<_Body> before, List<_Body> after, Duration limit) {
  final done = Completer<Object?>();
  _tearDowns = [];
  runZonedGuarded(() async {
    Object? error;
    try {
      await _inTime(() async {
        for (final one in before) {
          await one();
        }
        await body();
      }, limit);
    } on Object catch (e, stack) {
      error = '$e\n$stack';
    }
    for (final one in [..._tearDowns.reversed, ...after]) {
      try {
        await one();
      } on Object catch (e, stack) {
        error ??= 'after it: $e\n$stack';
      }
    }
    if (!done.isCompleted) done.complete(error);
  }, (e, stack) {
    if (!done.isCompleted) done.complete('nobody caught $e\n$stack');
  });
  return done.future;
}

Future<void> _inTime(Future<void> Function() body, Duration limit) =>
    body().timeout(limit, onTimeout: () => throw TestFailure('it took longer than $limit'));
