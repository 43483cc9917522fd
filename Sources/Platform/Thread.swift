internal import CLinux

/// A thread of our own with a name that tools show; its owner joins it, or lets go of it.
@safe package final class Thread: @unchecked Sendable {
  private var handle = pthread_t()
  private var isJoined = false

  /// Starts a thread called `name` (at most 15 bytes) that runs `body`.
  package init(name: String, _ body: @escaping @Sendable () -> Void) {
    precondition(name.utf8.count <= 15, "thread name \(name) is over 15 bytes")
    let box = unsafe Unmanaged.passRetained(Body(name, body)).toOpaque()
    let result = unsafe pthread_create(
      &handle, nil,
      { raw in
        let body = unsafe Unmanaged<Body>.fromOpaque(raw!).takeRetainedValue()
        _ = unsafe pthread_setname_np(pthread_self(), body.name)
        body.run()
        return nil
      }, box)
    precondition(result == 0, "pthread_create failed with \(result)")
  }

  /// Waits until the thread's body has returned.
  package func join() {
    let result = pthread_join(handle, nil)
    precondition(result == 0, "pthread_join failed with \(result)")
    isJoined = true
  }

  // The stack of a thread that ended is kept for who may join it.
  deinit { if !isJoined { pthread_detach(handle) } }

  private final class Body: Sendable {
    let name: String
    let run: @Sendable () -> Void
    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = name
      self.run = run
    }
  }
}
