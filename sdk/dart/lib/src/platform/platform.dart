// The platform's half: HTTP, WebSockets, and files where there are some.
export 'platform_web.dart' if (dart.library.io) 'platform_io.dart';
