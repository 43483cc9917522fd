/// How far a rule reaches: members in the same node, rack, zone or datacenter are together.
package enum PlaceScope: UInt8, Hashable, Sendable, CaseIterable {
  /// The same node.
  case node = 0
  /// The same rack.
  case rack = 1
  /// The same zone.
  case zone = 2
  /// The same datacenter.
  case datacenter = 3

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// Wishes to be with a group, or away from it. It counts the members of that group alone, never all VMs.
package struct AffinityRule: Hashable, Sendable {
  /// Whether it wishes to be away from the group.
  package var isAnti: Bool
  /// Whose members count; of the VM's own tenant.
  package var group: GroupName
  /// What counts as the same place.
  package var scope: PlaceScope
  /// 1...1000 = how bad it is to break it; nil = it is never broken.
  package var weight: UInt16?
  /// Away: so many members may share a place, this VM among them if it is one.
  package var most: UInt16

  /// Makes a rule as it is.
  package init(isAnti: Bool, group: GroupName, scope: PlaceScope = .node, weight: UInt16? = nil, most: UInt16 = 1) {
    (self.isAnti, self.group, self.scope, self.weight, self.most) = (isAnti, group, scope, weight, most)
  }
}

/// Wishes its group in several places, so that one failure never takes all.
package struct Spreading: Hashable, Sendable {
  /// Whose members count.
  package var group: GroupName
  /// What fails as one.
  package var scope: PlaceScope
  /// In at least so many places; while there are fewer, each new member takes a place of its own.
  package var least: UInt16

  /// Makes a rule as it is.
  package init(group: GroupName, scope: PlaceScope, least: UInt16) {
    (self.group, self.scope, self.least) = (group, scope, least)
  }
}

/// Where a VM would like to be.
package struct Locality: Hashable, Sendable {
  /// Rather here.
  package var datacenter: String?
  /// Rather in this zone.
  package var zone: String?
  /// Here or nowhere.
  package var isEnforced = false
  /// Never in these.
  package var excluded: [String] = []
  /// At most so many microseconds, as measured, from `latencyFrom`, or else from the preferred datacenter.
  package var maxLatency: UInt32?
  /// The datacenter from which the latency counts.
  package var latencyFrom: String?
  /// Several places for its group.
  package var spreading: Spreading?

  /// No wishes.
  package init() {}

  /// No wishes.
  package static let anywhere = Locality()
}

/// Which of the nodes that would do is taken.
package enum PlacementStrategy: UInt8, Hashable, Sendable, CaseIterable {
  /// The fullest: fewest nodes in use.
  case pack = 0
  /// The emptiest.
  case spread = 1
  /// The nearest to the preferred place, then the fullest.
  case local = 2
  /// The failure domain with the fewest members of its first group, then the fullest.
  case domains = 3
  /// The cheapest.
  case cost = 4
  /// Whose processors and memory are then used most evenly.
  case balanced = 5
  /// Which then has the most bandwidth left.
  case bandwidth = 6
  /// The one that is named.
  case manual = 7

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// What a VM may do to others when there is no room.
package enum PreemptionPolicy: UInt8, Hashable, Sendable, CaseIterable {
  /// Nothing.
  case never = 0
  /// Take the room of those with a lower priority: the least priority in sum.
  case lower = 1
  /// The same, but those whose hour is worth least.
  case cost = 2
  /// As `lower`, but only of its own tenant's VMs.
  case own = 3

  /// The same without others' VMs.
  package var withinTenant: PreemptionPolicy { self == .never ? .never : .own }

  /// Whether it takes what others have.
  package var takesFromOthers: Bool { self == .lower || self == .cost }

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// What happens to a VM whose node is lost.
package enum FailoverPolicy: UInt8, Hashable, Sendable, CaseIterable {
  /// It waits for the node, or for somebody who proves that it is off.
  case never = 0
  /// It is placed elsewhere when its lease has ended.
  case restart = 1

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}

/// Whether a VM goes to nodes that may be taken back.
package enum SpotChoice: UInt8, Hashable, Sendable, CaseIterable {
  /// No.
  case never = 0
  /// If that is the best.
  case allowed = 1
  /// Nowhere else.
  case only = 2

  /// As in the API.
  package var name: String { Self.names[Int(rawValue)] }
  private static let names = allCases.map { "\($0)" }
}
