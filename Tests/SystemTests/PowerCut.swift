import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import Wire

/// Runs of the workload whose every step on the disk is written down, and disks as power cuts leave them.
final class PowerCut {
  struct Report {
    var cuts = 0
    var unflushed = 0
    var answered = 0
    var inFlight = 0
    var inFlightKept = 0
  }

  /// One run: where it began, what it did to its disk, and how long the journal was around each answer.
  struct Run {
    let disk: CutDisk
    let journal: DiskJournal
    let begun: [Int]
    let answered: [Int]
    /// Steps of the workload that were answered before it.
    let done: Int
    /// Whether one more may have been done before it, unanswered.
    let hasOneInFlight: Bool
  }

  /// A disk after a cut, and what is known of it.
  struct Cut {
    let directory: String
    let moment: Int
    let answered: Int
    let hasOneInFlight: Bool
    let place: String
  }

  let base: String?
  let reference: Reference
  private(set) var report = Report()
  private let ground: Ground
  private let flags: [String]
  private let port: UInt16
  private let temporary = TemporaryDirectory()
  private var directories = 0

  init(_ ground: Ground, flags: [String] = crashLoopFlags, port: UInt16 = 0) throws {
    (self.ground, self.flags, self.port) = (ground, flags, port)
    base = try ground.make(in: temporary)
    reference = try Reference(copyOf: base, in: temporary.file("reference"))
  }

  private func fresh() -> String {
    directories += 1
    return temporary.file("run-\(directories)")
  }

  /// Starts on a directory as it is.
  func start(_ directory: String, _ environment: [String: String] = [:]) throws -> Berth {
    try Berth(directory, flags, port: port, environment: environment)
  }

  /// Starts on a copy of `base` and does what is left of the workload.
  func run(_ base: String?, done: Int = 0, hasOneInFlight: Bool = false) throws -> Run {
    var (begun, answered): ([Int], [Int]) = ([], [])
    return try traced(base) { berth, length in
      for step in workload[done...] {
        begun.append(length())
        guard case .acknowledged = berth.perform(step) else { throw Unexpected("\(step.target): \(berth.errors)") }
        answered.append(length())
      }
    } making: {
      Run(disk: $0, journal: $1, begun: begun, answered: answered, done: done, hasOneInFlight: hasOneInFlight)
    }
  }

  private func traced(
    _ base: String?, _ work: (Berth, @escaping @Sendable () -> Int) throws -> Void,
    making: (CutDisk, DiskJournal) -> Run
  ) throws -> Run {
    let parent = fresh()
    FileSystemTree.makeDirectory(parent)
    defer { Files.remove(parent) }
    if let base, Files.exists(base) { try FileSystemTree.copy(base, to: "\(parent)/data") }
    let disk = CutDisk(parent)
    let journal = temporary.file("journal")
    defer { Files.remove(journal) }
    let berth = try start("\(parent)/data", FaultShim.environment("trace", below: parent, note: journal))
    try work(berth) { DiskJournal.length(journal) }
    guard berth.stop() == .exited(0) else { throw Unexpected("did not stop: \(berth.errors)") }
    return making(disk, DiskJournal(Files.read(journal) ?? []))
  }

  /// Hands `body` disks after cuts at `count` moments of the run, one after the other.
  func cut(
    _ run: Run, at count: Int, _ random: inout SeededRandom, _ body: (Cut, inout SeededRandom) throws -> Void
  ) throws {
    // Half of them right before a flush: there the most is waiting.
    let flushes = run.journal.records.indices.filter { "SY".contains(run.journal.records[$0].what) }
    let moments = (0..<count).map { index in
      index % 2 == 0 ? random.pick(flushes) : Int.random(in: 0...run.journal.records.count, using: &random)
    }
    try cut(run, at: moments.sorted(), &random, body)
  }

  /// Hands `body` the disk as it is when the last answer has come and nothing lasts that was not flushed, and as it
  /// would be if the process had never flushed what is called `name`.
  func cutAtTheEnd(_ run: Run, forgetting name: String, _ random: inout SeededRandom, _ body: (Cut) throws -> Void)
    throws
  {
    let kept = run.journal.records.filter { !("SY".contains($0.what) && $0.path == name) }
    let forgetful = Run(
      disk: run.disk, journal: DiskJournal(records: kept), begun: run.begun, answered: run.answered, done: run.done,
      hasOneInFlight: run.hasOneInFlight)
    let end = kept.count { $0.end <= run.answered.last ?? 0 }
    try cut(forgetful, at: [end], keeping: .nothing, &random) { cut, _ in try body(cut) }
  }

  private func cut(
    _ run: Run, at moments: [Int], keeping fixed: CutDisk.Chance? = nil, _ random: inout SeededRandom,
    _ body: (Cut, inout SeededRandom) throws -> Void
  ) throws {
    var disk = run.disk
    var steps = 0
    for moment in moments {
      while steps < moment {
        disk.apply(run.journal.records[steps])
        steps += 1
      }
      let length = moment == 0 ? 0 : run.journal.records[moment - 1].end
      let parent = fresh()
      defer { Files.remove(parent) }
      let chance = fixed ?? CutDisk.Chance(&random)
      report.unflushed += disk.cut(to: parent, chance, &random)
      report.cuts += 1
      let answered = run.answered.count { $0 <= length }
      let next = moment < run.journal.records.count ? run.journal.records[moment] : nil
      let cut = Cut(
        directory: "\(parent)/data", moment: length, answered: run.done + answered,
        hasOneInFlight: run.begun.count { $0 <= length } > answered || answered == 0 && run.hasOneInFlight,
        place: """
          \(ground), cut before step \(moment) (\(next.map { "\($0.what) \($0.path)" } ?? "the end")), \(chance), \
          seed \(random.seed)
          """)
      try body(cut, &random)
    }
  }

  /// Whether the next start on a disk finds what had been answered.
  func expectKept(_ cut: Cut) throws {
    let copy = fresh()
    FileSystemTree.makeDirectory(copy)
    defer { Files.remove(copy) }
    if Files.exists(cut.directory) { try FileSystemTree.copy(cut.directory, to: "\(copy)/data") }
    report.answered += cut.answered
    if cut.hasOneInFlight { report.inFlight += 1 }
    if try reference.expectKept(
      in: "\(copy)/data", answered: cut.answered, hasOneInFlight: cut.hasOneInFlight, cut.place)
    {
      report.inFlightKept += 1
    }
  }

  /// What one of many clients was answered, and how long the journal was then.
  struct Given: Sendable {
    let vm: String
    let ip: String?
    let at: Int
  }

  /// Many clients at once, each with allocations of its own.
  func runMany(clients: Int, each: Int) throws -> (run: Run, answers: [Given]) {
    var answers: [Given] = []
    let run = try traced(base) { berth, length in
      let client = Shared(berth.client)
      answers = try together(clients) { number in
        try (0..<each).map { index in
          let vm = "vm-\(number)-\(index)"
          let body = Array(#"{"vm_id":"\#(vm)"}"#.utf8)
          let answer = try Answer(client.withLock { $0 }.send(ClientRequest("POST", "/api/v1/ip/allocate", body: body)))
          return Given(vm: vm, ip: answer.ip, at: length())
        }
      }.flatMap { $0 }
    } making: {
      Run(disk: $0, journal: $1, begun: [], answered: [], done: 0, hasOneInFlight: false)
    }
    return (run, answers)
  }
}
