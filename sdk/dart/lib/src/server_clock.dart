import 'dart:collection';

const _samples = 10;

/// The year 9999.
const _maxMs = 253402300799999.0;

/// How far the server's clock is from this one, by the answer with the shortest round trip of the last ones. It is forgotten with
/// its connection: another server's clock is another one.
final class ServerClock {
  final _measured = Queue<({double roundTripMs, double offsetMs})>();
  double? _ofWelcome;

  /// A connection is there; [serverMs] is too low by the welcome's way through the network.
  void begin(double nowMs, int? serverMs) {
    forget();
    if (serverMs != null) _ofWelcome = serverMs - nowMs;
  }

  /// A heartbeat was answered.
  void measured(double sentMs, double gotMs, int? serverMs) {
    if (serverMs == null) return;
    final roundTrip = gotMs - sentMs;
    _measured.addLast((roundTripMs: roundTrip, offsetMs: serverMs + roundTrip / 2 - gotMs));
    if (_measured.length > _samples) _measured.removeFirst();
  }

  /// The connection is gone.
  void forget() {
    _measured.clear();
    _ofWelcome = null;
  }

  /// The server's time; null without a connection.
  DateTime? at(double nowMs) {
    var best = (roundTripMs: double.infinity, offsetMs: _ofWelcome);
    for (final one in _measured) {
      if (one.roundTripMs < best.roundTripMs) best = one;
    }
    final offset = best.offsetMs;
    if (offset == null) return null;
    return DateTime.fromMillisecondsSinceEpoch((nowMs + offset).clamp(0, _maxMs).round(), isUtc: true);
  }
}
