import 'api.dart';
import 'connection.dart';
import 'exception.dart';
import 'link.dart';

/// Opens the sockets of one room.
final class RoomDialer implements Dialer {
  /// For the room of this id, whose script is told these options.
  RoomDialer(this._api, this._id, this._joinOptions, this._open);

  final Api _api;
  final String _id;
  final String? _joinOptions;
  final LinkOpener _open;

  @override
  Uri addressOf(({String epoch, int since})? resume) => _api.socketOf(_id, resume, _joinOptions);

  @override
  Link open(LinkRequest request, LinkListener listener) => _open(request, listener);

  @override
  Future<GodraException> explain() async {
    try {
      await _api.get('ready');
      return const NetworkException('refused', 'The server is up, but the WebSocket did not open, and this platform does not tell why');
    } on GodraException catch (e) {
      return e;
    }
  }
}
