// Platform: the room that calls C.
//
// Descriptors, sockets, epoll, threads, clocks, hashes and compression, each behind a small Swift type that
// cannot be misused without a trap. Nothing here knows what an address pool is. Every other room but LogSQLite
// reaches the machine through this one, so that "what may block, fail or lie" is a question about one folder.
//
// Locks are our own on pthread: Synchronization.Mutex is not instrumented and gives false races under the
// thread sanitizer. The memory of a lock lives at a stable address that it owns.
internal import CLinux

/// A mutual-exclusion lock that guards what it is stored beside.
@safe package final class Lock: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>

  /// Makes an unlocked lock.
  package init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe check(pthread_mutex_init(mutex, nil))
  }

  deinit {
    unsafe pthread_mutex_destroy(mutex)
    unsafe mutex.deallocate()
  }

  /// Runs `body` while holding the lock.
  package func withLock<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
    unsafe check(pthread_mutex_lock(mutex))
    defer { unsafe check(pthread_mutex_unlock(mutex)) }
    return try body()
  }

  fileprivate func wait(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
    unsafe check(pthread_cond_wait(condition, mutex))
  }

  fileprivate func wait(_ condition: UnsafeMutablePointer<pthread_cond_t>, until deadline: timespec) -> Bool {
    var deadline = deadline
    let result = unsafe pthread_cond_timedwait(condition, mutex, &deadline)
    if result == ETIMEDOUT { return false }
    check(result)
    return true
  }
}

/// Waiting for a change of what a `Lock` guards; `wait` is called inside `withLock` of the same lock.
@safe package final class Condition: @unchecked Sendable {
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  /// Makes a condition that counts time by the monotonic clock.
  package init() {
    unsafe condition = .allocate(capacity: 1)
    unsafe condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    unsafe check(pthread_condattr_init(&attributes))
    unsafe check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC))
    unsafe check(pthread_cond_init(condition, &attributes))
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe condition.deallocate()
  }

  /// Lets go of `lock`, sleeps until signalled (or spuriously), and takes the lock again.
  package func wait(_ lock: Lock) { unsafe lock.wait(condition) }

  /// As `wait`, but gives up after `timeout`; false when the time ran out.
  package func wait(_ lock: Lock, timeout: Duration) -> Bool {
    let end = MonotonicTime.now + timeout
    let deadline = timespec(tv_sec: Int(end.nanoseconds / 1_000_000_000), tv_nsec: Int(end.nanoseconds % 1_000_000_000))
    return unsafe lock.wait(condition, until: deadline)
  }

  /// Wakes one waiter.
  package func signal() { unsafe check(pthread_cond_signal(condition)) }

  /// Wakes all waiters.
  package func broadcast() { unsafe check(pthread_cond_broadcast(condition)) }
}

/// Many readers or one writer; a waiting writer goes first, so readers cannot starve it.
@safe package final class ReaderWriterLock: @unchecked Sendable {
  private let lock: UnsafeMutablePointer<pthread_rwlock_t>

  /// Makes an unlocked lock.
  package init() {
    unsafe lock = .allocate(capacity: 1)
    unsafe lock.initialize(to: pthread_rwlock_t())
    var attributes = pthread_rwlockattr_t()
    unsafe check(pthread_rwlockattr_init(&attributes))
    unsafe check(pthread_rwlockattr_setkind_np(&attributes, Int32(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP)))
    unsafe check(pthread_rwlock_init(lock, &attributes))
    unsafe pthread_rwlockattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_rwlock_destroy(lock)
    unsafe lock.deallocate()
  }

  /// Runs `body` beside other readers; never nested.
  package func read<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
    unsafe check(pthread_rwlock_rdlock(lock))
    defer { unsafe check(pthread_rwlock_unlock(lock)) }
    return try body()
  }

  /// Runs `body` alone.
  package func write<T, E: Error>(_ body: () throws(E) -> T) throws(E) -> T {
    unsafe check(pthread_rwlock_wrlock(lock))
    defer { unsafe check(pthread_rwlock_unlock(lock)) }
    return try body()
  }
}

/// A pthread call that fails here is a bug of ours, never the environment's.
private func check(_ result: Int32) {
  precondition(result == 0, "pthread call failed with \(result)")
}
