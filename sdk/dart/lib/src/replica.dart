import 'events.dart';
import 'json.dart';

/// The room's state as this client knows it: the last welcome's or snapshot's, with all later events applied.
final class Replica {
  /// With reducers by the type of their event.
  Replica(Map<String, Reducer> reducers) : _reducers = {...reducers};

  final Map<String, Reducer> _reducers;

  /// As the room's script describes it: any JSON.
  Object? get value => _value;
  Object? _value;

  /// [value] as an object. Lua writes an empty one as a list.
  JsonMap get map {
    final value = _value;
    if (value is Map<String, Object?>) return JsonMap(value);
    if (value != null && (value is! List || value.isNotEmpty)) return JsonMap({});
    final empty = <String, Object?>{};
    _value = empty;
    return JsonMap(empty);
  }

  /// [map] as another object with the same members, so that who compares sees that something came.
  JsonMap copy() => JsonMap({...map});

  /// From now on.
  void reduce(Map<String, Reducer> reducers) => _reducers.addAll(reducers);

  /// A connection is there.
  void welcome(Welcome welcome) {
    if (!welcome.recovered) _value = _copy(welcome.state);
  }

  /// Whether anything may have changed.
  bool apply(GameEvent event) {
    if (event.type == 'snapshot') {
      _value = _copy(event.value);
      return true;
    }
    final reducer = _reducers[event.type];
    if (reducer == null) return false;
    reducer(map, event);
    return true;
  }

  /// So that reducers change what is here, and not what the server sent.
  static Object? _copy(Object? json) => switch (json) {
        final Map<String, Object?> map => {for (final MapEntry(:key, :value) in map.entries) key: _copy(value)},
        final List<Object?> list => [for (final one in list) _copy(one)],
        _ => json,
      };
}
