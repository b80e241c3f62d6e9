import 'dart:async';

/// Whether a value is as expected.
class Matcher {
  const Matcher(this._words, this.matches);

  final String _words;
  final bool Function(Object? actual) matches;

  @override
  String toString() => _words;
}

/// Of what a call throws.
final class AsyncMatcher extends Matcher {
  AsyncMatcher(this.inner) : super('an error that is $inner', (_) => false);

  final Matcher inner;
}

/// Of a type, with more to be said.
final class TypeMatcher<T> extends Matcher {
  TypeMatcher([String? words, List<Matcher> more = const []])
      : _more = more,
        super('${words ?? 'a $T'}${more.map((one) => ', $one').join()}', (actual) => actual is T && more.every((one) => one.matches(actual)));

  final List<Matcher> _more;

  TypeMatcher<T> having(Object? Function(T value) feature, String name, Object? matcher) {
    final expected = matcherOf(matcher);
    return TypeMatcher<T>(null, [..._more, Matcher('with $name $expected', (actual) => expected.matches(feature(actual as T)))]);
  }
}

TypeMatcher<T> isA<T>() => TypeMatcher<T>();

Matcher matcherOf(Object? matcher) => matcher is Matcher ? matcher : equals(matcher);

Matcher equals(Object? expected) => Matcher(show(expected), (actual) => _same(actual, expected));

Matcher same(Object? expected) => Matcher('the same as ${show(expected)}', (actual) => identical(actual, expected));

Matcher isNot(Object? matcher) => Matcher('not ${matcherOf(matcher)}', (actual) => !matcherOf(matcher).matches(actual));

const isTrue = Matcher('true', _isTrue);
const isFalse = Matcher('false', _isFalse);
const isNull = Matcher('null', _isNull);
const isNotNull = Matcher('not null', _isNotNull);
const isEmpty = Matcher('empty', _isEmpty);
final isNotEmpty = isNot(isEmpty);

bool _isTrue(Object? actual) => actual == true;
bool _isFalse(Object? actual) => actual == false;
bool _isNull(Object? actual) => actual == null;
bool _isNotNull(Object? actual) => actual != null;
bool _isEmpty(Object? actual) => _length(actual) == 0;

Matcher hasLength(int length) => Matcher('of length $length', (actual) => _length(actual) == length);

Matcher contains(Object? expected) => Matcher(
      'with ${show(expected)} in it',
      (actual) => switch (actual) {
        final String text => text.contains('$expected'),
        final Map<Object?, Object?> map => map.containsKey(expected),
        final Iterable<Object?> list => list.any((one) => matcherOf(expected).matches(one)),
        _ => false,
      },
    );

Matcher lessThan(num limit) => Matcher('below $limit', (actual) => actual is num && actual < limit);

Matcher greaterThan(num limit) => Matcher('above $limit', (actual) => actual is num && actual > limit);

Matcher inInclusiveRange(num least, num most) =>
    Matcher('from $least to $most', (actual) => actual is num && actual >= least && actual <= most);

Matcher throwsA(Object? matcher) => AsyncMatcher(matcherOf(matcher));

/// What a function throws at once; null if it does not.
({Object error})? thrownBy(Object? call) {
  try {
    final Object? result = (call! as Object? Function())();
    if (result is Future<Object?>) unawaited(result.then((_) {}, onError: (_) {}));
  } on Object catch (e) {
    return (error: e);
  }
  return null;
}

String show(Object? value) => value is String ? '"$value"' : '$value';

int? _length(Object? value) => switch (value) {
      final String text => text.length,
      final Map<Object?, Object?> map => map.length,
      final Iterable<Object?> list => list.length,
      _ => null,
    };

bool _same(Object? actual, Object? expected) => switch ((actual, expected)) {
      (final Map<Object?, Object?> a, final Map<Object?, Object?> b) =>
        a.length == b.length && a.keys.every((key) => b.containsKey(key) && matcherOf(b[key]).matches(a[key])),
      (final Iterable<Object?> a, final Iterable<Object?> b) => a.length == b.length && _sameLists(a.toList(), b.toList()),
      _ => actual == expected,
    };

bool _sameLists(List<Object?> a, List<Object?> b) {
  for (var i = 0; i < a.length; i++) {
    if (!matcherOf(b[i]).matches(a[i])) return false;
  }
  return true;
}
