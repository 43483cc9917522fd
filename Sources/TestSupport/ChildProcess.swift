internal import Glibc

/// How a process ended.
package enum ExitStatus: Hashable, Sendable {
  /// By itself, with this code.
  case exited(Int32)
  /// By this signal.
  case signalled(Int32)
}

/// A program that a test runs; killed and reaped with the object that started it.
package final class ChildProcess {
  /// Its process id.
  package let pid: Int32
  private let directory = TemporaryDirectory()
  private var status: ExitStatus?

  /// The program could not be started; carries errno.
  package struct CannotStart: Error, Hashable, Sendable {
    /// The program that was asked for.
    package let program: String
    /// Why, by errno.
    package let errno: Int32
  }

  /// Starts `program` (looked up in PATH unless it has a slash); `environment` is added to this process's own.
  package init(
    _ program: String, _ arguments: [String] = [], input: [UInt8] = [], environment: [String: String] = [:],
    workingDirectory: String? = nil
  ) throws(CannotStart) {
    Files.write(input, to: directory.file("in"))
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    let create = O_WRONLY | O_CREAT | O_APPEND
    unsafe posix_spawn_file_actions_addopen(&actions, 0, directory.file("in"), O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, directory.file("out"), create, 0o600)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, directory.file("err"), create, 0o600)
    var attributes = withoutInheritedSignals()
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    // `env -C` changes the directory and then becomes the program, so the process id stays the same.
    let environment = environment.merging(ownProfile(in: directory)) { given, _ in given }
    let command = (workingDirectory.map { ["env", "-C", $0] } ?? []) + [program] + arguments
    var child: pid_t = 0
    let result = unsafe withCStrings(command) { argv in
      unsafe withCStrings(merged(environment)) {
        unsafe posix_spawnp(&child, command[0], &actions, &attributes, argv, $0)
      }
    }
    guard result == 0 else { throw CannotStart(program: program, errno: result) }
    pid = child
  }

  deinit {
    kill(SIGKILL)
    guard status == nil else { return }
    while waitpid(pid, nil, 0) < 0, errno == EINTR {}
  }

  /// All that it has written to its standard output so far.
  package var output: String { captured("out") }

  /// All that it has written to its standard error so far.
  package var errors: String { captured("err") }

  /// Sends a signal, unless it is known to have ended: its number may be another's by now.
  package func kill(_ signal: Int32) {
    if status == nil { _ = Glibc.kill(pid, signal) }
  }

  /// How it ended, or nil while it runs.
  package func poll() -> ExitStatus? {
    if status != nil { return status }
    var raw: Int32 = 0
    guard unsafe waitpid(pid, &raw, WNOHANG) == pid else { return nil }
    // wait(2): the low seven bits are the signal, the next byte the exit code.
    status = raw & 0x7F == 0 ? .exited((raw >> 8) & 0xFF) : .signalled(raw & 0x7F)
    if case .exited = status { handInProfile(of: pid, from: directory) }
    return status
  }

  /// Waits for its end; nil when it is still running after `deadline`.
  package func waitForExit(deadline: Duration = .seconds(60)) -> ExitStatus? {
    _ = eventually(deadline: deadline) { poll() != nil }
    return status
  }

  private func captured(_ name: String) -> String {
    String(decoding: Files.read(directory.file(name)) ?? [], as: UTF8.self)
  }
}

/// What `ChildProcess.run` saw.
package struct Ended: Sendable {
  /// How it ended; nil when it had to be killed at the deadline.
  package let status: ExitStatus?
  /// Its standard output.
  package let output: String
  /// Its standard error.
  package let errors: String
}

extension ChildProcess {
  /// Runs a program to its end.
  package static func run(
    _ program: String, _ arguments: [String] = [], input: [UInt8] = [], environment: [String: String] = [:],
    workingDirectory: String? = nil, deadline: Duration = .seconds(60)
  ) throws(CannotStart) -> Ended {
    let child = try ChildProcess(
      program, arguments, input: input, environment: environment, workingDirectory: workingDirectory)
    let status = child.waitForExit(deadline: deadline)
    return Ended(status: status, output: child.output, errors: child.errors)
  }
}

/// Threads of a pool block signals, and a child would inherit that: nothing could end it politely.
private func withoutInheritedSignals() -> posix_spawnattr_t {
  var attributes = posix_spawnattr_t()
  unsafe posix_spawnattr_init(&attributes)
  var signals = sigset_t()
  unsafe sigemptyset(&signals)
  unsafe posix_spawnattr_setsigmask(&attributes, &signals)
  unsafe sigfillset(&signals)
  unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
  unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
  return attributes
}

/// Under coverage a child writes its counts beside its output, so that one killed while it writes spoils nobody's.
private func ownProfile(in directory: TemporaryDirectory) -> [String: String] {
  profiles == nil ? [:] : ["LLVM_PROFILE_FILE": directory.file("%p.profraw")]
}

/// The counts of a child that ended by itself are whole, and count.
private func handInProfile(of pid: Int32, from directory: TemporaryDirectory) {
  guard let profiles else { return }
  _ = unsafe rename(directory.file("\(pid).profraw"), "\(profiles)/child-\(pid).profraw")
}

/// The directory in which the runner of tests collects counts; nil without coverage.
private let profiles = unsafe getenv("LLVM_PROFILE_FILE").flatMap { pattern -> String? in
  let path = unsafe String(cString: pattern)
  return path.lastIndex(of: "/").map { String(path[..<$0]) }
}

private func merged(_ additions: [String: String]) -> [String] {
  var lines: [String] = []
  var next = unsafe environ
  while let entry = unsafe next.pointee {
    let line = unsafe String(cString: entry)
    if additions[String(line.prefix { $0 != "=" })] == nil { lines.append(line) }
    unsafe next += 1
  }
  return lines + additions.map { "\($0)=\($1)" }
}

private func withCStrings<T>(
  _ strings: [String], _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> T
) -> T {
  var pointers = unsafe strings.map { unsafe strdup($0) }
  unsafe pointers.append(nil)
  defer { unsafe pointers.forEach { unsafe free($0) } }
  return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body($0.baseAddress!) }
}
