import Domain

/// Pools by the place they serve, so that a choice looks at those that match and at no others.
struct PlaceTree {
  /// A level of the topology: its pools, or the next level.
  private final class Node {
    private(set) var named: [String: Node] = [:]
    /// What serves all of this level.
    private(set) var whole: Node?
    var pools: [PoolName: PoolState] = [:]
    var isEmpty: Bool { named.isEmpty && whole == nil && pools.isEmpty }

    subscript(name: String?) -> Node? {
      get { if let name { named[name] } else { whole } }
      set { if let name { named[name] = newValue } else { whole = newValue } }
    }
  }

  private var root = Node()

  mutating func add(_ state: PoolState) {
    var node = root
    for level in state.pool.topology.levels {
      let next = node[level] ?? Node()
      node[level] = next
      node = next
    }
    node.pools[state.name] = state
  }

  /// Removes a pool that was added with the topology that it has now.
  mutating func remove(_ state: PoolState) { PlaceTree.remove(state, state.pool.topology.levels[...], root) }

  private static func remove(_ state: PoolState, _ levels: ArraySlice<String?>, _ node: Node) {
    guard let level = levels.first else {
      node.pools[state.name] = nil
      return
    }
    guard let next = node[level] else { return }
    remove(state, levels.dropFirst(), next)
    if next.isEmpty { node[level] = nil }
  }

  /// The pools that match a place, in no order that means anything.
  func pools(matching wanted: Topology) -> [PoolState] {
    var found: [PoolState] = []
    PlaceTree.collect(wanted.levels[...], root, &found)
    return found
  }

  private static func collect(_ levels: ArraySlice<String?>, _ node: Node, _ found: inout [PoolState]) {
    guard let level = levels.first else { return found += node.pools.values }
    let rest = levels.dropFirst()
    if let whole = node.whole { collect(rest, whole, &found) }
    guard let level else { return node.named.values.forEach { collect(rest, $0, &found) } }
    if let next = node.named[level] { collect(rest, next, &found) }
  }
}

extension Topology {
  fileprivate var levels: [String?] { [datacenter, zone, rack] }
}
