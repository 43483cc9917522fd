import HTTPClient
import Log
import Platform
import TestSupport
import Testing

@testable import LogEtcd

/// The log over a real etcd: what every log promises, and what several nodes do.
@Suite(.serialized) struct EtcdLogTests {
  private func entries(_ sizes: [Int]) -> [[UInt8]] { sizes.map { Array(repeating: 7, count: $0) } }

  private func leader(_ real: RealEtcd, _ name: String = "n1") -> TestNode? {
    let node = TestNode(name, [real.endpoint])
    return node.until { node.epoch != nil } ? node : nil
  }

  @Test func whatWasAppendedIsReadBack() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    for size in [0, 1, 40, 5_000, 200_000] { #expect(node.append(entries([size, 3])) == .durable) }
    let reader = try node.log.reader()
    var read: [StoredBatch] = []
    while case let page = try reader.batches(from: UInt64(read.count) + 1, limit: 2), !page.isEmpty { read += page }
    #expect(read.map(\.batch) == node.applied)
    #expect(try reader.head() == node.head && node.log.head == node.head)
    #expect(try reader.verify(from: 1)?.batch == node.applied.last)
    for revision in 1...10 as ClosedRange<UInt64> {
      #expect(try reader.sequence(holding: revision) == 2 + (revision - 1) / 2)
    }
    #expect(try reader.sequence(holding: 0) == nil && reader.sequence(holding: 11) == nil)
    #expect(try reader.oldest() == LogOldest(sequence: 1, revision: 1))
  }

  @Test func aBatchOverTheLimitIsRefusedAndTheNextIsTaken() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    #expect(node.append(entries([Batch.maxBytes])) == .refused(.tooLarge))
    #expect(node.append(Array(repeating: [1], count: Batch.maxEntries + 1)) == .refused(.tooLarge))
    for _ in 0..<9 { #expect(node.append(entries([Batch.maxBytes - Batch.headerBytes - 3])) == .durable) }
    let page = try node.log.reader().batches(from: 2, limit: 256)
    #expect(page.count == BatchPage.maxBytes / Batch.maxBytes)
    // A fresh node reads them all through pages of large batches.
    let late = TestNode("n2", [real.endpoint])
    defer { late.log.close() }
    #expect(late.until { late.head == node.head })
  }

  @Test func aSecondNodeFollowsAndTakesOverWhenTheFirstIsSilent() throws {
    guard let real = RealEtcd.start() else { return }
    let first = try #require(leader(real))
    let second = TestNode("n2", [real.endpoint])
    defer {
      first.log.close()
      second.log.close()
    }
    for _ in 0..<5 { #expect(first.append(entries([10])) == .durable) }
    #expect(second.until { second.head == first.head })
    #expect(second.events.contains(.follows(Leader(epoch: first.epoch!, node: "n1", url: "http://n1"))))
    first.isWedged = true
    let began = MonotonicTime.now
    #expect(second.until { second.epoch != nil })
    #expect(MonotonicTime.now - began < 5_000_000_000)
    #expect(second.append(entries([3])) == .durable)
    #expect(first.append(entries([4])) == .refused(.fenced))
    #expect(first.until { first.head == second.head })
    #expect(first.applied == second.applied)
  }

  @Test func aLeaderThatStopsInGoodOrderIsFollowedAtOnce() throws {
    guard let real = RealEtcd.start() else { return }
    let first = try #require(leader(real))
    let second = TestNode("n2", [real.endpoint])
    defer { second.log.close() }
    #expect(second.until { second.head == first.head })
    first.log.close()
    #expect(second.until(.milliseconds(900)) { second.epoch != nil }, "a lease would have taken longer")
  }

  @Test func aBarrierOfAFollowerSeesWhatTheLeaderWrote() throws {
    guard let real = RealEtcd.start() else { return }
    let first = try #require(leader(real))
    let second = TestNode("n2", [real.endpoint])
    defer {
      first.log.close()
      second.log.close()
    }
    #expect(second.until { second.head != nil })
    for _ in 0..<20 {
      #expect(first.append(entries([10])) == .durable)
      #expect(second.barrier() == .passed(sequence: first.head!.sequence))
      #expect(second.head == first.head)
    }
  }

  @Test func anAppendWhoseAnswerNeverCameIsFoundAgain() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    #expect(node.append(entries([1])) == .durable)
    real.stop()
    node.begin(entries([2]))
    #expect(node.until { node.hasResent || node.ends.count == 2 })
    real.restart()
    #expect(node.until { node.ends.count == 2 })
    #expect(node.ends.last == .durable || node.ends.last == .refused(.fenced))
    // It may find out only now that it was deposed meanwhile: then nothing was done, and it leads again.
    #expect(node.until { node.epoch != nil && node.append(entries([3])) == .durable })
    #expect(try node.log.reader().verify(from: 1)?.batch == node.applied.last)
  }

