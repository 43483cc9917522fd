package import Domain
internal import Addressing

/// Whether a place has the addresses a VM wants; whoever commits uses the same answer.
package protocol AddressView {
  /// Whether the pools that serve `place` have addresses for all `interfaces` at once; nil = yes, else why not, in words.
  func shortage(for interfaces: [VMInterface], of key: VMKey, at place: Topology) -> String?
}

/// Addresses by counting what each pool has left: the plain form of the question, for tests and measurements.
package struct PoolRoom: AddressView {
  /// The pools.
  package private(set) var pools: [Pool]
  /// What each has left.
  package var available: [PoolName: Int]

  /// Counts over these pools.
  package init(_ pools: [(pool: Pool, available: Int)]) {
    self.pools = pools.map(\.pool).sorted { $0.name < $1.name }
    available = [:]
    for (pool, count) in pools { available[pool.name] = count }
  }

  /// The most specific pool first, then by name; all interfaces or none.
  package func shortage(for interfaces: [VMInterface], of key: VMKey, at place: Topology) -> String? {
    var taken: [PoolName: Int] = [:]
    for interface in interfaces {
      switch interface.source {
      case .pool(let name):
        guard let pool = pools.first(where: { $0.name == name }), let left = room(pool, place, taken) else {
          return "interface \(interface.name): pool \(name) does not serve there"
        }
        guard left > 0 else { return "interface \(interface.name): pool \(name) has no address left" }
        taken[name, default: 0] += 1
      case .choose(let families, let labels):
        for family in families {
          var best: (pool: Pool, match: Int)?
          for pool in pools where pool.family == family && pool.labels.includes(labels) {
            guard let left = room(pool, place, taken), left > 0, let match = pool.topology.match(place) else { continue }
            if best.map({ match > $0.match }) ?? true { best = (pool, match) }
          }
          guard let best else {
            return "interface \(interface.name): no pool that serves there has an \(family.name) address left"
          }
          taken[best.pool.name, default: 0] += 1
        }
      }
    }
    return nil
  }

  private func room(_ pool: Pool, _ place: Topology, _ taken: [PoolName: Int]) -> Int? {
    guard pool.enabled, pool.topology.match(place) != nil else { return nil }
    return (available[pool.name] ?? 0) - (taken[pool.name] ?? 0)
  }
}
