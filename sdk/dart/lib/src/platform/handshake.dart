import 'dart:convert';
import 'dart:math';
import 'dart:typed_data';

/// A new `Sec-WebSocket-Key`.
String newKey() {
  final random = Random.secure();
  return base64.encode([for (var i = 0; i < 16; i++) random.nextInt(256)]);
}

/// What a WebSocket server answers to [key], and nothing else does (RFC 6455, 4.2.2).
String acceptOf(String key) => base64.encode(sha1(ascii.encode('${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11')));

/// SHA-1 (RFC 3174): no secret hangs on it here, and `dart:io` keeps its own to itself.
Uint8List sha1(List<int> message) {
  final blocks = (message.length + 9 + 63) ~/ 64;
  final padded = Uint8List(blocks * 64)
    ..setAll(0, message)
    ..[message.length] = 0x80;
  final data = ByteData.sublistView(padded)..setUint32(padded.length - 4, message.length * 8);
  final hash = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  final words = Uint32List(80);
  for (var block = 0; block < blocks; block++) {
    for (var i = 0; i < 80; i++) {
      words[i] = i < 16 ? data.getUint32(block * 64 + i * 4) : _rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    }
    _mix(hash, words);
  }
  final digest = ByteData(20);
  for (var i = 0; i < 5; i++) {
    digest.setUint32(i * 4, hash[i]);
  }
  return digest.buffer.asUint8List();
}

void _mix(List<int> hash, Uint32List words) {
  var [a, b, c, d, e] = hash;
  for (var i = 0; i < 80; i++) {
    final (f, k) = switch (i ~/ 20) {
      0 => (b & c | (b ^ 0xffffffff) & d, 0x5a827999),
      1 => (b ^ c ^ d, 0x6ed9eba1),
      2 => (b & c | b & d | c & d, 0x8f1bbcdc),
      _ => (b ^ c ^ d, 0xca62c1d6),
    };
    final next = (_rotate(a, 5) + f + e + k + words[i]) & 0xffffffff;
    (e, d, c, b, a) = (d, c, _rotate(b, 30), a, next);
  }
  for (final (i, part) in [a, b, c, d, e].indexed) {
    hash[i] = (hash[i] + part) & 0xffffffff;
  }
}

int _rotate(int word, int by) => (word << by | word >> (32 - by)) & 0xffffffff;
