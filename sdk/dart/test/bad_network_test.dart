import 'dart:math';

import 'package:godra/godra.dart';
import 'package:godra/src/testing/fake_link.dart';
import 'package:godra/testing.dart';
import 'package:test/test.dart';

import 'harness/game.dart';

void main() {
  final clock = VirtualClock();
  final sent = <String>[];
  late FakeLink server;
  late Heard heard;

  Link open({Duration latency = Duration.zero, Duration jitter = Duration.zero, Duration? dropEvery}) {
    sent.clear();
    heard = Heard();
    final opener = badNetwork(
      latency: latency,
      jitter: jitter,
      dropEvery: dropEvery,
      clock: clock,
      random: Random(5),
      over: (request, listener) => server = FakeLink(request, listener, onInput: (input) => sent.add(input.action)),
    );
    return opener(LinkRequest(Uri.parse('ws://x'), 't', maxMessageBytes: 1, maxBufferedBytes: 1), heard);
  }

  test('each way takes half of the latency', () async {
    final link = open(latency: ms(100));
    expect(link.send('{"action":"a"}'), isTrue);
    server.receive('hi');
    await clock.advance(ms(49));
    expect([sent, heard.words], [isEmpty, isEmpty]);
    await clock.advance(ms(1));
    expect([sent, heard.words], [['a'], ['hi']]);
  });

  test('nothing overtakes', () async {
    open(jitter: ms(500));
    for (var i = 0; i < 50; i++) {
      server.receive('$i');
    }
    await clock.advance(second);
    expect(heard.words, [for (var i = 0; i < 50; i++) '$i']);
  });

  test('connections break, once, and nothing comes after that', () async {
    final link = open(latency: ms(100), dropEvery: second);
    await clock.advance(ms(400));
    expect(heard.words, isEmpty);
    server.receive('late');
    await clock.advance(const Duration(seconds: 2));
    server.receive('later');
    await clock.advance(second);
    expect(heard.words, ['late', 'ended 1006']);
    expect(server.closed?.code, 4000);
    expect(link.send('{"action":"a"}'), isFalse);
    expect(clock.waiting, 0);
  });

  test('closing leaves no timer', () async {
    final link = open(latency: ms(100), dropEvery: second);
    link.send('{"action":"a"}');
    await link.close(1000, '');
    expect(clock.waiting, 0);
  });
}

final class Heard implements LinkListener {
  final words = <String>[];

  @override
  void opened() {}
  @override
  void heard() {}
  @override
  void received(String text, int bytes) => words.add(text);
  @override
  void unreadable(String why) => words.add('unreadable');
  @override
  void ended(LinkEnd end) => words.add('ended ${end.code}');
}
