import Foundation
import Platform
import TestSupport
import Testing
import Wire

/// The power goes at any moment of a run: whatever a disk may then hold, the next start finds all that was answered.
///
/// Nobody pulls a plug here. A shim writes down what the process changes and flushes; of that the disk is made as it
/// may be after a cut between any two of these steps (CutDisk.swift), and the real binary starts on it.
/// `make test` takes a few moments by chance; BERTH_POWER_CUTS is how many each test takes.
@Suite(
  .serialized, .enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"), .timeLimit(.minutes(60)))
struct PowerCutTests {
  static let cuts = ProcessInfo.processInfo.environment["BERTH_POWER_CUTS"].flatMap { Int($0) } ?? 10

  @Test(arguments: Ground.allCases)
  func s3_71_whatWasAnsweredIsThereAfterAPowerCutAtAnyMoment(ground: Ground) throws {
    var random = SeededRandom(announcedAs: "power cut \(ground)")
    let begin = MonotonicTime.now
    let power = try PowerCut(ground)
    let first = try power.run(power.base)
    try power.cut(first, at: Self.cuts, &random) { cut, random in
      try power.expectKept(cut)
      // What mends a disk after a cut meets the next one.
      guard random.oneIn(4) else { return }
      let second = try power.run(cut.directory, done: cut.answered, hasOneInFlight: cut.hasOneInFlight)
      try power.cut(second, at: 2, &random) { again, _ in try power.expectKept(again) }
    }
    print(
      """
      power cut \(ground): \(power.report.cuts) cuts in \(first.journal.records.count) steps, \
      \(power.report.unflushed) changes not flushed, \(power.report.answered) answers all kept, \
      \(power.report.inFlightKept) of \(power.report.inFlight) in flight were done, \
      \((MonotonicTime.now - begin) / 1_000_000_000) s
      """)
  }

  @Test func s3_71_ofManyClientsEachKeepsWhatItWasAnsweredAfterAPowerCut() throws {
    var random = SeededRandom(announcedAs: "power cut, many clients")
    let power = try PowerCut(.killed)
    let told = try power.runMany(clients: 8, each: 12)
    var answers = 0
    try power.cut(told.run, at: Self.cuts, &random) { cut, _ in
      let berth = try power.start(cut.directory)
      let kept = try berth.get("/api/v1/export")["allocations"]?.elements ?? []
      let byOwner = Dictionary(grouping: kept) { $0["owner"]?.string ?? "?" }.mapValues { $0.map { $0["ip"]?.string } }
      for answer in told.answers where answer.at <= cut.moment {
        #expect(byOwner[answer.vm] == [answer.ip], "\(cut.place): \(answer.vm)")
        answers += 1
      }
      #expect(Set(kept.map { $0["ip"]?.string }).count == kept.count, "\(cut.place): an address twice")
      #expect(berth.stop() == .exited(0), "\(cut.place): \(berth.errors)")
      let check = try Berth.run(["check", "--data-dir", cut.directory])
      #expect(check.status == .exited(0), "\(cut.place): \(check)")
    }
    print("power cut, many clients: \(power.report.cuts) cuts, \(answers) answers all kept")
  }
}

/// The disks that are made forgive nothing: without one of the flushes, what was answered is lost.
@Suite(.enabled(if: FaultShim.path != nil, "no C compiler for the fault shim"), .timeLimit(.minutes(5)))
struct ForgottenFlushTests {
  @Test(arguments: ["data/log.db-wal", "data", "", "none"])
  func aFlushThatIsForgottenIsFoundOut(name: String) throws {
    var random = SeededRandom(announcedAs: "forgotten flush of \(name)")
    let power = try PowerCut(.fresh)
    try power.cutAtTheEnd(try power.run(nil), forgetting: name, &random) { cut in
      if name == "none" { return try power.expectKept(cut) }
      withKnownIssue("\(name) is not flushed") { try power.expectKept(cut) }
    }
  }
}

/// A node of a cluster loses its power, etcd does not: what the node's own archive lost, the cluster has.
@Suite(
  .serialized, .enabled(if: FaultShim.path != nil && RealCluster.isPossible, "no C compiler or no etcd here"),
  .timeLimit(.minutes(60)))
struct NodePowerCutTests {
  @Test func aNodeComesBackWithEverythingAfterAPowerCutAtAnyMoment() throws {
    var random = SeededRandom(announcedAs: "power cut of a node")
    let cluster = try RealCluster(nodes: 0, members: 1)
    let flags = ["--etcd", cluster.etcdURLs[0], "--node", "n", "--snapshot-every", "8"]
    let power = try PowerCut(.fresh, flags: flags, port: freePort())
    let run = try power.run(nil)
    var state: JSONValue?
    try power.cut(run, at: PowerCutTests.cuts, &random) { cut, _ in
      let berth = try power.start(cut.directory)
      #expect(try berth.settled("GET", "/api/v1/pools/edge").status == 200, "\(cut.place): \(berth.errors)")
      let found = try berth.state()
      if state == nil { state = found }
      #expect(found == state, "\(cut.place)")
      #expect(berth.stop() == .exited(0), "\(cut.place): \(berth.errors)")
      let check = try Berth.run(["check", "--data-dir", cut.directory])
      #expect(check.status == .exited(0), "\(cut.place): \(check)")
    }
    let owners = (state?["allocations"]?.elements ?? []).compactMap { $0["owner"]?.string }
    #expect(owners.sorted() == ["c", "d", "net"], "what the workload leaves: \(owners)")
    print("power cut of a node: \(power.report.cuts) cuts, \(power.report.unflushed) changes not flushed")
  }
}
