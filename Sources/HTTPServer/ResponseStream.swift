internal import Platform

/// A body sent in pieces from any thread: server-sent events, exports. A reader that falls behind is dropped.
// Unchecked because everything mutable is guarded by `lock`.
package final class ResponseStream: @unchecked Sendable {
  /// Most bytes that wait for a slow reader, those on their way to the kernel included.
  package static let bufferLimit = 1 << 20

  private let connection: Connection
  private let lock = Lock()
  private var buffer: [UInt8] = []
  private var inTransit = 0
  private var isEnded = false
  private var isAbandoned = false
  private var isNoticed = false

  init(_ connection: Connection) { self.connection = connection }

  /// Queues `bytes`; false when the stream is closed or its reader too slow, and then it is over.
  package func write(_ bytes: [UInt8]) -> Bool {
    let (accepted, notice) = lock.withLock { () -> (Bool, Bool) in
      guard !isEnded, !isAbandoned else { return (false, false) }
      if buffer.count + inTransit + bytes.count > Self.bufferLimit {
        isAbandoned = true
      } else {
        buffer.append(contentsOf: bytes)
      }
      defer { isNoticed = true }
      return (!isAbandoned, !isNoticed)
    }
    if notice { connection.loop.deliver(.streamChanged(connection, self)) }
    return accepted
  }

  /// Whether writing still makes sense.
  package var isOpen: Bool { lock.withLock { !isEnded && !isAbandoned } }

  /// Bytes that wait for the reader, those on their way to the kernel included: a writer that can wait paces itself
  /// by it.
  package var waiting: Int { lock.withLock { buffer.count + inTransit } }

  /// Gives a reader up that is too slow; what waits for it is lost and its connection ends.
  package func drop() {
    let notice = lock.withLock { () -> Bool in
      guard !isEnded, !isAbandoned else { return false }
      isAbandoned = true
      buffer = []
      defer { isNoticed = true }
      return !isNoticed
    }
    if notice { connection.loop.deliver(.streamChanged(connection, self)) }
  }

  /// Ends the body after what has been written.
  package func close() {
    let notice = lock.withLock { () -> Bool in
      guard !isEnded, !isAbandoned else { return false }
      isEnded = true
      defer { isNoticed = true }
      return !isNoticed
    }
    if notice { connection.loop.deliver(.streamChanged(connection, self)) }
  }

  /// What the loop finds when it looks.
  enum Portion {
    case bytes([UInt8], isLast: Bool)
    case dropped
  }

  /// The loop has sent what it took, and takes the next portion.
  func take() -> Portion {
    lock.withLock {
      isNoticed = false
      if isAbandoned { return .dropped }
      let taken = buffer
      buffer = []
      inTransit = taken.count
      return .bytes(taken, isLast: isEnded)
    }
  }

  /// The loop cannot take more yet; the next change must tell it again.
  func postpone() { lock.withLock { isNoticed = false } }

  /// Whether the writer has overrun its reader.
  var isOverrun: Bool { lock.withLock { isAbandoned } }

  /// The connection is gone.
  func abandon() {
    lock.withLock {
      isAbandoned = true
      buffer = []
    }
  }
}
