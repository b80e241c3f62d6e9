export 'file_store_web.dart';
export 'http_web.dart' show openHttp;
export 'link_web.dart' show openLink;
