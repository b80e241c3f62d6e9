import 'http.dart';

/// What a link is opened with.
final class LinkRequest {
  /// Made by this package.
  const LinkRequest(this.url, this.token, {required this.maxMessageBytes, required this.maxBufferedBytes});

  /// Of the scheme `ws` or `wss`.
  final Uri url;

  /// Goes as a subprotocol, beside `godra`.
  final String token;

  /// A longer message of the server's is passed over, and told as unreadable.
  final int maxMessageBytes;

  /// While more than this waits for the network, nothing more is taken.
  final int maxBufferedBytes;

  /// To be offered.
  List<String> get protocols => ['godra', 'bearer.$token'];
}

/// One WebSocket, on whatever platform. Opening never throws: what goes wrong comes as [LinkListener.ended].
abstract interface class Link {
  /// Whether it was taken; false before it is open, after its end, and while too much waits.
  bool send(String text);

  /// Done when nothing is left of it. Never throws, and takes 2 s at most. Nothing comes from it any more.
  Future<void> close(int code, String reason);
}

/// Opens a link.
typedef LinkOpener = Link Function(LinkRequest request, LinkListener listener);

/// Hears what becomes of a link.
abstract interface class LinkListener {
  /// The server accepted the WebSocket, with the subprotocol `godra`.
  void opened();

  /// Something came, if only a ping.
  void heard();

  /// A message came, of so many bytes.
  void received(String text, int bytes);

  /// A message came that cannot be read.
  void unreadable(String why);

  /// It is over; comes once.
  void ended(LinkEnd end);
}

/// Why a link ended.
final class LinkEnd {
  /// By a close frame; 1005 for one without a code, 1006 for an end without a frame.
  const LinkEnd(this.code, this.reason)
      : answer = null,
        kind = LinkEndKind.closed;

  /// The server did not accept the WebSocket, but answered by HTTP.
  const LinkEnd.refused(HttpAnswer this.answer)
      : code = 1006,
        reason = '',
        kind = LinkEndKind.refused;

  /// There is no server.
  const LinkEnd.unreachable(this.reason)
      : code = 1006,
        answer = null,
        kind = LinkEndKind.unreachable;

  /// It did not open, and the platform hides why.
  const LinkEnd.hidden(this.reason)
      : code = 1006,
        answer = null,
        kind = LinkEndKind.hidden;

  /// What answered is no server of this kind.
  const LinkEnd.notGodra(this.reason)
      : code = 1006,
        answer = null,
        kind = LinkEndKind.notGodra;

  /// The close code.
  final int code;

  /// In the server's words, or why there was no connection.
  final String reason;

  /// The refusal.
  final HttpAnswer? answer;

  /// Which of these it is.
  final LinkEndKind kind;
}

/// See the constructors of [LinkEnd].
enum LinkEndKind {
  /// It was open.
  closed,

  /// By HTTP.
  refused,

  /// No server.
  unreachable,

  /// Nobody knows.
  hidden,

  /// Another server.
  notGodra,
}
