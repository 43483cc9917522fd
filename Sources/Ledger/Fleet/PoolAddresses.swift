import Addressing
import Domain
import Placement

/// Which pools serve which place, and what they have left, pending decisions included; for placement.
final class PoolAddresses: AddressView {
  private unowned let ledger: Ledger
  private var segments: [Segment] = []
  private var numbers: [[PoolName]: Int] = [:]
  /// What the VM that is being placed holds already.
  var held: [Allocation] = []
  /// What a plan has taken of each pool.
  var planned: [PoolName: Int] = [:]

  /// Pools that serve the same places.
  fileprivate struct Segment {
    let pools: [Serving]
    let names: Set<PoolName>
  }

  /// A pool, and how many levels of its place are the segment's.
  fileprivate struct Serving {
    let state: PoolState
    let index: PoolIndex
    let score: Int
    let gives: Bool
  }

  init(_ ledger: Ledger) { self.ledger = ledger }

  /// Pools were made, changed or deleted.
  func poolsChanged() {
    segments.removeAll()
    numbers.removeAll()
  }

  func segment(of place: Topology) -> Int {
    var pools: [Serving] = []
    for family in AddressFamily.allCases {
      for state in ledger.tables.byPlace[family]?.pools(matching: place) ?? [] {
        let pool = state.pool
        guard let index = ledger.indexes[state.name], let score = pool.topology.match(place) else { continue }
        pools.append(Serving(state: state, index: index, score: score, gives: pool.enabled))
      }
    }
    pools.sort { ($1.score, $0.state.name) < ($0.score, $1.state.name) }
    let names = pools.map(\.state.name)
    if let number = numbers[names] { return number }
    numbers[names] = segments.count
    segments.append(Segment(pools: pools, names: Set(names)))
    return segments.count - 1
  }

  func shortage(for interfaces: [VMInterface], of key: VMKey, in segment: Int) -> String? {
    let segment = segments[segment]
    if held.isEmpty, planned.isEmpty, interfaces.count == 1,
      case .choose(let families, let labels) = interfaces[0].source,
      families.count == 1, segment.pools.contains(where: { $0.suits(families[0], labels) })
    {
      return nil
    }
    var taken = planned
    return shortage(for: interfaces, segment, &taken)
  }

  /// Takes for a plan what a VM at `place` would be given.
  func plan(_ interfaces: [VMInterface], at place: Topology) {
    let number = segment(of: place)
    _ = shortage(for: interfaces, segments[number], &planned)
  }

  private func shortage(
    for interfaces: [VMInterface], _ segment: Segment, _ taken: inout [PoolName: Int]
  ) -> String? {
    // In the order in which they are given: who names a pool comes before who leaves the choice.
    for interface in interfaces {
      guard case .pool(let name) = interface.source else { continue }
      if let why = shortage(name, interface, segment, &taken) { return "interface \(interface.name): \(why)" }
    }
    for interface in interfaces {
      guard case .choose(let families, let labels) = interface.source else { continue }
      // Of two families each pool must go together with one of the other.
      var beside = families.count < 2 ? [] : families.map { givers($0, labels, interface, segment, taken) }
      for (number, family) in families.enumerated() {
        let others = beside.indices.filter { $0 != number }.map { beside[$0] }
        let wish = Wish(family: family, labels: labels, beside: others)
        switch shortage(wish, interface, segment, &taken) {
        case .success(let pool): if number < beside.count { beside[number] = [pool] }
        case .failure(let why): return "interface \(interface.name): \(why.text)"
        }
      }
    }
    return nil
  }

  private func shortage(
    _ name: PoolName, _ interface: VMInterface, _ segment: Segment, _ taken: inout [PoolName: Int]
  ) -> String? {
    guard segment.names.contains(name) else { return "pool \(name) does not serve there" }
    if let row = held.first(where: { $0.interface == interface.name && $0.pool == name }) { return row.objection }
    guard let pool = segment.pools.first(where: { $0.state.name == name }) else { return "there is no pool \(name)" }
    if let address = interface.address, pool.index.taken.contains(address.bits) { return "\(address) is taken" }
    guard pool.hasRoom(taken[name] ?? 0) else { return "pool \(name) has no address left" }
    taken[name, default: 0] += 1
    return nil
  }

