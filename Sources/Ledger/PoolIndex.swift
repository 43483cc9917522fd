import Addressing
import Domain

/// What the deciding thread alone needs of a pool: where it is free, pending decisions included, and what falls due.
///
/// Nothing here is state: all of it is computed from rows at start and from effects afterwards, and both ways come to
/// the same. That holds because no two rows of a pool overlap: a block that is taken deletes the rows of remembered
/// releases inside it.
final class PoolIndex {
  /// Excluded, allocated and quarantined addresses.
  private(set) var taken = AddressSet()
  /// Single addresses that were released and are free, but not forgotten: the memory of strategy `oldest`. Some may
  /// be excluded.
  private(set) var remembered = AddressSet()
  /// How many these are.
  private(set) var rememberedCount = 0
  /// Both of the above together: what is missing was never used. Kept for strategy `oldest` alone.
  private(set) var touched: AddressSet?
  /// Addresses that could be given now.
  var available: AddressCount
  /// The last address given by strategy `next`.
  var cursor: IPAddress?
  /// Whether the cursor moved in the batch being made.
  var hasMoved = false
  private(set) var due = DueQueues()
  private var excluded: [AddressRange] = []
  let name: PoolName
  /// Where the pool announces when something falls due.
  var order: DueOrder?
  /// What it announced last.
  var announced: UInt64?

  /// What a block is.
  enum Mark {
    /// Never used, or forgotten.
    case free
    /// Free, and its release is remembered.
    case remembered
    /// Allocated or in quarantine.
    case taken
  }

  init(_ state: PoolState, _ order: DueOrder? = nil) {
    (name, self.order) = (state.name, order)
    available = state.available
    taken = state.allocated.copy()
    refresh(from: state)
  }

  /// Takes over what a change of the pool or its reservations excludes now.
  func refresh(from state: PoolState) {
    for range in excluded { include(range) }
    excluded = [state.cidr.range].subtracting(state.usable)
    for range in excluded {
      taken.insert(range.bits)
      touched?.insert(range.bits)
    }
    if state.pool.strategy != .oldest { touched = nil } else if touched == nil { touched = used() }
    available = state.available
    cursor = state.cursor
    changeDue { $0.refresh(remembersReleases: state.pool.strategy == .oldest) }
  }

  private func include(_ range: AddressRange) {
    taken.remove(range.bits)
    touched?.remove(range.bits)
    forEachRemembered(range.bits) { touched?.insert($0...$0) }
  }

  /// Everything taken or remembered.
  private func used() -> AddressSet {
    var used = taken.copy()
    forEachRemembered(0...UInt128.max) { used.insert($0...$0) }
    return used
  }

  private func forEachRemembered(_ range: ClosedRange<UInt128>, _ body: (UInt128) -> Void) {
    var from = range.lowerBound
    while let bits = remembered.firstMember(in: from...range.upperBound) {
      body(bits)
      if bits == range.upperBound { return }
      from = bits + 1
    }
  }

  /// Notes what a block of usable addresses is now.
  func set(_ range: AddressRange, to mark: Mark) {
    if mark == .taken { taken.insert(range.bits) } else { taken.remove(range.bits) }
    remember(range.bits, mark == .remembered)
    if touched != nil { if mark == .free { touched?.remove(range.bits) } else { touched?.insert(range.bits) } }
  }

  /// Notes a remembered release; the address may be excluded now.
  func remember(_ ip: IPAddress) {
    remember(ip.bits...ip.bits, true)
    touched?.insert(ip.bits...ip.bits)
  }

  /// Forgets a remembered release; the address may be excluded now.
  func forget(_ ip: IPAddress) {
    remember(ip.bits...ip.bits, false)
    if touched != nil, !taken.contains(ip.bits) { touched?.remove(ip.bits...ip.bits) }
  }

  private func remember(_ range: ClosedRange<UInt128>, _ isRemembered: Bool) {
    guard isRemembered || !remembered.isEmpty else { return }
    rememberedCount -= Int(remembered.count(in: range))
    if isRemembered {
      remembered.insert(range)
      rememberedCount += Int(range.upperBound - range.lowerBound) + 1
    } else {
      remembered.remove(range)
    }
  }

  /// Queues a row for its turn or its time.
  func follow(_ row: Row) { changeDue { $0.follow(row) } }

  /// Changes the queues.
  func changeDue<Result>(_ body: (inout DueQueues) -> Result) -> Result {
    defer { announce() }
    return body(&due)
  }
}
