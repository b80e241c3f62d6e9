// Uses the Dart SDK as a game would, as the judge commands (../../DRIVER.md).

import 'dart:async';
import 'dart:io';

import 'package:godra/godra.dart';

import 'channel.dart';
import 'player.dart';
import 'report.dart';

final _channel = Channel(Platform.environment['CONTROL']!);
final _players = <String, Player>{};
final _running = <String, CancelToken>{};
final _stores = <String, SessionStore>{};
final _folder = Directory.systemTemp.createTempSync('godra-driver-');

Future<void> main() async {
  _channel.tell({
    'hello': {
      'sdk': 'dart',
      'version': Platform.environment['GODRA_SDK_VERSION'],
      'platform': 'Dart VM ${Platform.version.split(' ').first}',
      'can': [
        'status', 'headers', 'wake', 'offline', 'cancel', 'throw', 'ints', 'binary', 'surrogates', 'reducers', 'stats', 'file_store', 'tabs', //
      ],
    },
  });
  await for (final command in _channel.commands()) {
    if (command.text('do') == 'exit') break;
    unawaited(_run(command));
  }
  await Future.wait([for (final player in _players.values) player.close()]);
  await _channel.sent;
  await _folder.delete(recursive: true);
  _channel.close();
}

Future<void> _run(JsonMap command) async {
  final id = command.text('id')!;
  final cancel = _running[id] = CancelToken();
  try {
    _channel.tell({'id': id, 'value': await _do(command, cancel)});
  } on Object catch (e) {
    _channel.tell({'id': id, 'error': errorReport(e)});
  }
  _running.remove(id);
}

Future<Object?> _do(JsonMap command, CancelToken cancel) async {
  final name = command.text('client') ?? 'c';
  switch (command.text('do')) {
    case 'new':
      final of = command['id'];
      _players[name] = Player(command.text('url')!, _options(command.map('options')!), (report) => _channel.tell({'of': of, ...report}));
      return null;
    case 'cancel':
      _running[command.text('target')]?.cancel();
      return null;
    case 'drop':
      final only = command.text('client');
      final dropped = [
        for (final key in _players.keys.toList())
          if (only == null || key == only) _players.remove(key)!,
      ];
      await Future.wait([for (final player in dropped) player.close()]);
      return null;
    default:
      return _players[name]!.run(command, cancel);
  }
}

GodraOptions _options(JsonMap given) {
  Duration time(String name, int defaultMs) => Duration(microseconds: ((given.number(name) ?? defaultMs) * 1000).round());
  return GodraOptions(
    reconnect: given.flag('reconnect') == false
        ? null
        : ReconnectOptions(
            firstDelay: time('first_delay_ms', 200),
            maxDelay: time('max_delay_ms', 20000),
            stableAfter: time('stable_ms', 5000),
          ),
    heartbeat: time('heartbeat_ms', 20000),
    requestTimeout: time('request_timeout_ms', 10000),
    connectTimeout: time('connect_timeout_ms', 10000),
    maxMessageBytes: given.integer('max_message_bytes') ?? 16 << 20,
    store: _store(given.text('store'), given.map('session')),
    log: (_, __) {},
  );
}

SessionStore? _store(String? name, JsonMap? session) {
  final kept = Session.fromJson(session);
  if (name == null) return kept == null ? null : MemorySessionStore(kept);
  return _stores[name] ??= FileSessionStore('${_folder.path}/$name.json');
}
