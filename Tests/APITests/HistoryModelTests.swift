import Addressing
import Domain
import Engine
import Ledger
import Log
import LogMemory
import TestSupport
import Testing

@testable import API

/// History against a model that writes everything down as it happens.
@Suite struct HistoryModelTests {
  @Test(arguments: 0..<12) func intervalsAreWhatAModelWroteDown(_ round: Int) throws {
    var random = SeededRandom(announcedAs: "intervalsAreWhatAModelWroteDown")
    var model = try HistoryModel(changesMACs: true)
    for _ in 0..<150 { model.step(&random) }
    model.finish()
    let head = model.bench.revision
    for through in [0, head / 2, head] {
      let view = try model.bench.view(indexed: through)
      for _ in 0..<40 { try model.compareIntervals(view, &random) }
    }
  }

  @Test(arguments: 0..<8) func thePastIsWhatTheTablesShowedThen(_ round: Int) throws {
    var random = SeededRandom(announcedAs: "thePastIsWhatTheTablesShowedThen")
    var model = try HistoryModel(changesMACs: true)
    for _ in 0..<150 { model.step(&random) }
    model.finish()
    for through in [0, model.bench.revision] {
      let view = try model.bench.view(indexed: through)
      for _ in 0..<120 { try model.comparePast(view, &random, exact: true) }
    }
  }

  @Test(arguments: 0..<8) func aTrimmedLogStillTellsWhoHadWhatSinceItsBeginning(_ round: Int) throws {
    var random = SeededRandom(announcedAs: "aTrimmedLogStillTellsWhoHadWhatSinceItsBeginning")
    var model = try HistoryModel(changesMACs: false)
    for _ in 0..<150 { model.step(&random) }
    model.finish()
    model.bench.log.trim(through: model.bench.log.head.sequence / 3)
    let view = try model.bench.view(indexed: model.bench.revision)
    #expect(view.oldest > 1)
    for _ in 0..<60 { try model.compareIntervals(view, &random) }
    for _ in 0..<60 { try model.comparePast(view, &random, exact: false) }
  }
}

extension HistoryModelTests {
  @Test(arguments: 0..<12) func keysThatMeetChangeNoAnswer(_ round: Int) throws {
    var random = SeededRandom(announcedAs: "keysThatMeetChangeNoAnswer")
    var model = try HistoryModel(changesMACs: round % 2 == 0)
    for _ in 0..<150 { model.step(&random) }
    model.finish()
    if round % 2 == 1 { model.bench.log.trim(through: model.bench.log.head.sequence / 3) }
    let view = try model.bench.view(indexed: model.bench.revision, CrowdedHistory())
    for _ in 0..<40 { try model.compareIntervals(view, &random) }
    for _ in 0..<60 { try model.comparePast(view, &random, exact: round % 2 == 0) }
  }
}

/// What happened, by hand.
struct HistoryModel {
  struct Held {
    var row: Allocation
    var macs: Set<MACAddress> = []
    var to: LogTime?
    var endRevision: Revision?
  }

  struct Moment {
    let time: LogTime
    let revision: Revision
    let ip: IPAddress
    let matches: [String]
    let holders: [String]
  }

  let bench = try! HistoryBench()
  private let changesMACs: Bool
  private var held: [Held] = []
  private var moments: [Moment] = []
  private let owners = (0..<6).map { "vm-\($0)" }
  private let macs = (0..<4).map { MACAddress(bits: 0x0200_0000_0000 + UInt64($0)) }
  private let pools = ["edge", "inner", "other"]

  init(changesMACs: Bool) throws {
    self.changesMACs = changesMACs
    try bench.makePool("edge", "10.0.0.0/27")
    try bench.makePool("inner", "10.0.0.32/27") { $0.quarantineSeconds = 30 }
    try bench.makePool("other", "10.0.0.0/26") { $0.network = NetworkName(trusted: "lab") }
  }

  /// Nothing happens any more; moments within which more happened at the same log time are no test of it.
  mutating func finish() {
    bench.engine.stop()
    settle()
    var last: [LogTime: Revision] = [:]
    for stored in bench.log.batches { last[stored.batch.time] = stored.batch.nextRevision - 1 }
    moments.removeAll { last[$0.time] != $0.revision }
  }

  private func ip(_ random: inout SeededRandom) -> IPAddress {
    IPAddress(v4: 0x0A00_0000 + UInt32.random(in: 0..<70, using: &random))
  }

