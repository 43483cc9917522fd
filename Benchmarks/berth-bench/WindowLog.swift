import Glibc

/// A histogram per time window as lines of JSON, so that the driver can tell which requests met an event.
final class WindowLog {
  private let length: Int64
  private let file: UnsafeMutablePointer<FILE>
  private var histogram = Histogram()
  private var start: Int64 = 0

  init(_ length: Int64, _ path: String) throws(Failure) {
    guard let file = fopen(path, "w") else { throw .system(path) }
    self.length = length
    self.file = file
  }

  deinit { fclose(file) }

  func add(at now: Int64, _ nanoseconds: Int64) throws(Failure) {
    if now - start >= length {
      try write()
      start = now
    }
    histogram.add(nanoseconds)
  }

  func finish() throws(Failure) {
    try write()
    guard fflush(file) == 0 else { throw .system("writing the windows") }
  }

  /// One line: the window's begin and length on the monotonic clock, and [upper edge in ns, count] pairs.
  private func write() throws(Failure) {
    if histogram.count == 0 { return }
    let pairs = histogram.buckets.map { "[\($0.0),\($0.1)]" }.joined(separator: ",")
    let line = "{\"at\":\(start),\"length\":\(length),\"buckets\":[\(pairs)]}\n"
    guard fputs(line, file) >= 0 else { throw .system("writing the windows") }
    histogram.reset()
  }
}
