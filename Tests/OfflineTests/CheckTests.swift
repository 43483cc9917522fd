import Addressing
import Domain
import Ledger
import Log
import LogMemory
import Offline
import TestSupport
import Testing

@Suite struct CheckTests {
  @Test func aSoundDirectoryHasNoFindings() throws {
    let bench = try OfflineBench.sound()
    let report = try bench.check()
    #expect(report.findings.isEmpty && report.exitCode == 0, "\(report.lines)")
    #expect(report.batches == 40 && report.revision == bench.revision && report.snapshots == 1)
    #expect(report.rows > 40 && report.historyPairs ?? 0 > 200)
    #expect(report.lines.last == "all is well")
  }

  @Test func aSoundTrimmedDirectoryHasNoFindings() throws {
    let bench = try OfflineBench.sound()
    bench.log.trim(through: 15)
    let report = try bench.check()
    #expect(report.isSound && report.rows > 40, "\(report.lines)")
    #expect(report.notes.count == 1)
  }

  /// Strategy `oldest` remembers what was released outside too: the pool may grow again.
  @Test func aReleaseThatAShrunkPoolRemembersIsSound() throws {
    let bench = OfflineBench()
    bench.batch([OfflineBench.createPool("edge", "10.0.0.0/16") { $0.strategy = .oldest }])
    var request = AllocateRequest(
      .pool(PoolName(trusted: "edge")), holder: Holder(owner: OwnerName(trusted: "far")))
    request.address = IPAddress("10.0.200.5")
    bench.batch([.allocate(request), OfflineBench.release("far")])
    var patch = PoolPatch()
    patch.cidr = try Prefix(parsing: "10.0.0.0/17")
    bench.batch([.updatePool(PoolName(trusted: "edge"), patch, ifMatch: nil)])
    try bench.index()
    let report = try bench.check()
    #expect(report.findings.isEmpty && report.exitCode == 0, "\(report.lines)")
    // In quarantine it would keep the pool from shrinking: there it is damage.
    bench.forge([
      .put(
        .released(
          Released(
            pool: PoolName(trusted: "edge"), block: Prefix(containing: IPAddress("10.0.200.9")!, length: 32),
            owner: OwnerName(trusted: "x"), order: bench.revision, releasedAt: bench.now,
            quarantineUntil: bench.now + 1_000_000)))
    ])
    #expect(try bench.check().findings.contains { $0.kind == .outsideRange && $0.what.contains("10.0.200.9") })
  }

  @Test func anEmptyLogIsSound() throws {
    #expect(try OfflineBench().check().isSound)
  }

  @Test func aChangedEntryBreaksTheChain() throws {
    let bench = try OfflineBench.sound()
    bench.log.tamper(11) { $0.entries[0][20] ^= 1 }
    let report = try bench.check()
    #expect(report.counts[.logDamaged] ?? 0 >= 1 && report.exitCode == 7)
    #expect(report.findings.contains { $0.kind == .logDamaged && $0.what.contains("batch 11") }, "\(report.lines)")
    #expect(report.batches == 40, "what is behind the damage is read too")
  }

  @Test func anEntryThatCannotBeReadIsNamed() throws {
    let bench = try OfflineBench.sound()
    bench.forge(entry: [9, 9])
    let report = try bench.check()
    #expect(report.findings.map(\.kind) == [.logDamaged], "\(report.lines)")
    #expect(report.findings.first?.what.contains("revision \(bench.revision + 1)") == true)
  }

  @Test func aChangedLastBatchIsNotTheOneTheHeadNames() throws {
    let bench = try OfflineBench.sound()
    bench.log.tamper(40) { $0.nonce += 1 }
    #expect(try bench.check().findings.contains { $0.kind == .logDamaged && $0.what.contains("batch 40") })
  }

  @Test func lostBatchesAreCounted() throws {
    let bench = try OfflineBench.sound()
    let report = try bench.check(lost: 7...9)
    #expect(report.findings.map(\.kind) == [.logIncomplete], "\(report.lines)")
    #expect(report.findings[0].what == "batches 7 to 9 of the log are missing")
    #expect(report.batches == 37)
  }

