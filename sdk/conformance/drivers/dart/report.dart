import 'package:godra/godra.dart';

/// An error in the judge's words. Whatever is not the SDK's own error is a fault: an SDK fails with its own type alone.
Map<String, Object?> errorReport(Object error) => error is GodraException
    ? known({
        'code': error.code,
        'kind': error.kind.name,
        'message': error.message,
        'status': error.status,
        'details': error.details,
        'retry_after': error.retryAfter == null ? null : error.retryAfter!.inMilliseconds / 1000,
        'close_code': error.closeCode,
        'outcome': error.outcome?.name,
        'retryable': error.isRetryable,
      })
    : {'code': 'not a GodraException: ${error.runtimeType}', 'message': '$error'};

Map<String, Object?> sessionReport(Session session) => {'user_id': session.userId, 'username': session.username, 'role': session.role};

Map<String, Object?> accountReport(Account account) => {'user_id': account.userId, 'username': account.username, 'role': account.role};

Map<String, Object?> statsReport(RoomStats stats) => {
      'bytes_received': stats.bytesReceived,
      'bytes_sent': stats.bytesSent,
      'frames_received': stats.framesReceived,
      'frames_sent': stats.framesSent,
      'events': stats.events,
      'reconnects': stats.reconnects,
      'dropped': stats.dropped,
      'bad_messages': stats.badMessages,
      'resyncs': stats.resyncs,
    };

String connectionWord(RoomConnection connection) => switch (connection) {
      Joining() => 'joining',
      Joined() => 'joined',
      Reconnecting() || Disconnected(willReconnect: true) => 'rejoining',
      Disconnected() => 'left',
    };

/// Without what is not known.
Map<String, Object?> known(Map<String, Object?> fields) => {
      for (final MapEntry(:key, :value) in fields.entries)
        if (value != null) key: value,
    };
