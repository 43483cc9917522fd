import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// Where a crash loop begins.
enum Ground: String, CaseIterable, Sendable {
  /// No directory: the start itself is part of the loop.
  case fresh
  /// A directory that was closed in good order, with allocations in it.
  case closed
  /// A directory whose process was killed, so that the start has a log to look through.
  case killed
}

/// One fault at one step, for each step: what had been answered must be what the next start finds.
///
/// The oracle is the undisturbed run. After `k` acknowledged steps the whole exported state, revision included, must be
/// the one after step `k`, or after `k + 1` if that one was on its way and nobody was told how it ended. There is
/// nothing in between: a step half done is a state that the undisturbed run never had.
final class CrashLoop {
  let mode: FaultMode
  let ground: Ground
  private let temporary = TemporaryDirectory()
  private let base: String?
  let reference: Reference
  private(set) var report = Report()

  struct Report {
    var faults = 0
    var acknowledged = 0
    var inFlight = 0
    var inFlightKept = 0
    var refused = 0
  }

  init(_ mode: FaultMode, _ ground: Ground) throws {
    (self.mode, self.ground) = (mode, ground)
    base = try ground.make(in: temporary)
    reference = try Reference(copyOf: base, in: temporary.file("reference"))
  }

  /// Lets the process meet the fault at its `n`th step and looks at what is left; false when it took fewer steps.
  func strike(at n: Int) throws -> Bool {
    let parent = temporary.file("run")
    FileSystemTree.makeDirectory(parent)
    defer { Files.remove(parent) }
    let data = "\(parent)/data"
    if let base { try FileSystemTree.copy(base, to: data) }
    let (end, ending) = try run(data, n, parent)
    guard let note = Files.text("\(parent)/note") else {
      #expect(end.acknowledged.count == workload.count, "\(mode) \(ground): no fault, and yet \(ending)")
      return false
    }
    let place = "\(ground), \(mode) at \(note.split(separator: "\n").first ?? "")"
    report.faults += 1
    report.acknowledged += end.acknowledged.count
    judge(ending, end, place, note)
    for (answer, expected) in zip(end.acknowledged, reference.answers) {
      #expect(answer.ip == expected.ip && isOnce(answer), "\(place): \(answer.text) instead of \(expected.text)")
    }
    if try reference.expectKept(
      in: data, answered: end.acknowledged.count, hasOneInFlight: end.hasOneInFlight, place)
    {
      report.inFlightKept += 1
    }
    return true
  }

  /// What the clients of one run were told.
  struct Told {
    var acknowledged: [Answer] = []
    var hasOneInFlight = false
    var refusals: [Answer] = []
    /// Whether the fault came after the start and before the process was asked to stop.
    var metTheFault = false
    var served = false
  }

  private func run(_ data: String, _ n: Int, _ parent: String) throws -> (Told, Ending) {
    var told = Told()
    let environment = FaultShim.environment(mode.rawValue, at: n, below: parent, note: "\(parent)/note")
    let berth: Berth
    do {
      berth = try Berth(data, crashLoopFlags, environment: environment)
    } catch let fault as Berth.DidNotServe {
      return (told, Ending(status: fault.status, errors: fault.errors))
    }
    told.served = true
    let startMetTheFault = Files.exists("\(parent)/note")
    steps: for step in workload {
      attempts: for _ in 0..<10 {
        switch berth.perform(step) {
        case .acknowledged(let answer):
          told.acknowledged.append(answer)
          break attempts
        case .refused(let answer): told.refusals.append(answer)
        case .unknown:
          told.hasOneInFlight = true
          break steps
        }
      }
    }
    told.metTheFault = Files.exists("\(parent)/note") && !startMetTheFault
    // A process that is about to end by itself must not be taken for one that was asked to.
    let status = told.hasOneInFlight ? berth.process.waitForExit() : berth.stop()
    return (told, Ending(status: status, errors: berth.errors))
  }

  struct Ending: CustomStringConvertible {
    let status: TestSupport.ExitStatus?
    let errors: String
    var description: String { "\(status.map { "\($0)" } ?? "still running"): \(errors)" }
  }

