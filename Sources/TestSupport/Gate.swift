internal import Platform

/// A value that threads share; reached only under its lock.
// Unchecked because the compiler cannot see that every access to `value` is inside `lock`.
package final class Shared<Value>: @unchecked Sendable {
  private let lock = Lock()
  private var value: Value

  /// Starts with `value`.
  package init(_ value: Value) { self.value = value }

  /// Reads or changes the value alone.
  package func withLock<T, E: Error>(_ body: (inout Value) throws(E) -> T) throws(E) -> T {
    try lock.withLock { () throws(E) in try body(&value) }
  }
}

/// A door that threads wait at until a test opens it: for code that must be caught in the middle of something.
// Unchecked because the flags are only touched while `lock` is held.
package final class Gate: @unchecked Sendable {
  private let lock = Lock()
  private let changed = Condition()
  private var isOpen = false
  private var hasVisitor = false

  /// Starts closed.
  package init() {}

  /// Waits until the gate is open.
  package func pass() {
    lock.withLock {
      hasVisitor = true
      changed.broadcast()
      while !isOpen { changed.wait(lock) }
    }
  }

  /// Waits until somebody stands at the gate or has passed it; false after `deadline`.
  package func waitForVisitor(deadline: Duration = .seconds(20)) -> Bool {
    let end = MonotonicTime.now + deadline
    return lock.withLock {
      while !hasVisitor {
        let left = end - MonotonicTime.now
        if left <= 0 || !changed.wait(lock, timeout: .nanoseconds(left)) { return hasVisitor }
      }
      return true
    }
  }

  /// Lets everybody pass, now and later.
  package func open() {
    lock.withLock {
      isOpen = true
      changed.broadcast()
    }
  }
}
