import Domain

/// Decided but not durable yet: the effects of the batch being made, on top of the tables.
///
/// Found by key and by owner with the same hashes as the rows in the tables; the last effect on a key counts.
struct Overlay: ~Copyable {
  private struct Pending {
    let effect: Effect
    /// The number of the effect before this one that put an allocation of the same owner; 0 = none.
    let sameOwner: Arena.Place
    var isReplaced = false
  }

  private var pending: [Pending] = []
  private var byKey = HashIndex()
  private var byOwner = HashIndex()
  private let seed: UInt64

  init(seed: UInt64) { self.seed = seed }

  var isEmpty: Bool { pending.isEmpty }
  var count: Int { pending.count }

  /// The effect of this number, in the order in which they were added.
  func effect(_ number: Int) -> Effect { pending[number].effect }

  mutating func add(_ effects: [Effect]) {
    for effect in effects {
      let number = Arena.Place(pending.count + 1)
      pending.append(Pending(effect: effect, sameOwner: effect.isPut ? link(effect, number) : 0))
      let probe = KeyProbe(row: effect.bytes)
      let hash = probe.hash(seed: seed)
      if let old = find(probe, hash) {
        pending[Int(old) - 1].isReplaced = true
        byKey.replace(hash, old, with: number)
      } else {
        byKey.insert(hash, number)
      }
    }
  }

  /// Makes an allocation's effect the head of its owner's chain; returns the one before.
  private mutating func link(_ effect: Effect, _ number: Arena.Place) -> Arena.Place {
    guard let owner = OwnerProbe(row: effect.bytes) else { return 0 }
    let hash = owner.hash(seed: seed)
    guard let head = head(owner, hash) else {
      byOwner.insert(hash, number)
      return 0
    }
    byOwner.replace(hash, head, with: number)
    return head
  }

  private func find(_ probe: KeyProbe, _ hash: UInt32) -> Arena.Place? {
    byKey.find(hash) { place in
      let bytes = pending[Int(place) - 1].effect.bytes
      return probe.matches(bytes, 0..<bytes.count)
    }
  }

  private func head(_ owner: OwnerProbe, _ hash: UInt32) -> Arena.Place? {
    byOwner.find(hash) { place in
      let bytes = pending[Int(place) - 1].effect.bytes
      return owner.matches(bytes, 0..<bytes.count)
    }
  }

  mutating func clear() {
    pending.removeAll(keepingCapacity: true)
    byKey.removeAll()
    byOwner.removeAll()
  }

  /// nil = nothing pending for this key; `.some(nil)` = deleted.
  func row(_ probe: KeyProbe) -> Row?? {
    guard !isEmpty, let number = find(probe, probe.hash(seed: seed)) else { return nil }
    let effect = pending[Int(number) - 1].effect
    return .some(effect.isPut ? effect.row : nil)
  }

  /// What an owner holds once the pending rows are durable.
  func allocations(_ owner: OwnerProbe, over durable: [Allocation]) -> [Allocation] {
    if isEmpty { return durable }
    var held =
      durable.isEmpty ? durable : durable.filter { row(KeyProbe(.address($0.pool, $0.ip))) == nil }
    guard var number = head(owner, owner.hash(seed: seed)) else { return held }
    while number != 0 {
      let item = pending[Int(number) - 1]
      if !item.isReplaced, case .allocation(let row) = item.effect.row { held.append(row) }
      number = item.sameOwner
    }
    return held
  }
}
