/// Counts of a room, over all its connections.
final class RoomStats {
  /// Bytes of messages from the server.
  int bytesReceived = 0;

  /// Bytes of messages to it.
  int bytesSent = 0;

  /// Messages from the server.
  int framesReceived = 0;

  /// Messages to it.
  int framesSent = 0;

  /// Events of the room.
  int events = 0;

  /// Connections after the first.
  int reconnects = 0;

  /// Inputs that were not sent, as there was no connection or the network was too slow.
  int dropped = 0;

  /// Messages that could not be read.
  int badMessages = 0;

  /// How often the whole state was asked for, after a message that could not be read.
  int resyncs = 0;

  /// All of them as they are now.
  RoomStats copy() => RoomStats()
    ..bytesReceived = bytesReceived
    ..bytesSent = bytesSent
    ..framesReceived = framesReceived
    ..framesSent = framesSent
    ..events = events
    ..reconnects = reconnects
    ..dropped = dropped
    ..badMessages = badMessages
    ..resyncs = resyncs;
}

/// What only this package does with them.
extension Counting on RoomStats {
  /// A message went out.
  void sent(String text) {
    framesSent++;
    bytesSent += _utf8Length(text);
  }
}

int _utf8Length(String text) {
  var bytes = text.length;
  for (var i = 0; i < text.length; i++) {
    final unit = text.codeUnitAt(i);
    // Half of a pair is half of four bytes.
    if (unit >= 0x80) bytes += unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 1 : 2;
  }
  return bytes;
}
