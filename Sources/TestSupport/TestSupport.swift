// TestSupport: what the proofs of every room share.
//
// Randomness comes from a seed that is printed, so that a failure can be repeated; directories remove themselves;
// child processes are ended and reaped by the object that started them; and `eventually` is the one place in the
// repository that may let time pass: a test waits for a condition with a deadline, never for a number of seconds.
//
// This room calls the C library itself instead of going through Platform, because it also tests Platform, and
// because spawning a program is nothing that the product does. No test framework is imported here: a wait that
// fails returns false or nil, and the test says what that means.
//
// Refused: pipes for the output of a child. A full pipe stops the child and needs a thread that drains it; a file
// takes any amount, can be read while the child runs, and is still there after a crash.
internal import Platform

/// Asks `condition` again and again until it holds; false when `deadline` has passed first.
package func eventually(
  deadline: Duration = .seconds(20), _ condition: () throws -> Bool
) rethrows -> Bool {
  let end = MonotonicTime.now + deadline
  while try !condition() {
    if MonotonicTime.now >= end { return false }
    nap()
  }
  return true
}

/// The pause between two looks at a condition: long enough to leave the processor to whoever must make it true.
private func nap() {
  let lock = Lock()
  let nobody = Condition()
  lock.withLock { _ = nobody.wait(lock, timeout: .milliseconds(1)) }
}
