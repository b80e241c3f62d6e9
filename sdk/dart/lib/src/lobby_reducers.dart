import 'events.dart';
import 'json.dart';

/// For the scripts that come with the server: with them `room.state.map('players')` and `room.state.map('state')` are always right.
/// Events that are not shaped as those scripts make them change nothing.
final Map<String, Reducer> lobbyReducers = {
  'player_joined': _joined,
  'player_left': (state, event) => _players(state).remove(_userOf(event)),
  'player_moved': _moved,
  'player_away': (state, event) => _playerOf(state, event)?['away'] = true,
  'player_back': (state, event) => _playerOf(state, event)?.remove('away'),
  'player_upgraded': _upgraded,
  'state': _merged,
};

void _joined(JsonMap state, GameEvent event) {
  final id = _userOf(event);
  if (id == null) return;
  _mapAt(_players(state), id)
    ..['user_id'] = id
    ..['username'] = event.payload['username']
    ..remove('away');
}

void _moved(JsonMap state, GameEvent event) => _playerOf(state, event)
  ?..['x'] = event.payload['x']
  ..['y'] = event.payload['y'];

/// A `player_left` of the guest came just before, and took the position with it. The next move brings it again.
void _upgraded(JsonMap state, GameEvent event) {
  _players(state).remove(event.payload['old_id']);
  _joined(state, event);
}

/// What `update_state` passes on: the action `set` merges fields, and null removes one.
void _merged(JsonMap state, GameEvent event) {
  final changes = event.payload.map('payload');
  if (event.payload['action'] != 'set' || changes == null) return;
  final fields = _mapAt(state, 'state');
  for (final MapEntry(:key, :value) in changes.entries) {
    value == null ? fields.remove(key) : fields[key] = value;
  }
}

Map<String, Object?> _players(JsonMap state) => _mapAt(state, 'players');

Map<String, Object?>? _playerOf(JsonMap state, GameEvent event) => switch (_players(state)[_userOf(event)]) {
      final Map<String, Object?> player => player,
      _ => null,
    };

/// Lua cannot tell an empty list from an empty object: without members it may be either.
Map<String, Object?> _mapAt(Map<String, Object?> parent, String name) {
  final there = parent[name];
  if (there is Map<String, Object?>) return there;
  final made = <String, Object?>{};
  parent[name] = made;
  return made;
}

String? _userOf(GameEvent event) => event.payload.text('user_id');
