package import Domain
import Addressing

/// Decides commands over durable rows and its own pending ones; the single writer owns it.
package final class Ledger {
  /// What is durable.
  package let tables: Tables
  var overlay: Overlay
  var indexes: [PoolName: PoolIndex] = [:] { didSet { recentIndex = nil } }
  private var recentIndex: (name: PoolName, index: PoolIndex)?
  /// What follows from nodes and VMs; made when the first command needs it.
  var fleetIndex: FleetIndex?
  /// The most that one command looks for room, in `work`; less in tests.
  var workMost = Limits.work
  /// Up to where `work` may go in the command being decided.
  var workEnd: UInt64 = 0
  /// What schedulers outside said of VMs that wait.
  package var advice = AdviceBook()
  /// So many releases of a pool are remembered for strategy `oldest`.
  var memories = Limits.memories
  private let dueOrder = DueOrder()
  private var undo: [Undo] = []
  private var answered = AnsweredQueue()
  /// The pools whose cursor moved in the batch being made.
  private var moved: [PoolName] = []

  /// What the batch gives to each decision.
  package struct Context: Sendable {
    /// The revision that the entry would get.
    package let revision: Revision
    /// The log time of the batch.
    package let time: LogTime
    /// The batch's seed.
    package let seed: UInt64

    /// Joins the three.
    package init(revision: Revision, time: LogTime, seed: UInt64) {
      (self.revision, self.time, self.seed) = (revision, time, seed)
    }
  }

  /// An answer, and what it changes: no effects, no entry.
  package struct Decision: Sendable {
    /// The answer.
    package let outcome: Outcome
    /// The entry to append, if anything changes.
    package let entry: Entry?
  }

  /// Starts over durable tables, computing what follows from their rows; `stepped` is called every few thousand of them.
  package init(_ tables: Tables, stepped: () -> Void = {}) {
    self.tables = tables
    overlay = Overlay(seed: tables.rows.seed)
    for (name, state) in tables.pools { indexes[name] = PoolIndex(state, dueOrder) }
    var keys: [AnsweredQueue.Item] = []
    tables.rows.forEach(stepped) { page, place in
      let tag = page[place.lowerBound]
      // What is allocated the pools know, and the fleet has an index of its own; only what ends by itself is looked at.
      if KeyProbe.isOfPool(tag) || KeyProbe.isOfFleet(tag) { return }
      if tag == AllocationView.tag, !AllocationView.expires(page, place) { return }
      let row = tables.rows.decode(page, place)
      switch row {
      case .allocation(let allocation): indexes[allocation.pool]?.follow(row)
      case .released(let released):
        if released.quarantineUntil != nil {
          indexes[released.pool]?.set(released.block.range, to: .taken)
        } else {
          indexes[released.pool]?.remember(released.block.first)
        }
        indexes[released.pool]?.follow(row)
      case .answered(let key, let revision, let time): keys.append(.init(key: key.key, revision: revision, time: time))
      case .pool, .reservation, .cursor, .token: break
      case .fleet: break
      }
    }
    answered = AnsweredQueue(keys)
  }

  /// Makes what commands about the fleet need, if there is one: long work where there are many VMs, so that whoever must
  /// say meanwhile that it lives does so in `stepped`.
  package func prepareFleet(stepped: () -> Void) {
    if fleetIndex == nil, tables.fleet != nil { fleetIndex = FleetIndex(tables, self, stepped: stepped) }
  }

  /// Whether a command must be decided with nothing pending: it changes what many rows mean.
  package static func isStructural(_ command: Command) -> Bool {
    switch command {
    case .createPool, .updatePool, .expandPool, .rollbackPool, .deletePool, .reserve, .unreserve: true
    case .createToken, .revokeToken, .enrol: true
    case .allocate, .release, .updateAllocation, .renew, .expire, .importRows, .suggest, .freeBlocks, .fleet: false
    }
  }

  /// Decides one command; what it changes is pending until `published` or `revoke`.
  package func decide(_ submission: Submission, _ context: Context) -> Decision {
    precondition(!Ledger.isStructural(submission.command) || overlay.isEmpty, "a structural command meets pending rows")
    prepareFleet {}
    if let key = submission.idempotency, let answer = replay(key, context.time) {
      return Decision(outcome: answer, entry: nil)
    }
    let mark = undo.count
    var decided: Decided
    do throws(Rejection) {
      decided = try decide(submission, context)
      if case .fleet = submission.command {} else { reviewQuotas(&decided, context) }
    } catch {
      undo(to: mark)
      return Decision(outcome: .rejected(error), entry: nil)
    }
    guard let kind = decided.kind, !decided.effects.isEmpty else {
      undo(to: mark)
      return Decision(outcome: decided.outcome, entry: nil)
    }
    forgetExcess(&decided.effects)
    var (size, largest) = (0, 0)
    for effect in decided.effects { (size, largest) = (size + effect.bytes.count, max(largest, effect.bytes.count)) }
    guard size <= Limits.effectBytes else {
      undo(to: mark)
      return Decision(outcome: .rejected(Ledger.tooLarge(size)), entry: nil)
    }
    if largest > Ledger.rowLimit(submission.command) {
      undo(to: mark)
      let rule =
        "a row would take \(largest) bytes, over \(Ledger.rowLimit(submission.command)): fewer or shorter labels"
      return Decision(outcome: .rejected(Rejection(.tooLarge, rule)), entry: nil)
    }
    if let key = submission.idempotency { remember(key, context, &decided.effects) }
    let entry = Entry(
      revision: context.revision, kind: kind, actor: submission.actor, requestID: submission.requestID,
      asked: submission.asked, effects: decided.effects, told: decided.told)
    // What is told besides the rows may be as large as they: it must fit a batch that has others in it.
    guard entry.encoded.count <= Limits.entryBytes else {
      undo(to: mark)
      let rule = "the command takes \(entry.encoded.count) bytes of the log, over \(Limits.entryBytes): split it"
      return Decision(outcome: .rejected(Rejection(.tooLarge, rule)), entry: nil)
    }
    if submission.dryRun {
      undo(to: mark)
      return Decision(outcome: decided.outcome, entry: nil)
    }
    overlay.add(entry.effects)
    return Decision(outcome: decided.outcome, entry: entry)
  }

  /// The refusal of a command that changes too much at once.
  static func tooLarge(_ bytes: Int) -> Rejection {
    Rejection(.tooLarge, "the command changes \(bytes) bytes of rows, over \(Limits.effectBytes): split it")
  }

  /// What a row may take: what somebody asks for leaves room for what is noted in it later.
  private static func rowLimit(_ command: Command) -> Int {
    switch command {
    case .fleet(.createVM), .fleet(.updateVM), .fleet(.registerNode), .fleet(.updateNode):
      Limits.rowBytes - Limits.rowGrowth
    default: Limits.rowBytes
    }
  }

  private func decide(_ submission: Submission, _ context: Context) throws(Rejection) -> Decided {
    switch submission.command {
    case .createPool(let pool): try createPool(pool, context)
    case .updatePool(let name, let patch, let ifMatch): try updatePool(name, patch, ifMatch, context)
    case .expandPool(let name, let patch): try expandPool(name, patch, context)
    case .rollbackPool(let name): try rollbackPool(name, context)
    case .deletePool(let name, let ifMatch): try deletePool(name, ifMatch)
    case .reserve(let name, let range, let reason): try reserve(name, range, reason, context)
    case .unreserve(let name, let first): try unreserve(name, first)
    case .allocate(let request): try allocate(request, context)
    case .release(let target): try release(target, context)
    case .updateAllocation(let target, let patch): try update(target, patch, context)
    case .renew(let target, let seconds): try renew(target, seconds, context)
    case .expire(let rows): expire(rows, context)
    case .importRows(let rows, let skip, let label): try importRows(rows, skipConflicts: skip, label: label, context)
    case .createToken(let request): try createToken(request, context, actor: submission.actor)
    case .revokeToken(let id): try revokeToken(id)
    case .enrol(let request): try enrol(request, context)
    case .fleet(let command): try decide(command, context)
    case .suggest(let name): try suggest(name, context)
    case .freeBlocks(let name, let length, let limit): try freeBlocks(name, length, limit)
    }
  }

  // MARK: The batch's end

  /// How many cursors the batch being made has moved.
  package var movedCursors: Int { moved.count }

  /// Closes the batch being made: where strategy `next` stands now is one row for each pool and batch, and rides on the
  /// batch's last entry. Called once all is decided and before anything of the batch is applied.
  package func seal(_ entries: inout [Entry]) {
    guard !moved.isEmpty else { return }
    var effects: [Effect] = []
    for name in moved {
      guard let index = indexes[name] else { continue }
      index.hasMoved = false
      if let cursor = index.cursor, cursor != tables.pool(name)?.cursor { effects.append(.put(.cursor(name, cursor))) }
    }
    moved.removeAll(keepingCapacity: true)
    guard !effects.isEmpty, let last = entries.popLast() else { return }
    overlay.add(effects)
    entries.append(last.adding(effects))
  }

  /// Moves the cursor of strategy `next`.
  func move(_ index: PoolIndex, of name: PoolName, to ip: IPAddress) {
    note(.cursor(index, index.cursor))
    index.cursor = ip
    guard !index.hasMoved else { return }
    index.hasMoved = true
    moved.append(name)
  }

  /// The batch is durable and its effects are in the tables.
  package func published(_ entries: [Entry]) {
    overlay.clear()
    fleetIndex?.settled()
    undo.removeAll(keepingCapacity: true)
    answered.compact()
    var changed: Set<PoolName> = []
    for entry in entries { for effect in entry.effects { published(effect, &changed) } }
    for name in changed { refreshIndex(name) }
    if !changed.isEmpty { fleetIndex?.poolsChanged() }
  }

  private func published(_ effect: Effect, _ changed: inout Set<PoolName>) {
    switch effect.row {
    case .pool(let pool): changed.insert(pool.name)
    case .reservation(let reservation): changed.insert(reservation.pool)
    case .allocation(let row): if effect.isPut, row.expiresAt != nil { follow(effect.row, in: row.pool) }
    // A remembered release was queued when it was decided: its turn may come in the same batch.
    case .released(let row):
      guard effect.isPut else { return }
      if row.quarantineUntil != nil { follow(effect.row, in: row.pool) } else { compactDue(of: row.pool) }
    case .cursor, .answered, .token: break
    case .fleet: break
    }
  }

  private func follow(_ row: Row, in name: PoolName) {
    indexes[name]?.follow(row)
    compactDue(of: name)
  }

  private func compactDue(of name: PoolName) {
    indexes[name]?.changeDue { due in due.compact { tables.row(at: $0, in: name) } }
  }

  private func refreshIndex(_ name: PoolName) {
    guard let state = tables.pools[name] else {
      indexes.removeValue(forKey: name)?.retire()
      return
    }
    guard let index = indexes[name] else {
      indexes[name] = PoolIndex(state, dueOrder)
      return
    }
    index.refresh(from: state)
  }

  /// The batch was refused: everything pending never was.
  package func revoke() {
    overlay.clear()
    fleetIndex?.batchEnded()
    for name in moved { indexes[name]?.hasMoved = false }
    moved.removeAll(keepingCapacity: true)
    undo(to: 0)
  }

  // MARK: What falls due

  /// When the next lease or quarantine may end.
  package var nextDue: LogTime? { dueOrder.first?.due.next.map { LogTime($0) } }

  /// Takes what is due at `time` out of the queues, at most `limit` rows, from the pool that has waited the longest
  /// on; whoever takes them asks to `expire` them in the same batch.
  package func popDue(at time: LogTime, limit: Int) -> [DueRow] {
    var due: [DueRow] = []
    while due.count < limit, let index = dueOrder.first, let next = index.due.next, next <= UInt64(time) {
      for item in index.changeDue({ $0.pop(at: UInt64(time), limit: limit - due.count) }) {
        due.append(DueRow(pool: index.name, ip: item.ip, due: LogTime(item.when)))
      }
    }
    return due
  }

  /// Puts due rows back whose batch was refused, whether they were in an entry or passed over.
  package func putBack(_ rows: [DueRow]) {
    for due in rows { if let row = row(.address(due.pool, due.ip)) { indexes[due.pool]?.follow(row) } }
  }
}

