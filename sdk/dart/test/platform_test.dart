import 'dart:async';
import 'dart:convert';
import 'dart:io';

import 'package:godra/godra.dart';
import 'package:godra/src/platform/handshake.dart';
import 'package:godra/src/platform/platform.dart';
import 'package:test/test.dart';

/// The half for `dart:io`, on real sockets.
void main() {
  late ServerSocket server;
  late int port;

  /// What each connection does, given the request's head.
  late FutureOr<void> Function(Socket peer, String head) answer;
  final heads = <String>[];

  setUp(() async {
    heads.clear();
    server = await ServerSocket.bind(InternetAddress.loopbackIPv4, 0);
    port = server.port;
    server.listen((peer) {
      final head = StringBuffer();
      var isAnswered = false;
      peer.done.ignore();
      peer.listen((bytes) async {
        if (isAnswered) return;
        head.write(latin1.decode(bytes));
        if (!'$head'.contains('\r\n\r\n')) return;
        isAnswered = true;
        heads.add('$head');
        await answer(peer, '$head');
      }, onError: (_) {});
    });
  });

  tearDown(() => server.close());

  Uri url(String path, [String scheme = 'http']) => Uri.parse('$scheme://127.0.0.1:$port$path');

  HttpAsk ask(String path, {Future<void>? aborted, int maxBytes = 1000}) =>
      HttpAsk('GET', url(path), token: 't1', aborted: aborted ?? Completer<void>().future, maxBytes: maxBytes);

  Future<LinkEnd> endOf({int maxBufferedBytes = 1000, void Function(Link link, Heard heard)? use}) async {
    final heard = Heard();
    final link = openLink(LinkRequest(url('/ws?game_id=a', 'ws'), 't1', maxMessageBytes: 1000, maxBufferedBytes: maxBufferedBytes), heard);
    heard.onOpened = () => use?.call(link, heard);
    return heard.end.future;
  }

  /// Accepts the WebSocket.
  void accept(Socket peer, String head, {String? protocol = 'godra', String? key}) {
    final given = RegExp(r'sec-websocket-key: (\S+)', caseSensitive: false).firstMatch(head)!.group(1)!;
    peer.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        'Sec-WebSocket-Accept: ${key ?? acceptOf(given)}\r\n${protocol == null ? '' : 'Sec-WebSocket-Protocol: $protocol\r\n'}\r\n');
  }

  group('HTTP', () {
    test('follows no redirect, sends no cookie, and reads Retry-After', () async {
      answer = (peer, _) => peer.write('HTTP/1.1 302 Found\r\nLocation: /stolen\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n');
      for (var i = 0; i < 2; i++) {
        final answered = await openHttp()(ask('/a'));
        expect([answered.status, answered.retryAfter], [302, '7']);
      }
      expect(heads, hasLength(2));
      expect(heads.last.toLowerCase(), isNot(contains('cookie')));
      expect(heads.last, contains('Bearer t1'));
    });

    test('ends when nobody waits any more, also in the middle of a body', () async {
      answer = (peer, _) => peer.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{');
      final aborted = Completer<void>();
      final failed = expectLater(openHttp()(ask('/a', aborted: aborted.future)), throwsA(isA<HttpFailure>()));
      Timer(const Duration(milliseconds: 50), aborted.complete);
      await failed;
    });

    test('takes no endless answer', () async {
      answer = (peer, _) => peer.write('HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${'x' * 5000}');
      await expectLater(openHttp()(ask('/a')), throwsA(isA<HttpFailure>().having((e) => e.isBadAnswer, 'isBadAnswer', isTrue)));
    });

    test('tells apart who has not heard it from who may have', () async {
      answer = (peer, _) => peer.destroy();
      await expectLater(openHttp()(ask('/a')), throwsA(isA<HttpFailure>().having((e) => e.isUnsent, 'isUnsent', isFalse)));
      await server.close();
      await expectLater(openHttp()(ask('/a')), throwsA(isA<HttpFailure>().having((e) => e.isUnsent, 'isUnsent', isTrue)));
    });
  });

  group('WebSocket', () {
    test('a refusal by HTTP comes with all that it says, and the token is not in the address', () async {
      answer = (peer, _) => peer.write('HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 7\r\n\r\n{"a":1}');
      final end = await endOf();
      expect([end.kind, end.answer?.status, end.answer?.retryAfter, end.answer?.body], [LinkEndKind.refused, 503, '3', '{"a":1}']);
      expect(heads.single.split('\r\n').first, 'GET /ws?game_id=a HTTP/1.1');
      expect(heads.single, contains('godra, bearer.t1'));
    });

    test('a redirect is not followed', () async {
      answer = (peer, _) => peer.write('HTTP/1.1 301 Moved\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n');
      expect((await endOf()).answer?.status, 301);
      expect(heads, hasLength(1));
    });

    test('what is no WebSocket, or has another subprotocol, is no server of ours', () async {
      answer = (peer, head) => accept(peer, head, key: 'wrong');
      expect((await endOf()).kind, LinkEndKind.notGodra);
      answer = (peer, head) => accept(peer, head, protocol: null);
      expect((await endOf()).kind, LinkEndKind.notGodra);
      answer = (peer, head) => accept(peer, head, protocol: 'chat');
      expect((await endOf()).reason, contains('chat'));
    });

    test('nobody there', () async {
      await server.close();
      expect((await endOf()).kind, LinkEndKind.unreachable);
    });

    test('an end without a close frame is 1006, and what is no frame as well', () async {
      answer = (peer, head) {
        accept(peer, head);
        peer.flush().then((_) => peer.destroy()).ignore();
      };
      expect((await endOf()).code, 1006);
      answer = (peer, head) {
        accept(peer, head);
        peer.add(List.filled(10, 0xff));
      };
      expect((await endOf()).code, 1006);
    });

    test('a server that reads nothing fills the buffer, and then nothing more is taken', () async {
      answer = (peer, head) {
        accept(peer, head);
        Timer(const Duration(milliseconds: 400), peer.destroy);
      };
      final sent = <bool>[];
      await endOf(
        maxBufferedBytes: 100000,
        use: (link, _) {
          // In one go, so that nothing can go out in between.
          for (var i = 0; i < 10; i++) {
            sent.add(link.send('x' * 40000));
          }
        },
      );
      expect(sent.first, isTrue);
      expect(sent.last, isFalse);
    });

    test('closing a server that is silent takes seconds at most, and says nothing more', () async {
      answer = accept;
      final heard = Heard();
      final link = openLink(LinkRequest(url('/ws', 'ws'), 't1', maxMessageBytes: 1000, maxBufferedBytes: 1000), heard);
      final opened = Completer<void>();
      heard.onOpened = opened.complete;
      await opened.future;
      final watch = Stopwatch()..start();
      await link.close(1000, 'done');
      expect(watch.elapsedMilliseconds, lessThan(10000));
      expect(link.send('x'), isFalse);
      expect(heard.end.isCompleted, isFalse);
    });

    test('closing while it is opened leaves nothing', () async {
      answer = (_, __) {};
      final heard = Heard();
      final link = openLink(LinkRequest(url('/ws', 'ws'), 't1', maxMessageBytes: 1000, maxBufferedBytes: 1000), heard);
      await link.close(1000, '');
      expect(heard.end.isCompleted, isFalse);
    });
  });
}

final class Heard implements LinkListener {
  void Function()? onOpened;
  final end = Completer<LinkEnd>();
  final texts = <String>[];

  @override
  void opened() => onOpened?.call();
  @override
  void heard() {}
  @override
  void received(String text, int bytes) => texts.add(text);
  @override
  void unreadable(String why) => texts.add('unreadable');
  @override
  void ended(LinkEnd end) => this.end.complete(end);
}
