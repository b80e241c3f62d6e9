import 'dart:convert';
import 'dart:math';
import 'dart:typed_data';

import 'package:godra/src/platform/frames.dart';
import 'package:godra/src/platform/handshake.dart';
import 'package:test/test.dart';

/// A server's frame.
Uint8List frame(int first, List<int> payload, {int? length}) {
  final size = length ?? payload.length;
  final head = size < 126 ? [first, size] : (size < 0x10000 ? [first, 126, size >> 8, size & 0xff] : _long(first, size));
  return Uint8List.fromList([...head, ...payload]);
}

List<int> _long(int first, int size) => [first, 127, for (var i = 7; i >= 0; i--) (i > 5 ? 0 : size ~/ pow(256, i)) & 0xff];

final class Heard implements FrameListener {
  final words = <String>[];

  @override
  void message(Uint8List bytes) => words.add('message ${utf8.decode(bytes, allowMalformed: true)}');
  @override
  void tooLong() => words.add('too long');
  @override
  void ping(Uint8List payload) => words.add('ping ${utf8.decode(payload, allowMalformed: true)}');
  @override
  void closed(int code, String reason) => words.add('closed $code $reason');
  @override
  void broken(String why) => words.add('broken');
}

List<String> read(List<Uint8List> pieces, {int maxBytes = 1000}) {
  final heard = Heard();
  final reader = FrameReader(heard, maxBytes: maxBytes);
  pieces.forEach(reader.add);
  return heard.words;
}

void main() {
  final hi = utf8.encode('hi');

  test('messages, pings and the end', () {
    final all = [frame(0x81, hi), frame(0x89, hi), frame(0x82, hi), frame(0x8a, hi), frame(0x81, []), frame(0x88, [0x0f, 0xa1, ...hi])];
    expect(read(all), ['message hi', 'ping hi', 'message hi', 'message ', 'closed 4001 hi']);
  });

  test('fragments, with a ping between', () {
    expect(read([frame(0x01, hi), frame(0x89, []), frame(0x00, hi), frame(0x80, hi)]), ['ping ', 'message hihihi']);
  });

  test('any cut into pieces reads the same', () {
    final random = Random(7);
    final big = List.filled(70000, 0x61);
    final bytes = [
      for (final one in [frame(0x81, hi), frame(0x01, List.filled(300, 0x62)), frame(0x80, hi), frame(0x81, big), frame(0x88, [])]) ...one,
    ];
    final whole = read([Uint8List.fromList(bytes)], maxBytes: 100000);
    expect(whole.last, 'closed 1005 ');
    for (var round = 0; round < 50; round++) {
      final pieces = <Uint8List>[];
      for (var at = 0; at < bytes.length;) {
        final end = min(bytes.length, at + 1 + random.nextInt(round < 10 ? 9 : 20000));
        pieces.add(Uint8List.fromList(bytes.sublist(at, end)));
        at = end;
      }
      expect(read(pieces, maxBytes: 100000), whole);
    }
  });

  test('a message that is too long is passed over, in one frame or many', () {
    expect(read([frame(0x81, List.filled(1001, 0x61)), frame(0x81, hi)]), ['too long', 'message hi']);
    expect(read([frame(0x81, List.filled(1000, 0x61))]).single, hasLength(1008));
    final parts = [frame(0x01, List.filled(600, 0x61)), frame(0x00, List.filled(600, 0x61)), frame(0x80, hi), frame(0x81, hi)];
    expect(read(parts), ['too long', 'message hi']);
  });

  test('a message without an end ends the connection', () {
    expect(read([frame(0x01, []), for (var i = 0; i < 20; i++) frame(0x00, List.filled(900, 0x61))]), ['broken']);
  });

  test('what is no frame ends the connection, and nothing is read behind it', () {
    final wrong = {
      'an extension': frame(0xc1, hi),
      'an unknown kind': frame(0x83, hi),
      'an unknown control frame': frame(0x8b, []),
      'a long ping': frame(0x89, List.filled(126, 0x61)),
      'half a ping': frame(0x09, hi),
      'a middle without a begin': frame(0x80, hi),
      'a mask': Uint8List.fromList([0x81, 0x82, 1, 2, 3, 4, 5, 6]),
      'a length that is none': Uint8List.fromList([0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255]),
      'half a code': frame(0x88, [0x03]),
    };
    for (final MapEntry(key: what, value: bytes) in wrong.entries) {
      expect(read([bytes, frame(0x81, hi)]), ['broken'], reason: what);
    }
    expect(read([frame(0x01, hi), frame(0x81, hi)]), ['broken'], reason: 'a message in a message');
  });

  test('noise never throws', () {
    final random = Random(3);
    for (var round = 0; round < 2000; round++) {
      read([for (var i = 0; i < 4; i++) Uint8List.fromList([for (var j = random.nextInt(40); j > 0; j--) random.nextInt(256)])]);
    }
  });

  test('what the client writes is masked, and says the same', () {
    for (final length in [0, 1, 125, 126, 65535, 65536]) {
      final payload = [for (var i = 0; i < length; i++) i & 0xff];
      final bytes = textFrame(payload);
      expect(bytes[0], 0x81);
      expect(bytes[1] & 0x80, 0x80);
      final begin = bytes.length - length;
      expect([for (var i = 0; i < length; i++) bytes[begin + i] ^ bytes[begin - 4 + (i & 3)]], payload);
    }
    expect(closeFrame(1005, 'x'), hasLength(6));
    expect(closeFrame(4000, 'x' * 200), hasLength(8));
  });

  test('the key of a handshake is answered as RFC 6455 says', () {
    expect(acceptOf('dGhlIHNhbXBsZSBub25jZQ=='), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
    String hex(String text) => sha1(utf8.encode(text)).map((byte) => byte.toRadixString(16).padLeft(2, '0')).join();
    expect(hex(''), 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
    expect(hex('abc'), 'a9993e364706816aba3e25717850c26c9cd0d89d');
    expect(hex('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'), '84983e441c3bd26ebaae4aa1f95129e5e54670f1');
    expect({for (var i = 0; i < 100; i++) newKey()}, hasLength(100));
  });
}