/// What a command comes down to before it is an entry.
struct Decided {
  var outcome: Outcome
  var kind: EntryKind?
  var effects: [Effect] = []
  var told = Entry.Told.nothing
}

// MARK: Pending changes of the indexes

extension Ledger {
  enum Undo {
    case taken(PoolIndex, AddressRange)
    case freed(PoolIndex, AddressRange)
    case forgotten(PoolIndex, IPAddress)
    case cursor(PoolIndex, IPAddress?)
    case oldest(PoolIndex, DueQueues.Item)
    case answered(AnsweredQueue.Mark)
    case fleet(FleetUndo)
  }

  /// A pool's index; the last one asked for is mostly the next one too.
  func index(of name: PoolName) -> PoolIndex? {
    if let recentIndex, recentIndex.name == name { return recentIndex.index }
    guard let index = indexes[name] else { return nil }
    recentIndex = (name, index)
    return index
  }

  func note(_ change: Undo) { undo.append(change) }

  /// Where the list of changes stands, for `undo(to:)`.
  var undoMark: Int { undo.count }

  func undo(to mark: Int) {
    while undo.count > mark, let change = undo.popLast() {
      switch change {
      case .taken(let index, let range):
        index.set(range, to: .free)
        index.available = index.available + AddressCount(of: range)
      case .freed(let index, let range):
        index.set(range, to: .taken)
        index.available = index.available - AddressCount(of: range)
      case .forgotten(let index, let ip): index.remember(ip)
      case .cursor(let index, let address): index.cursor = address
      case .oldest(let index, let item): index.changeDue { $0.pushOldest(item) }
      case .answered(let mark): answered.restore(mark)
      case .fleet(let change): fleetIndex?.undo(change)
      }
    }
  }

