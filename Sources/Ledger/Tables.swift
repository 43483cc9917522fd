// Ledger: the deterministic state machine.
//
// `Tables` is the state: rows, and what is computed from rows. `Ledger` decides: rows, a command, the log's time and
// a seed go in; an outcome and effects come out. Neither reads a clock, draws randomness, does I/O or depends on the
// order of a hash. The same log gives the same tables on every machine and with every later version, because an entry
// holds the rows themselves, not the question.
//
// Published and pending: `Tables` holds only what is durable, and many threads read it under the engine's lock. What
// was decided but is not durable yet lives in the ledger's overlay; `decide` looks there first. A refused batch
// throws the overlay away.
//
// Folders: Store (rows as bytes), Space (which addresses are taken), Pools (the commands).
import Addressing
package import Domain

/// The durable state: rows by key, pools by name, and the state hash.
package final class Tables {
  var rows: RowTable
  /// Pools by name.
  package internal(set) var pools: [PoolName: PoolState] = [:]
  /// Names of pools in order.
  package internal(set) var poolNames: [PoolName] = []
  /// For each routing domain its pools by first address; they never overlap, so one search finds the pool of an
  /// address.
  var byAddress: [NetworkName: [PoolState]] = [:]
  /// The pools of all routing domains by their network, those of one network in the order of their domains; and how many
  /// networks of each length there are. So an address is looked for once for each length.
  var byCIDR: [Prefix: [PoolState]] = [:]
  var lengths: [AddressFamily: [Int: Int]] = [:]
  /// The pools of each family by the place they serve.
  var byPlace: [AddressFamily: PlaceTree] = [:]
  /// What follows from the rows of nodes and VMs; nil while there never was one.
  var fleet: FleetState?
  /// The sum over all rows of their 128-bit hashes.
  package private(set) var stateHash: UInt128 = 0
  /// The last entry applied.
  package private(set) var revision: Revision = 0
  /// The log time of the last batch applied.
  package private(set) var time: LogTime = 0
  /// Idempotency keys kept.
  package private(set) var answeredCount = 0
  /// Tokens kept.
  package private(set) var tokenCount = 0
  private var isLoading = false
  private var recent: PoolState?
  private var recentBytes: [UInt8] = []

  /// Starts empty; `seed` scatters the indexes of this process and never touches an outcome.
  package init(seed: UInt64) { rows = RowTable(seed: seed) }

  /// Applies one entry's effects and moves on to its revision.
  package func apply(_ effects: [Effect], revision: Revision, time: LogTime) {
    for effect in effects { apply(effect) }
    self.revision = revision
    self.time = max(self.time, time)
  }

  private func apply(_ effect: Effect) {
    let old = store(effect.bytes, 0..<effect.bytes.count, isPut: effect.isPut)
    guard !isLoading else { return }
    if let old {
      if effect.isPut, case .fleet(.vm(let vm)) = effect.row, let fleet,
        case .fleet(.vm(let before))? = try? Row(decoding: old)
      {
        fleet.now = revision + 1
        return fleet.replace(before, with: vm)
      }
      forget(old, replacedBy: effect.isPut ? effect.row : nil)
    }
    if effect.isPut { remember(effect.row) }
  }

  /// Puts or removes a row; returns the bytes that it had before.
  private func store(_ bytes: [UInt8], _ row: Range<Int>, isPut: Bool) -> [UInt8]? {
    let old = isPut ? rows.put(bytes, row) : rows.remove(KeyProbe(bytes, row))
    if let old { stateHash &-= RowHash.state(old) }
    if isPut { stateHash &+= RowHash.state(bytes, row) }
    return old
  }

  // MARK: Replaying

  /// Applies a logged entry from its bytes, unless it is one up to `known`; allocations are not made on the way.
  package func apply(entry bytes: [UInt8], unlessUpTo known: Revision, time: LogTime) throws(CodingFault) {
    let entry = try EntryView(bytes)
    if entry.revision <= known { return }
    for effect in entry.effects { try apply(bytes, effect.row, isPut: effect.isPut) }
    revision = entry.revision
    self.time = max(self.time, time)
  }

  private func apply(_ bytes: [UInt8], _ row: Range<Int>, isPut: Bool) throws(CodingFault) {
    guard !row.isEmpty else { throw .short }
    if bytes[row.lowerBound] == AllocationView.tag {
      let allocation = try AllocationView(bytes, row)
      let old = store(bytes, row, isPut: isPut)
      guard !isLoading else { return }
      if let old { forget(old, replacedBy: nil) }
      if isPut, let state = pool(bytes, allocation.pool) { remember(allocation.block, in: state) }
      if isPut, let fleet { fleet.countAddresses(Tables.tenant(of: allocation, bytes), 1) }
    } else {
      let decoded = try Row(decoding: Array(bytes[row]))
      let old = store(bytes, row, isPut: isPut)
      guard !isLoading else { return }
      if let old { forget(old, replacedBy: isPut ? decoded : nil) }
      if isPut { remember(decoded) }
    }
  }

  // MARK: Loading

  /// Begins loading a snapshot: rows are put and removed by key, and nothing is computed.
  package func beginLoading() { isLoading = true }

  /// Puts rows of a snapshot's chunk.
  package func load(_ rows: [[UInt8]]) throws(CodingFault) {
    for bytes in rows { try load(bytes, [0..<bytes.count]) }
  }

  /// Puts the rows that lie in a snapshot's chunk.
  package func load(_ chunk: [UInt8], _ rows: [Range<Int>]) throws(CodingFault) {
    precondition(isLoading, "rows are loaded into tables that are loading")
    for row in rows { try apply(chunk, row, isPut: true) }
  }

  /// Ends loading: computes once what follows from the rows.
  package func finishLoading(revision: Revision, time: LogTime) {
    self.revision = max(self.revision, revision)
    self.time = max(self.time, time)
    // Pools first: the rest belongs to one.
    rows.forEach { page, row in if KeyProbe.isOfPool(page[row.lowerBound]) { remember(rows.decode(page, row)) } }
    rows.forEach { page, row in if !KeyProbe.isOfPool(page[row.lowerBound]) { remember(page, row) } }
    for state in pools.values { state.refresh() }
    isLoading = false
    fleet = loadedFleet()
  }

  /// Visits every row, in no order that means anything.
  package func forEachRow(_ body: (Row) -> Void) { rows.forEach { body(rows.decode($0, $1)) } }

  /// How many chunks a snapshot has.
  package var chunkCount: Int { rows.pageCount }

  /// The rows of one chunk of a snapshot.
  package func chunk(_ index: Int) -> [[UInt8]] { rows.rows(onPage: index) }

  /// How many rows there are.
  package var rowCount: Int { rows.count }
  /// Bytes the rows and their indexes hold.
  package var residentBytes: Int { rows.residentBytes }

  // MARK: What follows from rows

  private func remember(_ page: [UInt8], _ row: Range<Int>) {
    guard page[row.lowerBound] == AllocationView.tag else { return remember(rows.decode(page, row)) }
    guard let view = try? AllocationView(page, row) else { preconditionFailure("a row in memory cannot be read") }
    if let state = pool(page, view.pool) { remember(view.block, in: state) }
  }

  private func remember(_ block: Prefix, in state: PoolState) {
    state.allocated.insert(block.range.bits)
    state.allocatedCount = state.allocatedCount + AddressCount(of: block.range)
    state.allocations += 1
    if block.length < block.family.bitCount { state.childLengths[block.length, default: 0] += 1 }
  }

  private func remember(_ row: Row) {
    switch row {
    case .pool(let pool): remember(pool)
    case .reservation(let reservation):
      guard let state = pools[reservation.pool] else { return }
      let place = state.reservations.partitionPoint { $0.range.first > reservation.range.first }
      state.reservations.insert(reservation, at: place)
      if !isLoading { state.refresh() }
    case .allocation(let row):
      if let state = pool(row.pool) { remember(row.block, in: state) }
      if !isLoading, let fleet { fleet.countAddresses(row.tenant, 1) }
    case .released(let row):
      guard row.quarantineUntil != nil, let state = pools[row.pool] else { return }
      state.quarantinedCount = state.quarantinedCount + AddressCount(of: row.block.range)
    case .cursor(let name, let address): pool(name)?.cursor = address
    case .answered: answeredCount += 1
    case .token: tokenCount += 1
    case .fleet(let row):
      if isLoading { return }
      if fleet == nil { fleet = firstFleet() }
      fleet?.now = revision + 1
      fleet?.remember(row)
    }
  }

  /// A pool by name, for the writer alone: it remembers the last one asked for, which is mostly the next one too.
  func pool(_ name: PoolName) -> PoolState? {
    if let recent, recent.name == name { return recent }
    recent = pools[name]
    recentBytes = Array(name.text.utf8)
    return recent
  }

  /// The pool whose name lies in `range` of `bytes`, for the writer alone.
  private func pool(_ bytes: [UInt8], _ range: Range<Int>) -> PoolState? {
    if let recent, recentBytes.count == range.count, recentBytes.elementsEqual(bytes[range]) { return recent }
    let name = PoolName(trusted: String(decoding: bytes[range], as: UTF8.self))
    recent = pools[name]
    recentBytes = Array(bytes[range])
    return recent
  }

  private func remember(_ pool: Pool) {
    if let state = pools[pool.name] {
      removeFromOrder(state)
      state.pool = pool
      state.refresh()
      addToOrder(state)
      return
    }
    let state = PoolState(pool)
    pools[pool.name] = state
    poolNames.insert(pool.name, at: poolNames.partitionPoint { $0 > pool.name })
    addToOrder(state)
  }

  private func addToOrder(_ state: PoolState) {
    let cidr = state.cidr
    let place = byAddress[state.pool.network, default: []].partitionPoint { $0.pool.cidr > cidr }
    byAddress[state.pool.network, default: []].insert(state, at: place)
    byPlace[state.family, default: PlaceTree()].add(state)
    if byCIDR[cidr] == nil { lengths[cidr.family, default: [:]][cidr.length, default: 0] += 1 }
    let turn = byCIDR[cidr, default: []].partitionPoint { $0.pool.network > state.pool.network }
    byCIDR[cidr, default: []].insert(state, at: turn)
  }

  private func removeFromOrder(_ state: PoolState) {
    byPlace[state.family]?.remove(state)
    byAddress[state.pool.network]?.removeAll { $0 === state }
    if byAddress[state.pool.network]?.isEmpty == true { byAddress[state.pool.network] = nil }
    let cidr = state.cidr
    byCIDR[cidr]?.removeAll { $0 === state }
    guard byCIDR[cidr]?.isEmpty == true else { return }
    byCIDR[cidr] = nil
    lengths[cidr.family]?[cidr.length].map { lengths[cidr.family]?[cidr.length] = $0 == 1 ? nil : $0 - 1 }
  }

  private func forget(_ old: [UInt8], replacedBy new: Row?) {
    // A cursor that moves on leaves nothing behind: no need to read where it was.
    if case .cursor = new { return }
    if old[0] != AllocationView.tag {
      if let row = try? Row(decoding: old) { forget(row, replacedBy: new) }
    } else if let view = try? AllocationView(old, 0..<old.count), let state = pool(old, view.pool) {
      forget(view.block, in: state)
      if let fleet { fleet.countAddresses(Tables.tenant(of: view, old), -1) }
    }
  }

  private func forget(_ block: Prefix, in state: PoolState) {
    state.allocated.remove(block.range.bits)
    state.allocatedCount = state.allocatedCount - AddressCount(of: block.range)
    state.allocations -= 1
    guard block.length < block.family.bitCount else { return }
    let left = state.childLengths[block.length, default: 0] - 1
    state.childLengths[block.length] = left == 0 ? nil : left
  }

  /// Undoes `remember` for a row that goes; a pool that is only replaced stays.
  private func forget(_ row: Row, replacedBy new: Row?) {
    switch row {
    case .pool(let pool):
      guard new == nil, let state = pools.removeValue(forKey: pool.name) else { return }
      recent = nil
      poolNames.removeAll { $0 == pool.name }
      removeFromOrder(state)
    case .reservation(let reservation):
      guard let state = pools[reservation.pool] else { return }
      state.reservations.removeAll { $0.range == reservation.range }
      state.refresh()
    case .allocation(let row):
      if let state = pool(row.pool) { forget(row.block, in: state) }
      if let fleet { fleet.countAddresses(row.tenant, -1) }
    case .released(let row):
      guard row.quarantineUntil != nil, let state = pools[row.pool] else { return }
      state.quarantinedCount = state.quarantinedCount - AddressCount(of: row.block.range)
    case .cursor(let name, _): if new == nil { pools[name]?.cursor = nil }
    case .answered: answeredCount -= 1
    case .token: tokenCount -= 1
    case .fleet(let row):
      fleet?.now = revision + 1
      fleet?.forget(row, isReplaced: new != nil)
    }
  }
}