  @Test func aStateThatTheEntriesDoNotLeadToIsFound() throws {
    // The chain is whole: whoever wrote this wrote all of it. Only the state hash tells.
    let bench = OfflineBench()
    bench.batch([OfflineBench.createPool("edge", "10.0.0.0/24")])
    let head = bench.log.head
    let forged = Batch(
      sequence: 2, epoch: 1, nonce: 0, time: head.time, seed: 0, firstRevision: 2, previous: head.hash, stateHash: 42,
      entries: [
        Entry(
          revision: 2, kind: .allocated, actor: "", requestID: "", asked: "",
          effects: [.put(bench.row("10.0.0.2", "vm"))],
          told: .nothing
        ).encoded
      ])
    bench.log.append(forged) { _ in }
    #expect(try bench.check().findings.map(\.kind) == [.stateHash])
  }

  @Test func aDamagedSnapshotIsNamedAndTheLogStillChecked() throws {
    let bench = try OfflineBench.sound()
    let sequence = try #require(try bench.snapshots.list().first)
    bench.snapshots[sequence]?[100] ^= 1
    let report = try bench.check()
    #expect(report.findings.map(\.kind) == [.snapshot] && report.rows > 40, "\(report.lines)")
    #expect(report.findings[0].what.contains("\(sequence)") && report.findings[0].wayOut.contains("--rebuild"))
  }

  @Test func aSnapshotOfOtherRowsIsFound() throws {
    let bench = try OfflineBench.sound()
    let other = try OfflineBench.sound()
    other.forge([.put(other.row("10.0.0.250", "intruder"))])
    bench.batch([OfflineBench.allocate("vm-last")])
    try other.snapshot()
    // Same log id, same sequence, same revision, other rows.
    bench.snapshots[41] = other.snapshots[41]
    let report = try bench.check()
    #expect(report.counts[.replaysDiffer] ?? 0 >= 1, "\(report.lines)")
  }

  @Test func anIndexThatLacksAnEntryIsFound() throws {
    let bench = try OfflineBench.sound()
    try bench.history.reset()
    try bench.history.add([], through: 5)
    let report = try bench.check()
    #expect(report.findings.map(\.kind) == [.history], "\(report.lines)")
    try bench.history.add([], through: 5_000)
    #expect(try bench.check().findings.first?.what.contains("5000") == true)
  }

  /// Start and check read the same log; one of them that counts wrongly is played by a log that is another one when
  /// it is opened for the third time.
  @Test func s0_6_aKeptIndexThatDiffersFromTheRowsIsFound() throws {
    let bench = try OfflineBench.sound()
    let other = try OfflineBench.sound()
    other.batch([OfflineBench.allocate("late")])
    let report = try bench.check(other: other, from: 3)
    #expect(report.counts[.index] ?? 0 >= 1 && report.exitCode == 7, "\(report.lines)")
    #expect(report.findings.contains { $0.what.contains("pool edge") && $0.what.contains("allocations counted") })
    #expect(report.findings.allSatisfy { $0.kind == .index }, "\(report.lines)")
  }

  @Test func anIndexThatCannotBeReadIsAFinding() throws {
    let bench = try OfflineBench.sound()
    let log = bench.log
    let report = try Check.run(
      Media(
        log: { () throws(LogFault) in try log.reader() }, snapshots: nil,
        history: { () throws(LogFault) in throw .damagedFile(path: "history.db", what: "it is no database") }))
    #expect(report.findings.map(\.kind) == [.history] && report.exitCode == 7, "\(report.lines)")
  }

  /// The checksums of such a snapshot are right; only the log knows better.
  @Test func rebuildBelievesAWholeLogAndNotASnapshot() throws {
    let bench = try OfflineBench.sound()
    let other = try OfflineBench.sound()
    other.forge([.put(other.row("10.0.0.250", "intruder"))])
    bench.batch([OfflineBench.allocate("vm-last")])
    try other.snapshot()
    bench.snapshots[41] = other.snapshots[41]
    #expect(try bench.check().counts[.replaysDiffer] ?? 0 >= 1)
    let log = bench.log
    _ = try Rebuild.run(
      log: { () throws(LogFault) in try log.reader() }, snapshots: bench.snapshots, history: bench.history)
    let report = try bench.check()
    #expect(report.isSound, "\(report.lines)")
  }

