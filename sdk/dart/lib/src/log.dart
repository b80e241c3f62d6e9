import 'options.dart';

/// Writes the log; a sink that fails breaks nothing.
final class Log {
  /// Prints warnings and errors if there is no [_sink].
  const Log(this._sink);

  final LogSink? _sink;

  /// See [LogLevel.debug].
  void debug(String message) => _write(LogLevel.debug, message);

  /// See [LogLevel.info].
  void info(String message) => _write(LogLevel.info, message);

  /// See [LogLevel.warning].
  void warning(String message) => _write(LogLevel.warning, message);

  /// See [LogLevel.error].
  void error(String message) => _write(LogLevel.error, message);

  void _write(LogLevel level, String message) {
    try {
      final sink = _sink;
      if (sink != null) return sink(level, message);
      // ignore: avoid_print
      if (level.index >= LogLevel.warning.index) print('godra: ${level.name}: $message');
    } on Object {
      // There is nobody left to tell.
    }
  }
}