  /// The row of a key, pending included.
  func row(_ key: RowKey) -> Row? {
    let probe = KeyProbe(key)
    if let pending = overlay.row(probe) { return pending }
    return tables.rows.row(probe)
  }

  /// What an owner holds, pending included.
  func holdings(_ tenant: TenantName, _ owner: OwnerName) -> [Allocation] { holdings(OwnerProbe(tenant, owner)) }

  func holdings(_ owner: OwnerProbe) -> [Allocation] {
    let held = overlay.allocations(owner, over: tables.rows.allocations(owner))
    return held.count < 2 ? held : held.sorted(by: Allocation.inHoldingOrder)
  }

  /// Marks a free block as taken, to be undone if the batch is refused; what was remembered inside it ends with an effect.
  /// At its first address the allocation's row replaces the released one.
  func take(_ block: Prefix, _ index: PoolIndex, _ effects: inout [Effect]) {
    let range = block.range
    while !index.remembered.isEmpty, let bits = index.remembered.firstMember(in: range.bits) {
      let ip = IPAddress(family: block.family, bits: bits)
      if ip != block.first { effects += forget(ip, index) } else { forgetOnly(ip, index) }
    }
    note(.taken(index, range))
    index.set(range, to: .taken)
    index.available = index.available - AddressCount(of: range)
  }