  mutating func step(_ random: inout SeededRandom) {
    switch Int.random(in: 0..<20, using: &random) {
    case 0..<9: allocate(&random)
    case 9..<13: release(&random)
    case 13..<15: change(&random)
    case 15: renew(&random)
    case 16:
      let first = ip(&random)
      bench.ask(.reserve(PoolName(trusted: random.pick(pools)), AddressRange(first, first), reason: "test"))
    case 17:
      bench.ask(.unreserve(PoolName(trusted: random.pick(pools)), first: ip(&random)))
    case 18:
      var patch = PoolPatch()
      patch.mtu = UInt16.random(in: 1_000..<2_000, using: &random)
      bench.ask(.updatePool(PoolName(trusted: random.pick(pools)), patch, ifMatch: nil))
    default: remakePool(&random)
    }
    for _ in 0..<4 { remember(ip(&random)) }
  }

  private mutating func allocate(_ random: inout SeededRandom) {
    let mac = random.oneIn(2) ? random.pick(macs) : nil
    let shape = Int.random(in: 0..<6, using: &random)
    let outcome = bench.allocate(random.pick(owners), pool: random.pick(pools)) { request in
      request.holder.interface = InterfaceName(trusted: random.pick(["eth0", "eth1", "eth2"]))
      request.mac = mac
      if shape == 0 { request.prefixLength = 30 }
      if shape == 1 { request.count = 3 }
      if shape == 2 { request.leaseSeconds = 20 }
    }
    guard case .granted(let grants, true, _) = outcome else { return }
    for grant in grants where grant.allocation.generation == bench.revision {
      held.append(Held(row: grant.allocation, macs: Set([grant.allocation.mac].compactMap(\.self))))
    }
    settle()
  }

  private mutating func release(_ random: inout SeededRandom) {
    if random.oneIn(3), let one = living.randomElement(using: &random) {
      bench.ask(.release(.address(AllocationTarget(pool: held[one].row.pool, ip: held[one].row.ip))))
    } else {
      bench.release(random.pick(owners))
    }
    settle()
  }

  private mutating func change(_ random: inout SeededRandom) {
    guard let one = living.randomElement(using: &random) else { return }
    var patch = AllocationPatch()
    patch.hostname = Hostname(trusted: "h\(Int.random(in: 0..<9, using: &random))")
    if changesMACs { patch.mac = random.pick(macs) }
    let target = AllocationTarget(pool: held[one].row.pool, ip: held[one].row.ip)
    if case .allocation(let grant) = bench.ask(.updateAllocation(target, patch)) { keep(grant.allocation) }
    settle()
  }

  private mutating func renew(_ random: inout SeededRandom) {
    guard let one = living.randomElement(using: &random) else { return }
    let target = AllocationTarget(pool: held[one].row.pool, ip: held[one].row.ip)
    if case .allocation(let grant) = bench.ask(.renew(target, leaseSeconds: 40)) { keep(grant.allocation) }
    settle()
  }

  private mutating func keep(_ row: Allocation) {
    for index in living where held[index].row.pool == row.pool && held[index].row.ip == row.ip {
      held[index].row = row
      if let mac = row.mac { held[index].macs.insert(mac) }
    }
  }

  private mutating func remakePool(_ random: inout SeededRandom) {
    let name = PoolName(trusted: "brief")
    if case .poolDeleted = bench.ask(.deletePool(name, ifMatch: nil)) { return }
    _ = try? bench.makePool("brief", "10.0.0.64/\(random.pick([28, 29]))")
  }

  private var living: [Int] { held.indices.filter { held[$0].to == nil } }

  /// Ends what the tables no longer hold, expired leases included; the newest delete in the log says when.
  private mutating func settle() {
    for index in living {
      let row = held[index].row
      let there = bench.engine.read { $0.allocation(at: row.ip, in: row.pool) }
      guard there?.generation != row.generation else { continue }
      for stored in bench.log.batches.reversed() where held[index].to == nil {
        for bytes in stored.batch.entries {
          let entry = try! Entry(decoding: bytes)
          for effect in entry.effects where !effect.isPut {
            if case .allocation(let gone) = effect.row, gone.generation == row.generation, gone.ip == row.ip,
              gone.pool == row.pool
            {
              held[index].to = stored.batch.time
              held[index].endRevision = entry.revision
            }
          }
        }
      }
    }
  }

