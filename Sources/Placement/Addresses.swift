package import Domain
internal import Addressing

/// Whether a place has the addresses a VM wants; whoever commits uses the same answer.
package protocol AddressView {
  /// The number, from 0 without large gaps, of the set of pools that serve `place`: places with the same set have the
  /// same number. Asked once for each place until `Fleet.poolsChanged`.
  func segment(of place: Topology) -> Int

  /// Whether the pools of a segment have addresses for all `interfaces` at once; nil = yes, else why not, in words.
  func shortage(for interfaces: [VMInterface], of key: VMKey, in segment: Int) -> String?
}

/// Addresses by counting what each pool has left: the plain form of the question.
package struct PoolRoom: AddressView {
  private let pools: [Pool]
  private let numbers: [PoolName: Int]
  private var left: [Int]
  /// The pools of each segment, the most specific first, then by name.
  private let segments: [[Int]]
  private let segmentOf: [[Int]: Int]

  /// Counts over these pools; `places` are all there are.
  package init(_ pools: [(pool: Pool, available: Int)], places: [Topology]) {
    let sorted = pools.sorted { $0.pool.name < $1.pool.name }
    self.pools = sorted.map(\.pool)
    left = sorted.map(\.available)
    var numbers: [PoolName: Int] = [:]
    for (number, pool) in self.pools.enumerated() { numbers[pool.name] = number }
    self.numbers = numbers
    var segments: [[Int]] = []
    var segmentOf: [[Int]: Int] = [:]
    for place in places {
      let serving = PoolRoom.serving(self.pools, place)
      guard segmentOf[serving] == nil else { continue }
      segmentOf[serving] = segments.count
      segments.append(serving)
    }
    (self.segments, self.segmentOf) = (segments, segmentOf)
  }

  private static func serving(_ pools: [Pool], _ place: Topology) -> [Int] {
    let matches = pools.indices.compactMap { number in
      pools[number].enabled ? pools[number].topology.match(place).map { (number, $0) } : nil
    }
    return matches.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.map(\.0)
  }

  /// What a pool has left.
  package subscript(name: PoolName) -> Int {
    get { numbers[name].map { left[$0] } ?? 0 }
    set { if let number = numbers[name] { left[number] = newValue } }
  }

  /// The segment of a place that was named at the beginning; of any other, one without pools.
  package func segment(of place: Topology) -> Int {
    segmentOf[PoolRoom.serving(pools, place)] ?? segments.count
  }

  /// The most specific pool first, then by name; all interfaces or none.
  package func shortage(for interfaces: [VMInterface], of key: VMKey, in segment: Int) -> String? {
    let serving = segment < segments.count ? segments[segment] : []
    var taken: [Int] = []
    // One interface of one family needs no list of what was taken before.
    if interfaces.count == 1, case .choose(let families, let labels) = interfaces[0].source, families.count == 1 {
      for number in serving where left[number] > 0 {
        if pools[number].family == families[0], pools[number].labels.includes(labels) { return nil }
      }
    }
    for interface in interfaces {
      switch interface.source {
      case .pool(let name):
        guard let number = numbers[name], serving.contains(number) else {
          return "interface \(interface.name): pool \(name) does not serve there"
        }
        guard hasRoom(number, taken) else { return "interface \(interface.name): pool \(name) has no address left" }
        taken.append(number)
      case .choose(let families, let labels):
        var chosen: [[Int]] = families.map { family in
          serving.filter {
            pools[$0].family == family && pools[$0].labels.includes(labels) && hasRoom($0, taken)
          }
        }
        for (number, family) in families.enumerated() {
          let beside = chosen.indices.filter { $0 != number }.map { chosen[$0].map { pools[$0] } }
          guard let found = chosen[number].first(where: { pools[$0].goes(with: beside) }) else {
            return "interface \(interface.name): no pool that serves there has an \(family.name) address left"
          }
          chosen[number] = [found]
          taken.append(found)
        }
      }
    }
    return nil
  }

  private func hasRoom(_ number: Int, _ taken: [Int]) -> Bool {
    left[number] > taken.reduce(0) { $0 + ($1 == number ? 1 : 0) }
  }
}
