import HTTPClient
import Log
import Platform
import Simulation
import TestSupport
import Testing

@testable import LogEtcd

/// The simulated etcd and a real one, asked the same; and each compare that the protocol rests on.
@Suite(.serialized) struct RealEtcdTests {
  private let keys = EtcdKeys(prefix: "/b/")

  /// Revisions and contents count; who answers and how a lease is numbered do not.
  private func normal(_ answer: EtcdAnswer) -> EtcdAnswer {
    func bare(_ header: EtcdHeader) -> EtcdHeader { EtcdHeader(revision: header.revision) }
    func bare(_ read: EtcdRead) -> EtcdRead {
      var read = read
      for index in read.kvs.indices where read.kvs[index].lease != 0 { read.kvs[index].lease = 1 }
      return read
    }
    switch answer {
    case .txn(let header, let succeeded, let results):
      return .txn(
        bare(header), succeeded: succeeded,
        results.map { if case .range(let read) = $0 { .range(bare(read)) } else { $0 } })
    case .range(let header, let read): return .range(bare(header), bare(read))
    case .lease(let header, _, let seconds): return .lease(bare(header), id: 1, seconds: seconds)
    case .done(let header): return .done(bare(header))
    case .version: return .version(server: "", cluster: "")
    case .error: return answer
    }
  }

  private func put(_ key: String, _ value: String, lease: Int64 = 0) -> EtcdOperation {
    .put(key: key, value: Array(value.utf8), lease: lease)
  }

  private var script: [EtcdRequest] {
    let all = EtcdRange("/b/", to: "/b0")
    return [
      .txn(EtcdTxn([.absent("/b/a")], then: [put("/b/a", "1")], else: [.range(EtcdRange("/b/a"))])),
      .txn(EtcdTxn([.absent("/b/a")], then: [put("/b/a", "1")], else: [.range(EtcdRange("/b/a"))])),
      .txn(EtcdTxn([.created("/b/a", 2), .modified("/b/a", 2)], then: [put("/b/a", "2"), .range(all)])),
      .txn(EtcdTxn([.has("/b/a", Array("2".utf8))], then: [.range(all)])),
      .txn(EtcdTxn([.has("/b/a", Array("1".utf8))], then: [], else: [.range(all)])),
      .txn(EtcdTxn([.has("/b/nowhere", [])], then: [], else: [.range(all)])),
      .txn(
        EtcdTxn([.modified("/b/a", 2)], then: [put("/b/a", "3")], else: [.delete(key: "/b/zz", end: nil), .range(all)])),
      .txn(EtcdTxn([], then: [put("/b/b", "b"), put("/b/c", "c"), put("/b/d", "")])),
      .txn(EtcdTxn([], then: [put("/b/x", "1"), put("/b/x", "2")])),
      .txn(EtcdTxn([], then: [put("/b/x", "1"), .delete(key: "/b/x", end: nil)])),
      .txn(EtcdTxn([], then: (0..<129).map { put("/b/\($0)", "") })),
      .txn(EtcdTxn([], then: [.put(key: "/b/big", value: Array(repeating: 7, count: 1_600_000), lease: 0)])),
      .range(all), .range(EtcdRange("/b/", to: "/b0", limit: 2)),
      .range(EtcdRange("/b/", to: "/b0", limit: 1, descending: true, keysOnly: true)),
      .range(EtcdRange("/b/a", revision: 2)), .range(EtcdRange("/b/a", revision: 3)),
      .range(EtcdRange("/b/a", revision: 99)),
      .txn(EtcdTxn([], then: [put("/b/l", "x", lease: 424_242)])), .keepAlive(lease: 424_242), .revoke(lease: 424_242),
      .txn(EtcdTxn([], then: [.delete(key: "/b/b", end: "/b/d"), .range(all)])),
      .txn(EtcdTxn([.absent("/b/b")], then: [put("/b/b", "again")], else: [])), .range(all),
      .compact(revision: 4), .compact(revision: 4), .compact(revision: 99), .range(EtcdRange("/b/a", revision: 3)),
      .range(EtcdRange("/b/a", revision: 4)),
      .txn(EtcdTxn([], then: [.range(EtcdRange("/b/a", revision: 2))])),
      .txn(EtcdTxn([.absent("/b/none")], then: [.range(EtcdRange("/b/a"))]))
    ]
  }

  @Test func theSimulatedEtcdAnswersAsTheRealOne() throws {
    guard let real = RealEtcd.start() else { return }
    let calls = real.calls()
    defer { calls.close() }
    let simulated = SimulatedEtcd()
    for (index, request) in script.enumerated() {
      let answer = try calls.call(request, to: 0, timeout: .seconds(5)).get()
      #expect(normal(answer) == normal(simulated.handle(request, now: 0)), "request \(index): \(request.path)")
    }
  }

