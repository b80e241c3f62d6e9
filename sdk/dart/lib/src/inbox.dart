import 'errors.dart';
import 'events.dart';
import 'exception.dart';
import 'json.dart';
import 'options.dart';
import 'outbox.dart';
import 'pending.dart';
import 'position.dart';
import 'resync.dart';
import 'stats.dart';

/// For whom messages are that are no answers.
abstract interface class InboxListener {
  /// The connection's first word.
  void onWelcome(Welcome welcome);

  /// In its place: why nobody is let in.
  void onRefusal(GodraException error);

  /// New events of one message, in order.
  void onEvents(List<GameEvent> events);

  /// Something failed that nobody awaits.
  void onError(GodraException error);
}

/// Reads the messages of the server, and hands each to whom it is for.
final class Inbox {
  /// Made by the conversation.
  Inbox(this._options, this._position, this._pending, this._outbox, this._resync, this._stats, this._listener);

  final GodraOptions _options;
  final Position _position;
  final Pending _pending;
  final Outbox _outbox;
  final Resync _resync;
  final RoomStats _stats;
  final InboxListener _listener;
  List<GameEvent> _events = [];
  bool _isOpen = false;

  /// Another connection begins, with a welcome of its own.
  void restart() => _isOpen = false;

  /// Takes a message.
  void read(String text) {
    final Object? message;
    try {
      message = (_options.decoder ?? readJson)(text);
    } on FormatException catch (e) {
      return unreadable(e.message);
    } on Object catch (e) {
      // The game's own decoder may fail in other ways.
      return unreadable('cannot be read: ${e.runtimeType}');
    }
    _one(message, isInBatch: false);
    _deliver();
  }

  /// A message came that cannot be read. It may have been an event.
  void unreadable(String why) {
    _malformed(why);
    if (!_isOpen) return;
    _position.doubt();
    _resync.want();
  }

  void _malformed(String why) {
    // What came before it in the same message comes before it at the game, too.
    _deliver();
    _stats.badMessages++;
    _listener.onError(ProtocolException('bad_message', 'A message of the server $why'));
  }

  void _deliver() {
    if (_events.isEmpty) return;
    final events = _events;
    _events = [];
    _stats.events += events.length;
    _listener.onEvents(events);
  }

  void _one(Object? message, {required bool isInBatch}) {
    if (message is! Map<String, Object?>) return unreadable('is not an object');
    final type = message['type'];
    if (type is! String) return unreadable('has no type');
    switch (type) {
      case 'batch':
        _batch(message, isInBatch);
      case 'error' when !_isOpen:
        _refusal(message['payload']);
      case 'reply' || 'error':
        _answer(message, isError: type == 'error');
      case 'welcome':
        _welcome(message['payload'], isInBatch);
      case _ when !_isOpen:
        _malformed('is of the type $type, and comes before the welcome');
      case 'snapshot':
        _snapshot(message);
      default:
        _event(type, message);
    }
  }

  void _batch(Map<String, Object?> message, bool isInBatch) {
    final events = message['events'];
    if (isInBatch) return unreadable('has a batch in a batch');
    if (events is! List<Object?>) return unreadable('is a batch without a list of events');
    for (final event in events) {
      _one(event, isInBatch: true);
    }
  }

  void _welcome(Object? payload, bool isInBatch) {
    if (_isOpen || isInBatch) return _malformed(_isOpen ? 'is a second welcome' : 'has a welcome in a batch');
    final Welcome welcome;
    try {
      welcome = Welcome.read(payload);
    } on FormatException catch (e) {
      return _malformed('is no welcome: ${e.message}');
    }
    _isOpen = true;
    _listener.onWelcome(welcome);
  }

  void _refusal(Object? payload) {
    final error = JsonMap.of(payload);
    if (error.text('code') == null) return _malformed('is an error without a code, and comes before the welcome');
    _listener.onRefusal(errorOfRefusal(error));
  }

  void _snapshot(Map<String, Object?> message) {
    final seq = wholeOf(message['seq']);
    final epoch = message['epoch'];
    if (seq == null || epoch is! String) return unreadable('is a snapshot without its epoch or seq');
    _position.snapshot(epoch, seq);
    _outbox.epochIs(epoch);
    _resync.done();
    _events.add(GameEvent('snapshot', message['payload'], seq));
  }

  void _event(String type, Map<String, Object?> message) {
    final given = message['seq'];
    final seq = wholeOf(given);
    if (seq == null && given != null) return unreadable('is an event $type with a seq that is not a whole number');
    if (_position.event(seq)) _events.add(GameEvent(type, message['payload'], seq));
  }

  void _answer(Map<String, Object?> message, {required bool isError}) {
    final (id, n) = (wholeOf(message['id']), wholeOf(message['n']));
    final isWrong = (id == null && (message['id'] != null || !isError)) || (n == null && message['n'] != null);
    if (isWrong) return _malformed('is an answer with an id or n that is not a whole number');
    final error = isError ? errorOfPayload(message['payload']) : null;
    // An error that says nothing still ends the request whose it is.
    if (error?.code == 'bad_message' && id == null && n == null) return _malformed('is an error without a code');
    if (_outbox.settle(id, n, message['result'], error)) return;
    if (!_pending.settle(id, message['result'], error) && error != null && id == null) _listener.onError(error);
  }
}
