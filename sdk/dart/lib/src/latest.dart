import 'dart:async';

import 'clock.dart';
import 'events.dart';

/// What is older than this when the connection is back is not sent any more.
const _maxAgeMs = 1000.0;

/// Inputs of which only the newest counts, such as a position: at most one an interval and key goes out.
final class Latest {
  /// [_dropped] is called for each that had become too old.
  Latest(this._send, this._clock, this._dropped);

  final bool Function(String text) _send;
  final Clock _clock;
  final void Function() _dropped;
  final _slots = <String, _Slot>{};
  Duration _interval = const Duration(milliseconds: 50);
  bool _isOpen = false;

  /// Takes the place of what waits under [key].
  void put(String key, String text) {
    final slot = _slots[key] ??= _Slot();
    slot
      ..text = text
      ..at = _clock.nowMs;
    if (_isOpen && slot.timer == null) _sendNow(key, slot);
  }

  /// A connection is there.
  void welcome(Welcome welcome) {
    _isOpen = true;
    _interval = welcome.syncInterval;
    for (final MapEntry(:key, value: slot) in _slots.entries.toList()) {
      if (slot.text != null && _clock.nowMs - slot.at < _maxAgeMs) {
        _sendNow(key, slot);
        continue;
      }
      if (slot.text != null) _dropped();
      _slots.remove(key);
    }
  }

  /// The connection is gone.
  void lost() {
    _isOpen = false;
    for (final slot in _slots.values) {
      slot.timer?.cancel();
      slot.timer = null;
    }
  }

  /// No connection will follow.
  void end() {
    lost();
    _slots.clear();
  }

  /// What a network that is too slow does not take goes later, or a newer one does.
  void _sendNow(String key, _Slot slot) {
    if (_send(slot.text!)) slot.text = null;
    slot.timer = _clock.after(_interval, () {
      slot.timer = null;
      if (slot.text == null) {
        _slots.remove(key);
      } else {
        _sendNow(key, slot);
      }
    });
  }
}

final class _Slot {
  String? text;
  double at = 0;
  Timer? timer;
}
