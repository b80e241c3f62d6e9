import 'dart:math';

import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'heartbeat.dart';
import 'inbox.dart';
import 'inputs.dart';
import 'json.dart';
import 'latest.dart';
import 'options.dart';
import 'outbox.dart';
import 'pending.dart';
import 'position.dart';
import 'resync.dart';
import 'server_clock.dart';
import 'stats.dart';

/// So soon a connection has to show that it lived through a sleep.
const _wakeLimit = Duration(seconds: 3);

/// What is said in a room over all its connections: inputs and their answers, events, and the place in the room's history.
final class Conversation {
  /// [_send] tells whether a text was sent; [heardAt] is when anything came.
  Conversation(
    this._options,
    Random random,
    this._send, {
    required double Function() heardAt,
    required void Function() died,
    required InboxListener listener,
  }) {
    _pending = Pending(_options.clock);
    _outbox = Outbox(_send, _options.clock, random);
    _latest = Latest(_send, _options.clock, () => stats.dropped++);
    _heartbeat = Heartbeat(_options.clock, _options.heartbeat, ping, heardAt, died);
    _resync = Resync(_options.clock, _askForState);
    inbox = Inbox(_options, position, _pending, _outbox, _resync, stats, listener);
  }

  final GodraOptions _options;
  final bool Function(String text) _send;
  late final Pending _pending;
  late final Outbox _outbox;
  late final Latest _latest;
  late final Heartbeat _heartbeat;
  late final Resync _resync;

  /// Where messages go.
  late final Inbox inbox;

  /// Where this client is.
  final position = Position();

  /// What was counted.
  final stats = RoomStats();
  final _serverClock = ServerClock();
  bool _wasWelcome = false;
  int _nextId = 1;

  /// The median of the last round trips.
  Duration? get latency => _heartbeat.latency;

  /// Null without a connection.
  DateTime? get serverTime => _serverClock.at(_options.clock.nowMs);

  /// A connection is there.
  void welcome(Welcome welcome) {
    if (_wasWelcome) stats.reconnects++;
    _wasWelcome = true;
    position.welcome(recovered: welcome.recovered, epoch: welcome.epoch, seq: welcome.seq);
    _serverClock.begin(_options.clock.nowMs, welcome.nowMs);
    _heartbeat.start(_options.requestTimeout);
    // Before the game hears of the connection, so that all that it sends then comes behind.
    _outbox.welcome(welcome);
    _latest.welcome(welcome);
  }

  /// See `Room.sendLatest`.
  void sendLatest(String key, String text) => _latest.put(key, text);

  /// Takes a request; gives its id.
  int request(String action, Object? payload, Duration? timeout, Answered answered, {required bool once}) {
    final text = inputText(action, payload);
    final id = _nextId++;
    if (once) {
      _outbox.add(id, action, text, timeout, answered);
    } else if (_pending.isFull) {
      answered(null, inputError('queue_full', '$maxPending requests wait already: $action was not sent', Outcome.none));
    } else if (!_send(withNumber(text, 'id', id))) {
      answered(null, notSent(action));
    } else {
      _pending.add(id, action, timeout ?? _options.requestTimeout, answered);
    }
    return id;
  }

  /// Nobody waits for this request any more.
  void forget(int id) {
    _pending.forget(id);
    _outbox.forget(id);
  }

  /// Asks for a sign of life at once.
  void checkNow() => _heartbeat.check(_wakeLimit, _options.requestTimeout);

  /// The connection is gone.
  void lost(String why) {
    _heartbeat.stop();
    _resync.stop();
    _serverClock.forget();
    _pending.lost(why);
    _outbox.lost();
    _latest.lost();
  }

  /// No connection will follow.
  void end(String why) {
    lost(why);
    _outbox.end(why);
    _latest.end();
  }

  /// Asks for a sign of life, and learns from the answer where the server is.
  void ping(Duration limit, Answered answered) {
    final sentAt = _options.clock.nowMs;
    _ask('heartbeat', limit, (result, error) {
      if (error == null) {
        final now = _options.clock.nowMs;
        final told = JsonMap.of(result);
        _heartbeat.measured(now - sentAt);
        _serverClock.measured(sentAt, now, wholeOf(told['now']));
        position.reached(wholeOf(told['seq']));
      }
      answered(result, error);
    });
  }

  void _askForState(Answered answered) {
    stats.resyncs++;
    _ask('resync', _options.requestTimeout, answered);
  }

  void _ask(String action, Duration limit, Answered answered) {
    final id = _nextId++;
    if (!_send(withNumber(inputText(action, null), 'id', id))) return answered(null, notSent(action));
    _pending.add(id, action, limit, answered);
  }
}
