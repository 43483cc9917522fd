internal import Addressing
internal import Domain
internal import Ledger
internal import Log

/// Looks at every row by itself and beside its neighbours, trusting no index.
struct RowCheck {
  private struct Held {
    let range: AddressRange
    let what: String
    let isAllocation: Bool
  }

  private struct Holding: Hashable {
    let pool: PoolName
    let holder: Holder
    let index: UInt16
  }

  private struct Owner: Hashable {
    let tenant: TenantName
    let owner: OwnerName
  }

  private let tables: Tables
  private let head: LogHead
  private var pools: [PoolName: Pool] = [:]
  private var held: [PoolName: [Held]] = [:]
  private var holdings: Set<Holding> = []
  private var owners: [Owner: Int] = [:]

  init(_ tables: Tables, _ head: LogHead) { (self.tables, self.head) = (tables, head) }

  func run(_ report: inout CheckReport) {
    var check = self
    check.runAll(&report)
  }

  private mutating func runAll(_ report: inout CheckReport) {
    tables.forEachRow { row in if case .pool(let pool) = row { pools[pool.name] = pool } }
    tables.forEachRow { row in
      report.rows += 1
      check(row, &report)
    }
    checkPools(&report)
    for name in held.keys.sorted() { checkOverlaps(name, &report) }
    FleetCheck(tables).run(&report)
    for (owner, count) in owners where tables.allocations(tenant: owner.tenant, owner: owner.owner).count != count {
      report.add(.index, "the index of owners misses allocations of \(owner.owner) (tenant \(owner.tenant))")
    }
  }

  private mutating func check(_ row: Row, _ report: inout CheckReport) {
    switch row {
    case .pool(let pool):
      if pool.revision >= head.nextRevision { report.add(.implausible, "pool \(pool.name) is of a revision to come") }
    case .reservation(let row):
      guard let pool = pools[row.pool] else {
        return report.add(.orphan, "reservation \(row.range) of pool \(row.pool), which does not exist")
      }
      if !pool.cidr.range.contains(row.range) {
        report.add(.outsideRange, "reservation \(row.range) is not in pool \(pool.name) (\(pool.cidr))")
      }
    case .allocation(let row): check(row, &report)
    case .released(let row): check(row, &report)
    case .cursor(let name, let address):
      guard let pool = pools[name] else { return report.add(.orphan, "cursor of pool \(name), which does not exist") }
      if !pool.cidr.contains(address) {
        report.add(.outsideRange, "cursor \(address) is not in pool \(name) (\(pool.cidr))")
      }
    case .token(let token):
      if token.revision >= head.nextRevision || token.createdAt > head.time {
        report.add(.implausible, "token \(token.id) was made at a revision or time to come")
      }
    case .answered(_, let revision, let time):
      if revision >= head.nextRevision || time > head.time {
        report.add(.implausible, "an idempotency key was answered at revision \(revision), which is to come")
      }
    case .fleet: break
    }
  }

  private mutating func check(_ row: Allocation, _ report: inout CheckReport) {
    let name = "\(row.block) of \(row.owner) in pool \(row.pool)"
    guard let state = tables.pools[row.pool] else {
      return report.add(.orphan, "allocation \(name), which does not exist")
    }
    held[row.pool, default: []].append(Held(range: row.block.range, what: name, isAllocation: true))
    owners[Owner(tenant: row.tenant, owner: row.owner), default: 0] += 1
    if !state.usable.contains(where: { $0.contains(row.block.range) }) {
      report.add(.outsideRange, "\(name): the pool may not give that out")
    }
    let holder = Holder(tenant: row.tenant, owner: row.owner, interface: row.interface)
    if !holdings.insert(Holding(pool: row.pool, holder: holder, index: row.index)).inserted {
      let place = "\(row.interface) number \(row.index) of tenant \(row.tenant)"
      report.add(.duplicate, "\(name): \(place) holds another one too")
    }
    if row.generation > row.revision || row.revision >= head.nextRevision || row.generation == 0 {
      report.add(.implausible, "\(name): generation \(row.generation), revision \(row.revision)")
    }
    if row.createdAt > head.time || row.expiresAt.map({ $0 < row.createdAt }) ?? false {
      report.add(.implausible, "\(name): it ends before it begins, or begins in the future")
    }
  }

  private mutating func check(_ row: Released, _ report: inout CheckReport) {
    let name = "\(row.block), released in pool \(row.pool)"
    guard let pool = pools[row.pool] else { return report.add(.orphan, "\(name), which does not exist") }
    held[row.pool, default: []].append(Held(range: row.block.range, what: name, isAllocation: false))
    // What is only remembered waits outside until the pool has it again; what rests keeps a pool from shrinking.
    if row.quarantineUntil != nil, !pool.cidr.contains(row.block) {
      report.add(.outsideRange, "\(name): it is not in \(pool.cidr)")
    }
    if row.order >= head.nextRevision || row.releasedAt > head.time {
      report.add(.implausible, "\(name): it was released at a revision or time to come")
    }
    if let until = row.quarantineUntil, until <= row.releasedAt {
      report.add(.implausible, "\(name): its quarantine ends before it begins")
    }
  }

  /// Pools of one routing domain never overlap.
  private func checkPools(_ report: inout CheckReport) {
    let sorted = pools.values.sorted { ($0.network, $0.cidr) < ($1.network, $1.cidr) }
    for (pool, next) in zip(sorted, sorted.dropFirst()) where pool.network == next.network {
      if pool.cidr.range.overlaps(next.cidr.range) {
        let both = "\(pool.name) (\(pool.cidr)) and \(next.name) (\(next.cidr))"
        report.add(.overlap, "pools \(both) of network \(pool.network)")
      }
    }
  }

  private func checkOverlaps(_ name: PoolName, _ report: inout CheckReport) {
    let sorted = (held[name] ?? []).sorted { $0.range < $1.range }
    guard var widest = sorted.first else { return }
    for item in sorted.dropFirst() {
      // What was released may lie inside what was released as a whole before; in two hands at once is an allocation
      // and anything else.
      if widest.range.overlaps(item.range), widest.isAllocation || item.isAllocation {
        report.add(.overlap, "\(widest.what) and \(item.what)")
      }
      if item.range.last > widest.range.last { widest = item }
    }
  }
}