  @Test func aPausedEtcdEndsNoAppendUnknown() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    let count = node.ends.count
    real.pause()
    node.begin(entries([5]))
    #expect(node.until { node.hasResent || node.ends.count > count })
    real.resume()
    #expect(node.until { node.ends.count > count })
    // It may find out only now that it was deposed meanwhile: then nothing was done, and it leads again.
    #expect(node.ends.last == .durable && node.hasResent || node.ends.last == .refused(.fenced))
    #expect(node.until { node.epoch != nil && node.append(entries([6])) == .durable })
    let reader = try node.log.reader()
    #expect(try reader.verify(from: 1)?.batch == node.applied.last)
  }

  @Test func aFullStoreIsARefusalAndReadsGoOn() throws {
    guard let real = RealEtcd.start(quota: 6_000_000) else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    // What compresses well takes minutes to fill it.
    var random = SeededRandom(seed: 1)
    var end: AppendEnd? = .durable
    while end == .durable { end = node.append([(0..<900_000).map { _ in UInt8.random(in: 0...255, using: &random) }]) }
    #expect(end == .refused(.storageFull))
    #expect(node.barrier() == .passed(sequence: node.head!.sequence))
    #expect(node.append(entries([10])) == .refused(.storageFull))
    #expect(node.epoch != nil)
  }

  @Test func aNodeThatWasTrimmedPastIsBootstrapped() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    for round in 0..<3 {
      for _ in 0..<5 { #expect(node.append(entries([10])) == .durable) }
      var encoder = SnapshotEncoder()
      let revision = node.head!.nextRevision - 1
      var bytes = encoder.prologue
      // Over several pieces.
      let noise = (0..<900_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
      bytes += encoder.add(chunk: noise, revision: revision)
      bytes += encoder.finish(logID: node.head!.logID, sequence: node.head!.sequence, revision: revision)
      node.log.publish(SnapshotImage(anchor: node.head!, bytes: bytes))
      #expect(
        node.until { node.log.status.counters.contains { $0.name == "snapshots_published" && $0.count == round + 1 } })
    }
    #expect(node.until { (try? node.log.reader().oldest())?.sequence == 11 })
    #expect(throws: LogFault.trimmed(oldest: 11)) { try node.log.reader().batches(from: 10, limit: 1) }
    let late = TestNode("n2", [real.endpoint])
    defer { late.log.close() }
    #expect(late.until { late.head == node.head })
    #expect(late.image?.anchor.sequence == 16)
    #expect(late.barrier() == .passed(sequence: node.head!.sequence))
  }

  @Test func aNodeWhoseArchiveIsAheadDoesNotServe() throws {
    guard let real = RealEtcd.start() else { return }
    let node = try #require(leader(real))
    defer { node.log.close() }
    #expect(node.append(entries([1])) == .durable)
    var ahead = node.head!
    ahead.sequence += 1
    var other = node.head!
    other.hash = SHA256Digest(of: [1])
    var foreign = node.head!
    foreign.logID = SHA256Digest(of: [2])
    for (head, word) in [(ahead, "lost history"), (other, "not the one"), (foreign, "another log")] {
      let late = TestNode("n9", [real.endpoint], after: head)
      defer { late.log.close() }
      #expect(late.until { late.lost != nil })
      #expect(late.lost?.contains(word) == true && late.lost?.contains("berth cluster migrate --from") == true)
      if case .failed = late.barrier() {} else { Issue.record("a lost node passed a barrier") }
    }
  }
}