  /// Whether the process ended as the fault demands.
  private func judge(_ ending: Ending, _ told: Told, _ place: String, _ note: String) {
    report.refused += told.refusals.count
    if told.hasOneInFlight { report.inFlight += 1 }
    switch mode {
    case .kill, .torn, .cut:
      #expect(ending.status == .signalled(SIGKILL), "\(place): \(ending)")
    case .eio:
      let wentOn = ending.status == .exited(0) && told.acknowledged.count == workload.count
      #expect(ending.status == .exited(70) || wentOn, "\(place): \(ending)")
      if note.contains("sync "), note.contains("log.db"), told.metTheFault {
        #expect(ending.status == .exited(70), "a failed flush of the log ends the process; \(place): \(ending)")
      }
    case .enospc:
      if told.served {
        #expect(ending.status == .exited(0) && told.acknowledged.count == workload.count, "\(place): \(ending)")
        #expect(told.refusals.allSatisfy { $0.code == "storage_full" }, "\(place): \(told.refusals.map(\.text))")
      } else {
        let saysWhy = ["space", "full", "room"].contains { ending.errors.contains($0) }
        #expect(ending.status == .exited(70) && saysWhy, "\(place): \(ending)")
      }
    }
  }

  /// Nothing but a refusal for lack of room makes the workload repeat a step, so each was done when it was answered.
  private func isOnce(_ answer: Answer) -> Bool { mode == .enospc || (200...299).contains(answer.status) }
}

extension Ground {
  /// The data directory that a run begins with; nil = none.
  func make(in temporary: TemporaryDirectory) throws -> String? {
    if self == .fresh { return nil }
    let base = temporary.file("base")
    let berth = try Berth(base, crashLoopFlags)
    for i in 1...10 { guard try berth.allocate("old-\(i)").status == 201 else { throw Unexpected("no base") } }
    _ = try berth.send("DELETE", "/api/v1/ip/release/old-4")
    if self == .closed { berth.stop() } else { berth.crash() }
    return base
  }
}

extension Reference {
  /// Runs the workload on a copy of `base`, in a directory that is made for it.
  init(copyOf base: String?, in parent: String) throws {
    FileSystemTree.makeDirectory(parent)
    if let base { try FileSystemTree.copy(base, to: parent + "/data") }
    try self.init(parent + "/data", in: parent)
  }

  /// Starts on what a fault has left and looks whether it is the state after `answered` steps, or after one more if
  /// that was in flight; then does the rest. True when the one in flight had been done.
  func expectKept(in data: String, answered: Int, hasOneInFlight: Bool, _ place: String) throws -> Bool {
    if Files.exists("\(data)/log.db") {
      let check = try Berth.run(["check", "--data-dir", data])
      #expect(check.status == .exited(0), "\(place): check before the restart: \(check)")
    }
    let berth: Berth
    do { berth = try Berth(data, crashLoopFlags) } catch {
      Issue.record("\(place): the next start: \(error)")
      return false
    }
    let state = try berth.state()
    let isKept = hasOneInFlight && state == states[answered + 1]
    #expect(isKept || state == states[answered], "\(place): after \(answered) answers: \(text(state))")
    expectNoAddressTwice(state, place)
    // What was under way is asked for again, and the rest follows: the outcome is as if nothing had happened.
    for step in workload[answered...] {
      if case .acknowledged = berth.perform(step) { continue }
      Issue.record("\(place): afterwards, \(step.method) \(step.target) is not answered: \(berth.errors)")
    }
    #expect(try berth.state() == states.last, "\(place): the rest of the work ends differently")
    #expect(berth.stop() == .exited(0), "\(place): \(berth.errors)")
    let check = try Berth.run(["check", "--data-dir", data])
    #expect(check.status == .exited(0), "\(place): check afterwards: \(check)")
    return isKept
  }

  private func expectNoAddressTwice(_ state: JSONValue, _ place: String) {
    var seen: Set<String> = []
    for allocation in state["allocations"]?.elements ?? [] {
      let name = "\(allocation["pool"]?.string ?? "?") \(allocation["ip"]?.string ?? "?")"
      #expect(seen.insert(name).inserted, "\(place): \(name) twice")
    }
  }

  private func text(_ state: JSONValue) -> String { String(decoding: state.encoded(), as: UTF8.self) }
}

/// Directories for the loop.
enum FileSystemTree {
  static func makeDirectory(_ path: String) {
    precondition(mkdir(path, 0o755) == 0, "cannot make \(path): errno \(errno)")
  }

  static func copy(_ source: String, to target: String) throws {
    let ended = try ChildProcess.run("cp", ["-a", "--sparse=always", source, target])
    guard ended.status == .exited(0) else { throw Unexpected("cp: \(ended.errors)") }
  }
}
