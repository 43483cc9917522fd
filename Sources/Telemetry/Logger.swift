internal import Platform

/// Where whole lines go; called from any thread, must not block for long.
package protocol LogSink: Sendable {
  /// Takes one line, newline included.
  func write(_ line: [UInt8])
}

/// Turns events into lines for a sink; below its level it costs one comparison.
package struct Logger: Sendable {
  /// The least urgent level that is printed.
  package let level: LogLevel
  private let format: LogFormat
  private let sink: any LogSink
  private let now: @Sendable () -> Int64

  /// Makes a logger; `now` gives microseconds since 1970.
  package init(
    level: LogLevel, format: LogFormat, sink: any LogSink,
    now: @escaping @Sendable () -> Int64 = { WallClock.microseconds }
  ) {
    self.level = level
    self.format = format
    self.sink = sink
    self.now = now
  }

  /// Whether lines of `level` are printed.
  package func prints(_ level: LogLevel) -> Bool { level <= self.level }

  /// Prints one event; neither message nor fields are computed when nobody wants them.
  package func log(
    _ level: LogLevel, _ message: @autoclosure () -> String,
    _ fields: @autoclosure () -> KeyValuePairs<StaticString, LogValue> = [:]
  ) {
    guard prints(level) else { return }
    sink.write(LogLine(format, microseconds: now(), level, message(), fields()).bytes)
  }
}
