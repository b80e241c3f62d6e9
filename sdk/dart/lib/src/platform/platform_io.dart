export 'file_store_io.dart';
export 'http_io.dart' show openHttp;
export 'link_io.dart' show openLink;