  private mutating func remember(_ ip: IPAddress) {
    // Both under one hold of the lock: an expiry may come in between at any moment.
    let moment = bench.engine.read { tables -> Moment in
      let states = tables.pools(containing: ip)
      let matches = states.map { state -> (String, String) in
        let pool = state.pool.name
        if let row = tables.allocation(holding: ip, in: pool) {
          return ("\(pool) mtu \(state.pool.mtu ?? 0) \(row)", Self.holder(row))
        }
        let rests = (state.pool.cidr.length...32).contains { length in
          let block = Prefix(containing: ip, length: length)
          guard case .released(let row) = tables.row(at: block.first, in: pool) else { return false }
          return row.quarantineUntil != nil && row.block == block
        }
        let word = rests ? "rests" : state.usable.contains { $0.contains(ip) } ? "free" : "reserved"
        return ("\(pool) mtu \(state.pool.mtu ?? 0) \(word)", "\(pool) \(word)")
      }
      return Moment(
        time: tables.time, revision: tables.revision, ip: ip, matches: matches.map(\.0).sorted(),
        holders: matches.map(\.1).sorted())
    }
    moments.append(moment)
  }

  private static func holder(_ row: Allocation) -> String { "\(row.pool) \(row.block) \(row.owner) \(row.generation)" }

  // MARK: Comparing

  func comparePast(_ view: HistoryView, _ random: inout SeededRandom, exact: Bool) throws {
    let moment = random.pick(moments)
    try view.begin(upTo: bench.revision)
    let engine = bench.engine
    let present = PresentRows(
      pools: { ip in engine.read { $0.pools(containing: ip).map(\.pool) } },
      pool: { name in engine.read { $0.pools[name]?.pool } },
      row: { pool, ip in engine.read { $0.row(at: ip, in: pool) } },
      reservations: { name in engine.read { $0.pools[name]?.reservations ?? [] } })
    if moment.revision < view.oldest {
      #expect(throws: HistoryFault.trimmed(oldest: view.oldest)) { try HistoryPast(view, at: moment.time, present) }
      return
    }
    let found = try HistoryPast(view, at: moment.time, present).matches(moment.ip)
    let words = found.map { Self.words($0, exact) }.sorted()
    let wanted = exact ? moment.matches : moment.holders
    #expect(words == wanted, "\(moment.ip) at revision \(moment.revision)")
  }

  private static func words(_ match: PastMatch, _ exact: Bool) -> String {
    let pool = exact ? "\(match.pool.name) mtu \(match.pool.mtu ?? 0)" : "\(match.pool.name)"
    if let row = match.allocation { return exact ? "\(pool) \(row)" : holder(row) }
    return "\(pool) \(match.resting != nil ? "rests" : match.isUsable ? "free" : "reserved")"
  }

  func compareIntervals(_ view: HistoryView, _ random: inout SeededRandom) throws {
    var query = HistoryQuery(.ip(ip(&random)))
    switch Int.random(in: 0..<3, using: &random) {
    case 0: query.subject = .owner(.standard, OwnerName(trusted: random.pick(owners)))
    case 1: query.subject = .mac(random.pick(macs))
    default: break
    }
    query.limit = random.pick([1, 3, 1_000])
    if random.oneIn(3) { query.pool = PoolName(trusted: random.pick(pools)) }
    let first = view.oldest == 1 ? 0 : moments.firstIndex { $0.revision >= view.oldest } ?? 0
    if random.oneIn(2) { query.from = random.pick(moments[first...]).time }
    if random.oneIn(2) { query.to = random.pick(moments[first...]).time }
    var items: [OwnershipInterval] = []
    repeat {
      try view.begin(upTo: bench.revision)
      var search = try HistoryIntervals(view, query) { current($0) }
      query.place = try search.page()
      items += search.items
    } while query.place != nil
    let found = items.map { words($0.allocation, $0.to) }.sorted()
    #expect(found == expected(query, oldest: view.oldest), "\(query)")
  }

  private func current(_ subject: HistorySubject) -> [Allocation] {
    living.map { held[$0].row }.filter { row in
      switch subject {
      case .ip(let ip): row.block.contains(ip)
      case .owner(let tenant, let owner): row.tenant == tenant && row.owner == owner
      case .mac(let mac): row.mac == mac
      }
    }
  }

  private func expected(_ query: HistoryQuery, oldest: Revision) -> [String] {
    held.filter { item in
      switch query.subject {
      case .ip(let ip): if !item.row.block.contains(ip) { return false }
      case .owner(_, let owner): if item.row.owner != owner { return false }
      case .mac(let mac): if !item.macs.contains(mac) { return false }
      }
      if let pool = query.pool, item.row.pool != pool { return false }
      if let end = item.endRevision, end < oldest { return false }
      if let to = query.to, item.row.createdAt >= to { return false }
      if let from = query.from, let end = item.to, end <= from { return false }
      return true
    }.map { words($0.row, $0.to) }.sorted()
  }

  private func words(_ row: Allocation, _ to: LogTime?) -> String {
    "\(Self.holder(row)) \(row.interface) \(row.createdAt)..\(to.map { "\($0)" } ?? "")"
  }
}