  /// What one address of an interface must be like.
  private struct Wish {
    let family: AddressFamily
    let labels: Labels
    /// For each other family of the interface the pools that may be its.
    let beside: [[Pool]]
  }

  /// Why there is none.
  private struct Shortage: Error {
    let text: String
  }

  /// What an interface holds of a family already and would take over.
  private func held(
    _ family: AddressFamily, _ labels: Labels, _ interface: VMInterface, _ segment: Segment
  ) -> Allocation? {
    let mine = held.filter { $0.interface == interface.name && $0.ip.family == family }
    if let row = mine.first(where: { $0.manager == .vm }) { return row }
    return mine.first { row in
      segment.names.contains(row.pool) && ledger.tables.pools[row.pool]?.pool.labels.includes(labels) == true
    }
  }

  /// The pools from which an address of a family may be.
  private func givers(
    _ family: AddressFamily, _ labels: Labels, _ interface: VMInterface, _ segment: Segment, _ taken: [PoolName: Int]
  ) -> [Pool] {
    if let row = held(family, labels, interface, segment) {
      return [ledger.tables.pools[row.pool]?.pool].compactMap(\.self)
    }
    return segment.pools.filter { $0.suits(family, labels) && $0.hasRoom(taken[$0.state.name] ?? 0) }.map(\.state.pool)
  }

  /// From which pool an address would be, which is taken; or why from none.
  private func shortage(
    _ wish: Wish, _ interface: VMInterface, _ segment: Segment, _ taken: inout [PoolName: Int]
  ) -> Result<Pool, Shortage> {
    let family = wish.family
    if let row = held(family, wish.labels, interface, segment) {
      guard segment.names.contains(row.pool), let pool = ledger.tables.pools[row.pool]?.pool else {
        return .failure(Shortage(text: "\(row.ip) is of pool \(row.pool), which does not serve there"))
      }
      if row.manager != .vm, let objection = row.objection { return .failure(Shortage(text: objection)) }
      guard pool.goes(with: wish.beside) else {
        return .failure(Shortage(text: "\(row.ip) is of pool \(row.pool), in another VLAN than the other family"))
      }
      return .success(pool)
    }
    var best: Serving?
    var isApart = false
    for pool in segment.pools where pool.suits(family, wish.labels) && pool.hasRoom(taken[pool.state.name] ?? 0) {
      guard pool.state.pool.goes(with: wish.beside) else {
        isApart = true
        continue
      }
      if let best, best.score > pool.score { break }
      if best.map({ pool.free(taken) > $0.free(taken) }) ?? true { best = pool }
    }
    guard let best else {
      let which = isApart ? "in the VLAN of the other family " : ""
      return .failure(Shortage(text: "no pool that serves there \(which)has an \(family.name) address left"))
    }
    taken[best.state.name, default: 0] += 1
    return .success(best.state.pool)
  }
}

extension PoolAddresses.Serving {
  fileprivate func suits(_ family: AddressFamily, _ labels: Labels) -> Bool {
    gives && state.family == family && index.available > .zero
      && (labels == .none || state.pool.labels.includes(labels))
  }

  fileprivate func hasRoom(_ taken: Int) -> Bool { gives && index.available > AddressCount(UInt128(taken)) }

  fileprivate func free(_ taken: [PoolName: Int]) -> AddressCount {
    let gone = AddressCount(UInt128(taken[state.name] ?? 0))
    return gone < index.available ? index.available - gone : .zero
  }
}

extension Allocation {
  /// Why a VM of the same name cannot take this over; nil = it can, or it has it already.
  var objection: String? {
    if manager == .kube { return "\(ip) of pool \(pool) is managed by kube" }
    return isChildPrefix ? "\(block) of pool \(pool) is held there, which is not one address" : nil
  }
}
