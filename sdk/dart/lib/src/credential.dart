import 'dart:convert';
import 'dart:math';

/// What shows who somebody is: to link it to an account, or to show that an account is one's own.
final class Credential {
  /// A token of another issuer, such as the studio's own login.
  Credential.token(String token) : fields = {'token': token};

  /// A device.
  Credential.device(Device device) : fields = device.toJson();

  /// The account's password: shows that an account is one's own, and cannot be linked.
  Credential.password(String password) : fields = {'password': password};

  /// As it is sent.
  final Map<String, Object?> fields;
}

/// A device as a way to log in. Whoever has its id and its secret has the account: keep them where other programs do not read them.
final class Device {
  /// One that was kept: [id] has 16 to 128 letters, digits and `. _ : -`, [secret] is the text of 32 random bytes.
  const Device(this.id, this.secret);

  /// A new one.
  factory Device.random() => Device(_random(16), _random(32));

  /// What the device calls itself.
  final String id;

  /// What only the device knows.
  final String secret;

  /// As it is sent, and may be kept.
  Map<String, Object?> toJson() => {'device_id': id, 'secret': secret};

  static String _random(int count) {
    final random = Random.secure();
    return base64Url.encode([for (var i = 0; i < count; i++) random.nextInt(256)]).replaceAll('=', '');
  }
}
