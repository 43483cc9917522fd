internal import Platform

/// Gives lines to a thread of its own, so that a stalled reader of our log never stalls a request. Full means dropped,
/// and the drop is told as soon as there is room.
// Unchecked because the compiler cannot see that the variables below are only touched while `lock` is held.
package final class BufferedSink: LogSink, @unchecked Sendable {
  private let capacity: Int
  private let output: @Sendable ([UInt8]) -> Void
  private let lock = Lock()
  private let changed = Condition()
  private var waiting: [UInt8] = []
  private var dropped = 0
  private var isWriting = false
  private var isClosed = false
  private var thread: Thread?

  /// Starts the thread; `output` writes bytes and may block. At most `capacity` bytes wait.
  package init(capacity: Int = 256 << 10, output: @escaping @Sendable ([UInt8]) -> Void) {
    self.capacity = capacity
    self.output = output
    // The thread holds the sink until `close`.
    thread = Thread(name: "log") { self.drain() }
  }

  /// Queues one line; never blocks on the output.
  package func write(_ line: [UInt8]) {
    lock.withLock {
      guard !isClosed, waiting.count + line.count <= capacity else {
        dropped += 1
        return
      }
      waiting += line
      // A writing thread looks again before it sleeps.
      if !isWriting { changed.broadcast() }
    }
  }

  /// Returns when everything queued before has been handed to the output, or after `timeout`.
  package func flush(timeout: Duration = .seconds(1)) {
    let end = MonotonicTime.now + timeout
    lock.withLock {
      while !waiting.isEmpty || isWriting {
        let left = end - MonotonicTime.now
        if left <= 0 || !changed.wait(lock, timeout: .nanoseconds(left)) { return }
      }
    }
  }

  /// Writes what waits, ends the thread and joins it; later lines are dropped.
  package func close() {
    let ending: Thread? = lock.withLock {
      isClosed = true
      changed.broadcast()
      defer { thread = nil }
      return thread
    }
    ending?.join()
  }

  private func drain() {
    while let bytes = next() { output(bytes) }
  }

  private func next() -> [UInt8]? {
    lock.withLock {
      isWriting = false
      if waiting.isEmpty { changed.broadcast() }
      while waiting.isEmpty && dropped == 0 {
        if isClosed { return nil }
        changed.wait(lock)
      }
      isWriting = true
      var bytes: [UInt8] = []
      swap(&bytes, &waiting)
      if dropped > 0 { bytes += "\(dropped) log lines dropped\n".utf8 }
      dropped = 0
      return bytes
    }
  }
}
