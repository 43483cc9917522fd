import Domain

/// Datacenters, zones and racks by number; a node without one is in the nameless one of the level above.
struct Places {
  private struct Part: Hashable {
    let inside: Int32
    let name: String?
  }

  private var datacenters: [String?: Int32] = [:]
  private var zones: [Part: Int32] = [:]
  private var racks: [Part: Int32] = [:]
  /// By rack: the zone, the datacenter, and both with the rack in words.
  private(set) var zone: [Int32] = []
  private(set) var datacenter: [Int32] = []
  private(set) var topology: [Topology] = []
  private var latencies: [SIMD2<Int32>: UInt32] = [:]

  var count: Int { topology.count }

  /// The number of a rack, new or known.
  mutating func number(_ topology: Topology) -> Int32 {
    let datacenter = Places.number(topology.datacenter, &datacenters)
    let zone = Places.number(Part(inside: datacenter, name: topology.zone), &zones)
    let rack = Places.number(Part(inside: zone, name: topology.rack), &racks)
    if rack == self.topology.count {
      self.zone.append(zone)
      self.datacenter.append(datacenter)
      self.topology.append(topology)
    }
    return rack
  }

  private static func number<Key: Hashable>(_ key: Key, _ known: inout [Key: Int32]) -> Int32 {
    if let number = known[key] { return number }
    let number = Int32(known.count)
    known[key] = number
    return number
  }

  /// What counts as one place for a node in this rack.
  func domain(_ scope: PlaceScope, node: Int, rack: Int32) -> Int32 {
    switch scope {
    case .node: Int32(node)
    case .rack: rack
    case .zone: zone[Int(rack)]
    case .datacenter: datacenter[Int(rack)]
    }
  }

  /// A domain without its number.
  func words(_ scope: PlaceScope, _ domain: Int32) -> String {
    let found = topology.indices.first { self.domain(scope, node: 0, rack: Int32($0)) == domain }
    guard let found else { return "nowhere" }
    let place = topology[found]
    switch scope {
    case .node, .rack: return "\(place)"
    case .zone: return "\(place.datacenter ?? "-")/\(place.zone ?? "-")"
    case .datacenter: return place.datacenter ?? "-"
    }
  }

  /// How far the datacenters are that a limit keeps out, as it was measured; nil without a limit.
  func words(ofLatency locality: Locality) -> String? {
    guard let most = locality.maxLatency, let from = locality.latencyFrom ?? locality.datacenter else { return nil }
    let names = datacenters.keys.compactMap(\.self).filter { $0 != from }.sorted()
    let far = names.compactMap { name -> String? in
      guard let a = datacenters[from], let b = datacenters[name] else { return "\(name) not known" }
      guard let measured = latencies[SIMD2(min(a, b), max(a, b))] else { return "\(name) not known" }
      return measured > most ? "\(name) \(measured) us" : nil
    }
    let shown = far.prefix(4).joined(separator: ", ") + (far.count > 4 ? ", ..." : "")
    return "from \(from) at most \(most) us are wanted; as measured: \(shown)"
  }

  mutating func setLatencies(_ measured: [Latency]) {
    latencies.removeAll()
    for item in measured {
      let a = Places.number(item.from, &datacenters)
      let b = Places.number(item.to, &datacenters)
      latencies[SIMD2(min(a, b), max(a, b))] = item.microseconds
    }
  }

  /// Between a named datacenter and that of a rack; nil = nobody measured it.
  func latency(from name: String, toRack rack: Int) -> UInt32? {
    guard let from = datacenters[name] else { return nil }
    let to = datacenter[rack]
    return from == to ? 0 : latencies[SIMD2(min(from, to), max(from, to))]
  }
}