  /// Ends the memory of a release; returns what deletes its row.
  func forget(_ ip: IPAddress, _ index: PoolIndex) -> [Effect] {
    forgetOnly(ip, index)
    guard case .released(let row) = row(.address(index.name, ip)) else {
      preconditionFailure("\(ip) of pool \(index.name) is remembered without a row")
    }
    return [.delete(.released(row))]
  }

  func forgetOnly(_ ip: IPAddress, _ index: PoolIndex) {
    note(.forgotten(index, ip))
    index.forget(ip)
  }

  /// Marks a taken block as free again, its release remembered or not.
  func free(_ block: AddressRange, in name: PoolName, remembered: Bool) {
    guard let index = indexes[name] else { return }
    note(.freed(index, block))
    index.set(block, to: remembered ? .remembered : .free)
    fleetIndex?.addressFreed()
    index.available = index.available + AddressCount(of: block)
  }
}

// MARK: Idempotency

extension Ledger {
  /// The answer to a repeat; nil = not asked before.
  private func replay(_ key: IdempotencyKey, _ time: LogTime) -> Outcome? {
    guard case .answered(let first, let revision, let when) = row(.answered(key.key)) else { return nil }
    guard time - when < Limits.idempotencyMicroseconds else { return nil }
    if first.request == key.request { return .replay(revision) }
    return .rejected(
      Rejection(
        .idempotencyKeyReused,
        "this Idempotency-Key was used for another request (revision \(revision)): use a new key for each new request"))
  }

  /// Adds the record of a request, and drops the oldest records beyond the limits.
  private func remember(_ key: IdempotencyKey, _ context: Context, _ effects: inout [Effect]) {
    note(.answered(answered.mark))
    let item = AnsweredQueue.Item(key: key.key, revision: context.revision, time: context.time)
    for old in answered.add(item, at: context.time) {
      if case .answered(let key, let revision, let time) = row(.answered(old.key)), revision == old.revision {
        effects.append(.delete(.answered(key, revision, time)))
      }
    }
    effects.append(.put(.answered(key, context.revision, context.time)))
  }

  /// How long, in microseconds of log time, idempotency keys are really remembered now.
  package var idempotencyWindow: LogTime { answered.oldestTime.map { tables.time - $0 } ?? 0 }
}

/// Idempotency records in the order they were made.
struct AnsweredQueue {
  struct Item {
    let key: UInt128
    let revision: Revision
    let time: LogTime
  }

  struct Mark {
    let head: Int
    let count: Int
  }

  private var items: [Item] = []
  private var head = 0

  init() {}

  init(_ items: [Item]) { self.items = items.sorted { $0.revision < $1.revision } }

  var mark: Mark { Mark(head: head, count: items.count) }

  var oldestTime: LogTime? { head < items.count ? items[head].time : nil }

  mutating func restore(_ mark: Mark) {
    head = mark.head
    items.removeLast(items.count - mark.count)
  }

  /// Adds an item; returns at most two that are beyond the limits, so that the queue shrinks but no entry grows
  /// without bound.
  mutating func add(_ item: Item, at time: LogTime) -> [Item] {
    items.append(item)
    var dropped: [Item] = []
    while dropped.count < 2, head < items.count - 1,
      items.count - head > Limits.idempotencyKeys || time - items[head].time >= Limits.idempotencyMicroseconds
    {
      dropped.append(items[head])
      head += 1
    }
    return dropped
  }

  /// Lets go of the memory of what was dropped; only when nothing is pending.
  mutating func compact() {
    guard head > 4_096, head > items.count / 2 else { return }
    items.removeFirst(head)
    head = 0
  }
}