  @Test func everyKindOfForgedRowIsNamed() throws {
    let edge = PoolName(trusted: "edge")
    let nowhere = PoolName(trusted: "nowhere")
    let ip = IPAddress("10.0.0.9")!
    let cases: [(Finding.Kind, (OfflineBench) -> [Effect])] = [
      (.orphan, { [.put($0.row("10.0.0.9", "vm", pool: "nowhere"))] }),
      (.orphan, { [.put(.cursor(nowhere, IPAddress("10.0.0.\($0.revision % 9)")!))] }),
      (
        .orphan,
        {
          [
            .put(
              .reservation(
                Reservation(
                  pool: nowhere, range: AddressRange(ip, ip), reason: "", createdAt: $0.now, revision: 1)))
          ]
        }
      ),
      (.outsideRange, { [.put($0.row("10.9.9.9", "vm"))] }), (.outsideRange, { [.put($0.row("10.0.0.1", "vm"))] }),
      (.outsideRange, { [.put($0.row("10.0.0.205", "vm"))] }),
      (.duplicate, { [.put($0.row("10.0.0.150", "vm")), .put($0.row("10.0.0.151", "vm"))] }),
      (.implausible, { [.put($0.row("10.0.0.150", "vm", generation: 9_999))] }),
      (
        .implausible,
        {
          [
            .put(
              .released(
                Released(
                  pool: edge, block: Prefix(containing: IPAddress("10.0.0.150")!, length: 32),
                  owner: OwnerName(trusted: "vm"), order: 1, releasedAt: $0.now, quarantineUntil: $0.now - 5)))
          ]
        }
      ),
      (
        .overlap,
        {
          let inner = $0.row("10.0.0.150", "vm")
          let outer = Allocation(
            pool: edge, block: Prefix(containing: IPAddress("10.0.0.150")!, length: 28),
            owner: OwnerName(trusted: "other"), createdAt: $0.now, generation: $0.revision + 1,
            revision: $0.revision + 1)
          return [.put(inner), .put(.allocation(outer))]
        }
      ),
      (
        .overlap,
        { bench in
          let cidr = try! Prefix(parsing: "10.0.0.128/25")
          return [.put(.pool(Pool(name: nowhere, extent: Extent(cidr: cidr, gateway: nil), revision: 1)))]
        }
      )
    ]
    for (number, (kind, effects)) in cases.enumerated() {
      let bench = try OfflineBench.sound()
      bench.forge(effects(bench))
      let report = try bench.check()
      #expect(report.counts[kind] ?? 0 >= 1 && report.exitCode == 7, "case \(number): \(report.lines)")
    }
  }

  @Test func manyFindingsAreCountedAndFewListed() throws {
    let bench = try OfflineBench.sound()
    bench.forge((0..<100).map { .put(bench.row("10.7.0.\($0)", "vm-far-\($0)")) })
    let report = try bench.check()
    #expect(report.counts[.outsideRange] == 100)
    #expect(report.findings.count == CheckReport.listedPerKind)
    #expect(report.lines.contains("outside_range: and 80 more"))
  }

  @Test func rebuildMendsWhatIsDerived() throws {
    let bench = try OfflineBench.sound()
    let sequence = try #require(try bench.snapshots.list().first)
    bench.snapshots[sequence]?[100] ^= 1
    try bench.history.reset()
    let log = bench.log
    let made = try Rebuild.run(
      log: { () throws(LogFault) in try log.reader() }, snapshots: bench.snapshots, history: bench.history)
    #expect(made.history == bench.revision && made.snapshot == bench.revision && made.lines.count == 2)
    try bench.snapshot()
    bench.snapshots[sequence] = nil
    let report = try bench.check()
    #expect(report.isSound && report.historyPairs ?? 0 > 200, "\(report.lines)")
  }

  @Test func rebuildRefusesADamagedLogAndLeavesTheIndex() throws {
    let bench = try OfflineBench.sound()
    bench.log.tamper(30) { $0.nonce += 1 }
    let log = bench.log
    #expect(throws: (any Error).self) {
      try Rebuild.run(log: { () throws(LogFault) in try log.reader() }, snapshots: nil, history: bench.history)
    }
    #expect(try bench.history.reader().through() == bench.revision)
  }

  @Test func aDumpShowsEveryEntryOnceAndInOrder() throws {
    let bench = try OfflineBench.sound()
    var revisions: [Revision] = []
    let shown = try LogDump().run(bench.log.reader()) { entry, time in
      revisions.append(entry.revision)
      return time > 0
    }
    #expect(revisions == Array(1...bench.revision) && shown == bench.revision)
    var dump = LogDump()
    (dump.from, dump.to) = (10, 12)
    revisions = []
    _ = try dump.run(bench.log.reader()) { entry, _ in
      revisions.append(entry.revision)
      return true
    }
    #expect(revisions == [10, 11, 12])
    bench.log.trim(through: 20)
    #expect(try LogDump().run(bench.log.reader()) { _, _ in false } == 1, "a reader that has enough ends it")
  }
}
