import 'dart:collection';
import 'dart:convert';
import 'dart:math';

import 'package:godra/godra.dart';
import 'package:godra/testing.dart';

/// The server's promises in small: events with numbers that are kept for who comes back, and inputs that run once. Its network
/// delays what it carries, and breaks.
final class ModelServer {
  ModelServer(this.random);

  final Random random;
  final clock = VirtualClock();

  /// What ran, in order.
  final ran = <Object?>[];
  final _events = <String>[];
  final _answers = <int, Object?>{};
  int _lastN = 0;

  /// The lowest number that was refused, and not sent again.
  int? _refusedN;
  int cuts = 0;
  _ModelLink? _link;

  GodraClient client() => GodraClient(
        'http://model',
        options: GodraOptions(
          clock: clock,
          random: random,
          http: (_) async => const HttpAnswer(
            200,
            '{"token":"t","refresh_token":"r","expires_in":86400,"user_id":"1","username":"Ann","role":"guest"}',
          ),
          link: (request, listener) => _link = _ModelLink(this, request, listener),
          reducers: {'ran': (state, event) => ((state['ran'] ??= <Object?>[])! as List<Object?>).add(event.value)},
          log: (_, __) {},
        ),
      );

  /// The network breaks, and what is under way is lost.
  void cut() {
    cuts++;
    _link?.end(const LinkEnd(1006, ''));
  }

  void _welcome(_ModelLink link, Map<String, String> query) {
    final since = int.parse(query['since'] ?? '-1');
    final isKnown = since >= max(0, _events.length - 20) && query['epoch'] == 'e';
    link.tell(jsonEncode({
      'type': 'welcome',
      'payload': {
        'user_id': '1', 'epoch': 'e', 'seq': isKnown ? since : _events.length, 'n': _lastN, 'recovered': isKnown, //
        'state': isKnown ? null : {'ran': ran}, 'sync_interval_ms': 50,
      },
    }));
    if (isKnown) _events.skip(since).forEach(link.tell);
  }

  void _input(_ModelLink link, Map<String, Object?> input) {
    final id = input['id'];
    void reply(Object? result) => link.tell(jsonEncode({'type': 'reply', 'id': id, 'result': result}));
    void refuse(String code) => link.tell(jsonEncode({
          'type': 'error', 'id': id, 'n': input['n'], //
          'payload': {'code': code, 'message': ''},
        }));
    if (input['action'] == 'heartbeat') return reply({'seq': _events.length, 'n': _lastN, 'now': 0});
    final n = input['n']! as int;
    if (n <= _lastN) return reply(_answers[n] ?? {'duplicate': true});
    if (_refusedN != null && n > _refusedN!) return refuse('out_of_order');
    _refusedN = random.nextInt(8) == 0 ? n : null;
    if (_refusedN != null) return refuse('busy');
    ran.add(input['payload']);
    _lastN = n;
    _answers[n] = {'ran': input['payload']};
    _events.add(jsonEncode({'type': 'ran', 'payload': input['payload'], 'seq': _events.length + 1}));
    link.tell(_events.last);
    reply(_answers[n]);
  }
}

final class _ModelLink implements Link {
  _ModelLink(this._server, this._request, this._listener) {
    tell(null);
    _server.clock.after(_delay(), () {
      if (_isOpen) _server._welcome(this, _request.url.queryParameters);
    });
  }

  final ModelServer _server;
  final LinkRequest _request;
  final LinkListener _listener;
  bool _isOpen = true;

  /// Nothing overtakes, on either way.
  final _lastAt = [0.0, 0.0];
  final _underWay = [Queue<void Function()>(), Queue<void Function()>()];

  Duration _delay() => Duration(milliseconds: _server.random.nextInt(120));

  void _carry(int way, void Function() arrive) {
    final clock = _server.clock;
    _lastAt[way] = max(_lastAt[way], clock.nowMs + _delay().inMilliseconds);
    _underWay[way].add(arrive);
    clock.after(Duration(microseconds: ((_lastAt[way] - clock.nowMs) * 1000).round()), () {
      final next = _underWay[way].removeFirst();
      if (_isOpen) next();
    });
  }

  void tell(String? text) => _carry(0, () => text == null ? _listener.opened() : _listener.received(text, text.length));

  void end(LinkEnd end) {
    if (!_isOpen) return;
    _isOpen = false;
    _listener.ended(end);
  }

  @override
  bool send(String text) {
    if (!_isOpen) return false;
    _carry(1, () => _server._input(this, jsonDecode(text) as Map<String, Object?>));
    return true;
  }

  @override
  Future<void> close(int code, String reason) async => _isOpen = false;
}
