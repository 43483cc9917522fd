internal import CLinux

/// The signals that end a server in good order, or make it read its files again, taken by whoever waits for them instead
/// of by a handler.
package struct TerminationSignals: Sendable {
  /// What was asked for.
  package enum Wish: String, Sendable {
    /// To end.
    case terminate = "SIGTERM"
    /// To end, from the keyboard.
    case interrupt = "SIGINT"
    /// To read files again.
    case reload = "SIGHUP"
  }

  private let hasReload: Bool

  /// Blocks SIGTERM and SIGINT (and SIGHUP with `reload`) in this thread and in all it starts, and ignores SIGPIPE;
  /// before any other thread exists.
  package init(reload: Bool = false) {
    hasReload = reload
    var set = signals
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    berth_ignore_broken_pipes()
  }

  /// Waits for one of them.
  package func wait() -> Wish {
    var set = signals
    var number: Int32 = 0
    while unsafe sigwait(&set, &number) != 0 {}
    return number == SIGINT ? .interrupt : number == SIGHUP ? .reload : .terminate
  }

  /// Whether one of them waits to be taken.
  package static var isPending: Bool {
    var set = sigset_t()
    guard unsafe sigpending(&set) == 0 else { return false }
    let members = unsafe (sigismember(&set, SIGTERM), sigismember(&set, SIGINT))
    return members.0 == 1 || members.1 == 1
  }

  /// Ends the wait as a signal from outside would.
  package static func raise() { kill(getpid(), SIGTERM) }

  /// From now on a second one ends the process at once.
  package func unblock() {
    var set = signals
    unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }

  private var signals: sigset_t {
    var set = sigset_t()
    unsafe sigemptyset(&set)
    for number in [SIGTERM, SIGINT] + (hasReload ? [SIGHUP] : []) { unsafe sigaddset(&set, number) }
    return set
  }
}

/// Leaving the process.
package enum ProcessEnd {
  /// Ends at once, without any further answer or clean-up.
  package static func now(_ code: Int32) -> Never { _exit(code) }

  /// Begins this program again in the same process, with the same arguments and one variable more; returns only when
  /// the system refuses.
  package static func again(_ name: String, _ value: String) {
    unsafe setenv(name, value, 1)
    var arguments = unsafe CommandLine.arguments.map { unsafe strdup($0) }
    unsafe arguments.append(nil)
    unsafe execv("/proc/self/exe", arguments)
  }

  /// Ends with buffers flushed.
  package static func orderly(_ code: Int32) -> Never { exit(code) }
}

/// This process.
package enum CurrentProcess {
  /// Its id.
  package static var id: Int { Int(getpid()) }

  /// What it and its children make from now on is for its owner alone, also what a library makes.
  package static func keepFilesPrivate() { umask(0o077) }

  /// How many processors it may use.
  package static var processors: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }

  /// How many descriptors it may have: as many as the system lets it, once this has been called.
  package static func raiseDescriptorLimit() -> Int {
    let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    guard unsafe getrlimit(descriptors, &limit) == 0 else { return 1_024 }
    var raised = limit
    raised.rlim_cur = limit.rlim_max
    if unsafe setrlimit(descriptors, &raised) == 0 { limit = raised }
    return Int(clamping: limit.rlim_cur)
  }

  /// Its environment.
  package static var environment: [String: String] {
    var found: [String: String] = [:]
    var next = unsafe berth_environment()
    while let entry = unsafe next?.pointee {
      let parts = unsafe String(cString: entry).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2 { found[String(parts[0])] = String(parts[1]) }
      unsafe next = next?.advanced(by: 1)
    }
    return found
  }

  /// Writes to standard error, as far as it goes.
  package static func complain(_ bytes: [UInt8]) { writeAll(2, bytes) }

  /// Writes to standard output, as far as it goes.
  package static func say(_ bytes: [UInt8]) { writeAll(1, bytes) }

  private static func writeAll(_ fd: Int32, _ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = unsafe rest.withUnsafeBytes { unsafe write(fd, $0.baseAddress, $0.count) }
      if written < 0, berth_errno() == EINTR { continue }
      if written <= 0 { return }
      rest = rest.dropFirst(written)
    }
  }
}
