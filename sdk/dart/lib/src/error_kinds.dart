import 'error_facts.dart';

/// Codes of this package's own.
const _kinds = {
  'timeout': ErrorKind.network,
  'unavailable': ErrorKind.network,
  'disconnected': ErrorKind.network,
  'refused': ErrorKind.network,
  'session_ended': ErrorKind.session,
  'bad_response': ErrorKind.protocol,
  'bad_message': ErrorKind.protocol,
  'unsupported': ErrorKind.protocol,
  'queue_full': ErrorKind.usage,
  'cancelled': ErrorKind.usage,
  'bad_request': ErrorKind.usage,
  'too_large': ErrorKind.usage,
  'handler_failed': ErrorKind.usage,
};

/// Codes that mean this when the server chose them.
const _kindsOfServer = {
  'unauthorized': ErrorKind.session,
  'token_expired': ErrorKind.session,
  'session_ended': ErrorKind.session,
  'bad_request': ErrorKind.usage,
  'forbidden': ErrorKind.server,
  'not_found': ErrorKind.server,
  'conflict': ErrorKind.server,
  'out_of_order': ErrorKind.server,
  'too_large': ErrorKind.usage,
  'rate_limited': ErrorKind.server,
  'busy': ErrorKind.server,
  'unavailable': ErrorKind.server,
};

/// Whom a code blames; [isServers] if the server chose it.
ErrorKind kindOf(String code, {required bool isServers}) {
  final own = isServers ? null : _kinds[code];
  return own ?? _kindsOfServer[code] ?? (isServers ? ErrorKind.script : _kinds[code]) ?? ErrorKind.script;
}
