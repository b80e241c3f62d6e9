import 'dart:async';

import 'clock.dart';
import 'link.dart';

/// Characters, of which each may take three bytes.
const _maxReason = 41;

/// Hears of the attempt that counts.
abstract interface class DialListener {
  /// A message came.
  void onText(String text, int bytes);

  /// A message came that cannot be read.
  void onUnreadable(String why);

  /// The link is over.
  void onEnd(LinkEnd end);

  /// No welcome came in time.
  void onTimeout();
}

/// One attempt and the connection that it becomes. When it is left, nothing of it is heard any more.
final class Dial implements LinkListener {
  /// Nothing happens before [start].
  Dial(this._listener, this._clock);

  final DialListener _listener;
  final Clock _clock;
  Link? _link;
  Timer? _timer;
  bool _isLeft = false;

  /// When anything came last.
  double heardAt = 0;

  /// Opens the link; the welcome has [limit].
  void start(LinkOpener open, LinkRequest request, Duration limit) {
    _timer = _clock.after(limit, () {
      if (!_isLeft) _listener.onTimeout();
    });
    _link = open(request, this);
  }

  /// The welcome is there.
  void welcomed() => _timer?.cancel();

  /// Whether it was sent.
  bool send(String text) => !_isLeft && (_link?.send(text) ?? false);

  /// Done when the socket is closed.
  Future<void> leave(int code, String reason) {
    _isLeft = true;
    _timer?.cancel();
    // A close frame holds 123 bytes, and a browser throws for more.
    return _link?.close(code, reason.length > _maxReason ? '' : reason) ?? Future.value();
  }

  @override
  void opened() {}

  @override
  void heard() => heardAt = _clock.nowMs;

  @override
  void received(String text, int bytes) {
    heardAt = _clock.nowMs;
    if (!_isLeft) _listener.onText(text, bytes);
  }

  @override
  void unreadable(String why) {
    if (!_isLeft) _listener.onUnreadable(why);
  }

  @override
  void ended(LinkEnd end) {
    _timer?.cancel();
    if (_isLeft) return;
    _isLeft = true;
    _listener.onEnd(end);
  }
}
