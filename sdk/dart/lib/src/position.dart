/// Where this client is in the room's history: what it asks for when it comes back, and which events it has had already.
final class Position {
  String? _epoch;
  int? _seq;
  bool _isDoubtful = false;

  /// What a new connection goes on from; null if everything is to come anew.
  ({String epoch, int since})? get resume {
    final (epoch, seq) = (_epoch, _seq);
    return epoch == null || seq == null || _isDoubtful ? null : (epoch: epoch, since: seq);
  }

  /// A connection that goes on changes nothing: the missed events are yet to come.
  void welcome({required bool recovered, String? epoch, int? seq}) {
    if (!recovered || epoch != _epoch) _set(epoch, seq);
  }

  /// The room at exactly this place. It may be behind what was seen: a store that was restored has gone back.
  void snapshot(String epoch, int seq) => _set(epoch, seq);

  /// Whether this event is new. What is missing between two was for others.
  bool event(int? seq) {
    if (seq == null) return true;
    if (_seq != null && seq <= _seq!) return false;
    _seq = seq;
    return true;
  }

  /// The server says that all events up to this one have been sent.
  void reached(int? seq) {
    if (seq != null && (_seq == null || seq > _seq!)) _seq = seq;
  }

  /// Something came that cannot be read. It may have been an event, so the next connection asks for the state.
  void doubt() => _isDoubtful = true;

  /// Of another player, or of a room that is over.
  void forget() => _set(null, null);

  void _set(String? epoch, int? seq) {
    _epoch = epoch;
    _seq = seq;
    _isDoubtful = false;
  }
}
