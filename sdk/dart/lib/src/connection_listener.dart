import 'events.dart';
import 'exception.dart';

/// Hears what a room's connection brings.
abstract interface class ConnectionListener {
  /// For the first time or again.
  void onConnected(Welcome welcome);

  /// Of one message, in order.
  void onEvents(List<GameEvent> events);

  /// Something failed that nobody awaits.
  void onError(GodraException error);

  /// Before each attempt to come back.
  void onReconnecting(Reconnecting next);

  /// Once for each connection that is lost; without coming back exactly once, as the last of all.
  void onDisconnected(Disconnected end);
}
