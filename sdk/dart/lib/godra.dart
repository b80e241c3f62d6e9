/// A client for Godra, a self-hosted multiplayer game server.
///
/// Begin with [GodraClient].
library;

export 'src/auth.dart' show Auth;
export 'src/cancel.dart' show CancelToken;
export 'src/client.dart' show GodraClient;
export 'src/clock.dart' show Clock, SystemClock;
export 'src/credential.dart';
export 'src/events.dart';
export 'src/exception.dart';
export 'src/http.dart' show HttpAnswer, HttpAsk, HttpFailure, HttpSend;
export 'src/json.dart' show JsonMap;
export 'src/link.dart';
export 'src/lobby.dart' show LobbyInfo, LobbyPage;
export 'src/lobby_reducers.dart';
export 'src/options.dart';
export 'src/platform/platform.dart' show FileSessionStore;
export 'src/players.dart';
export 'src/room.dart' show Room;
export 'src/session.dart';
export 'src/session_store.dart' show CallbackSessionStore, MemorySessionStore, SessionStore, SharedSessionStore;
export 'src/stats.dart' show RoomStats;
