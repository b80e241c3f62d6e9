import 'dart:async';

import 'package:godra/godra.dart';

import 'report.dart';

/// One client of the judge's: it does what is commanded, and tells what a game would see.
final class Player {
  Player(String url, GodraOptions options, this._tell) : _client = GodraClient(url, options: options) {
    _client.sessionEnded.listen((error) => _tell({'event': 'session_ended', ...errorReport(error)}));
  }

  final void Function(Map<String, Object?> report) _tell;
  final GodraClient _client;
  final _rooms = <String, Room>{};
  final _acts = <String, JsonMap>{};
  final _throwing = <String>{};
  bool _reduces = false;

  Future<void> close() => _client.close();

  /// Does it, and gives its value.
  Future<Object?> run(JsonMap command, CancelToken? cancel) async {
    final auth = _client.auth;
    String text(String name) => command.text(name)!;
    switch (text('do')) {
      case 'guest_login':
        return sessionReport(await auth.guest(cancel: cancel));
      case 'ensure':
        return sessionReport(await auth.ensure(cancel: cancel));
      case 'login':
        return sessionReport(await auth.login(text('username'), text('password'), cancel: cancel));
      case 'register':
        return accountReport(await auth.register(text('username'), text('password'), cancel: cancel));
      case 'upgrade':
        return sessionReport(await auth.upgrade(text('username'), text('password'), cancel: cancel));
      case 'account':
        return accountReport(await auth.account(cancel: cancel));
      case 'refresh':
        return sessionReport(await auth.refresh(cancel: cancel));
      case 'logout':
        await auth.logout(cancel: cancel);
      case 'connect':
        return (await _join(text('room'), cancel)).welcome.raw;
      case 'same_room':
        return identical(await _join(text('room'), cancel), await _join(text('room'), cancel));
      case 'rpc':
        final keys = command.list('keys')?.cast<String>();
        return _client.rpc(text('script'), args: command.list('args') ?? [], keys: keys, cancel: cancel);
      case 'list_rooms':
        final page = await _client.listRooms(limit: command.integer('limit') ?? 20, cursor: command.text('cursor'), cancel: cancel);
        return {'lobbies': [for (final lobby in page.lobbies) lobby.raw], 'cursor': page.cursor};
      case 'wake':
        _wake(text('signal'));
      case 'reduce':
        _reduces = true;
        for (final room in _rooms.values) {
          room.reduce(lobbyReducers);
        }
      case 'throw_in':
        _throwing.add(text('event'));
      case 'act_in':
        _acts[text('event')] = command.map('then')!;
      case 'close_client':
        await _client.close();
      default:
        return _inRoom(_roomOf(command.text('room')), command, cancel);
    }
    return null;
  }

  Future<Object?> _inRoom(Room room, JsonMap command, CancelToken? cancel) async {
    final action = command.text('action') ?? '';
    final once = command.flag('once') ?? false;
    final limit = command.integer('timeout_ms');
    final timeout = limit == null ? null : Duration(milliseconds: limit);
    Future<Object?> request(Object? payload) => room.request(action, payload, once: once, timeout: timeout, cancel: cancel);
    switch (command.text('do')) {
      case 'send':
        return room.send(action, command['payload']);
      case 'send_latest':
        for (final payload in command.list('payloads') ?? [command['payload']]) {
          room.sendLatest(action, payload, key: command.text('key'));
        }
      case 'request':
        return request(command['payload']);
      case 'requests':
        return Future.wait([for (var i = 0; i < command.integer('count')!; i++) request(i)]);
      case 'unsendable':
        final cycle = <Object?>[];
        cycle.add(cycle);
        return request(cycle);
      case 'state':
        return room.rawState;
      case 'connection':
        return connectionWord(room.connectionState);
      case 'stats':
        return statsReport(room.stats);
      case 'latency':
        return room.latency == null ? null : room.latency!.inMicroseconds / 1000;
      case 'server_time':
        return room.serverTime?.millisecondsSinceEpoch;
      case 'leave':
        await room.leave(cancel: cancel);
      case 'close':
        await room.close();
      default:
        throw UnsupportedError('This driver has no command ${command['do']}');
    }
    return null;
  }

  Future<Room> _join(String id, CancelToken? cancel) => _client.join(id, prepare: _watch, cancel: cancel);

  Room _roomOf(String? id) => id == null ? _rooms.values.single : _rooms[id.replaceFirst('game:', '')]!;

  void _wake(String signal) => switch (signal) {
        'online' => _client.setOnline(true),
        'offline' => _client.setOnline(false),
        'shown' => _client.checkNow(),
        _ => null,
      };

  void _watch(Room room) {
    // A second join of the same room finds it watched.
    if (identical(_rooms[room.id], room)) return;
    _rooms[room.id] = room;
    if (_reduces) room.reduce(lobbyReducers);
    room.connection.listen((state) => _tellConnection(room, state));
    room.errors.listen((error) => _tell({'event': 'error', 'room': room.id, ...errorReport(error)}));
    room.events.listen((event) {
      if (_throwing.contains(event.type)) throw StateError('thrown by the game');
    });
    room.events.listen((event) {
      final report = event.type == 'snapshot'
          ? {'event': 'snapshot', 'room': room.id, 'seq': event.seq}
          : {'event': 'message', 'room': room.id, 'type': event.type, 'payload': event.value, if (event.seq != null) 'seq': event.seq};
      _tell(report);
      _act(event.type);
    });
  }

  void _tellConnection(Room room, RoomConnection state) {
    final report = switch (state) {
      Joining() => null,
      Joined(:final welcome) => {
          'event': 'connected', 'seq': welcome.seq, 'epoch': welcome.epoch, 'recovered': welcome.recovered, 'n': welcome.n, //
        },
      Reconnecting(:final attempt, :final delay) => {'event': 'reconnecting', 'attempt': attempt, 'delay_ms': delay.inMicroseconds / 1000},
      Disconnected(:final code, :final reason, :final willReconnect, :final cause) => {
          'event': 'disconnected',
          'code': code,
          'reason': reason,
          'will_reconnect': willReconnect,
          'cause': cause == null ? null : errorReport(cause),
        },
    };
    if (report == null) return;
    _tell({'room': room.id, ...report});
    _act(report['event']! as String);
  }

  void _act(String event) {
    final command = _acts[event];
    if (command != null) run(command, null).ignore();
  }
}