  @Test func leasesAreTheSameInBoth() throws {
    guard let real = RealEtcd.start() else { return }
    let calls = real.calls()
    defer { calls.close() }
    let simulated = SimulatedEtcd()
    for ask in [{ try calls.call($0, to: 0, timeout: .seconds(5)).get() }, { simulated.handle($0, now: 0) }]
      as [(EtcdRequest) throws -> EtcdAnswer]
    {
      guard case .lease(_, let lease, let seconds) = try ask(.grant(seconds: 60)) else {
        Issue.record("no lease")
        return
      }
      #expect(seconds == 60)
      _ = try ask(.txn(EtcdTxn([.absent(keys.epoch)], then: [put(keys.epoch, "x", lease: lease)])))
      guard case .lease(_, lease, 60) = try ask(.keepAlive(lease: lease)),
        case .range(let header, let held) = try ask(.range(EtcdRange(keys.epoch))), held.kvs.count == 1,
        case .done = try ask(.revoke(lease: lease)),
        case .range(let after, let gone) = try ask(.range(EtcdRange(keys.epoch))),
        case .lease(_, lease, 0) = try ask(.keepAlive(lease: lease))
      else {
        Issue.record("a lease does not do what it should")
        return
      }
      #expect(gone.kvs.isEmpty && after.revision == header.revision + 1)
    }
  }

  /// An unknown field in a request is ignored by etcd: only a compare that has been seen to fail is one.
  @Test func everyCompareOfAnAppendCanFail() throws {
    guard let real = RealEtcd.start() else { return }
    let calls = real.calls()
    defer { calls.close() }
    func txn(_ txn: EtcdTxn) throws -> (Bool, Int64) {
      guard case .txn(let header, let succeeded, _) = try calls.call(.txn(txn), to: 0, timeout: .seconds(5)).get()
      else {
        return (false, 0)
      }
      return (succeeded, header.revision)
    }
    let (_, epoch) = try txn(EtcdTxn([.absent(keys.epoch)], then: [put(keys.epoch, "n")]))
    let (_, first) = try txn(EtcdTxn([], then: [put(keys.log(1), "1")]))
    func append(_ sequence: UInt64, epoch: Int64, by campaign: String = "n", before: Int64) throws -> Bool {
      try txn(
        EtcdTxn(
          [
            .created(keys.epoch, epoch), .has(keys.epoch, Array(campaign.utf8)), .absent(keys.log(sequence)),
            .modified(keys.log(sequence - 1), before)
          ], then: [put(keys.log(sequence), "x")])
      ).0
    }
    #expect(try !append(2, epoch: epoch - 1, before: first))
    #expect(try !append(2, epoch: epoch + 1, before: first))
    for other in ["m", "nn", ""] { #expect(try !append(2, epoch: epoch, by: other, before: first), "\(other)") }
    #expect(try !append(2, epoch: epoch, before: first - 1))
    #expect(try !append(2, epoch: epoch, before: 0))
    #expect(try append(2, epoch: epoch, before: first))
    #expect(try !append(2, epoch: epoch, before: first))
    #expect(try !txn(EtcdTxn([.absent(keys.epoch)], then: [put(keys.epoch, "n2")])).0)
    _ = try txn(EtcdTxn([.created(keys.epoch, epoch)], then: [.delete(key: keys.epoch, end: nil)]))
    guard case .range(let header, _) = try calls.call(.range(EtcdRange(keys.log(2))), to: 0, timeout: .seconds(5)).get()
    else { return }
    #expect(try !append(3, epoch: epoch, before: header.revision - 1))
  }

  @Test func aBarrierNeedsNoRoom() throws {
    guard let real = RealEtcd.start(quota: 2_000_000) else { return }
    let calls = real.calls()
    defer { calls.close() }
    let big = EtcdOperation.put(key: "/fill", value: Array(repeating: 7, count: 900_000), lease: 0)
    let filled = eventually {
      if case .success(.error(let error)) = calls.call(.txn(EtcdTxn([], then: [big])), to: 0, timeout: .seconds(5)) {
        error.meaning == .storageFull
      } else {
        false
      }
    }
    #expect(filled)
    let sync = EtcdTxn([], then: [.delete(key: keys.barrier("n"), end: nil), .range(EtcdRange("/fill"))])
    guard case .txn(_, true, let results) = try calls.call(.txn(sync), to: 0, timeout: .seconds(5)).get(),
      case .range(let read) = results[1]
    else {
      Issue.record("a full store refused a barrier")
      return
    }
    #expect(read.kvs.count == 1)
  }
}
