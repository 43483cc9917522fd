import Domain

/// A group of one tenant.
struct GroupKey: Hashable {
  let tenant: TenantName
  let name: GroupName
}

/// What a VM's groups and rules come down to; VMs with the same share one.
struct RuleSet: Hashable {
  let tenant: TenantName
  let groups: [GroupName]
  let affinity: [AffinityRule]
  let spreading: Spreading?
  let maxDisrupted: UInt16?

  /// nil = no groups and no rules.
  init?(_ key: VMKey, _ spec: VMSpec) {
    if spec.groups.isEmpty, spec.affinity.isEmpty { return nil }
    tenant = key.tenant
    (groups, affinity) = (spec.groups, spec.affinity)
    (spreading, maxDisrupted) = (spec.locality.spreading, spec.maxDisrupted)
  }
}

/// A rule set with its groups by number.
struct CompiledRules {
  struct Rule {
    let group: Int32
    let isAnti: Bool
    let isMember: Bool
    let scope: PlaceScope
    let weight: Int32?
    let most: Int32
  }

  struct Spread {
    let group: Int32
    let scope: PlaceScope
    let least: Int
  }

  let members: [Int32]
  let rules: [Rule]
  let spread: Spread?
  let maxDisrupted: Int32?

  init(_ set: RuleSet, _ number: (GroupName) -> Int32) {
    members = set.groups.map(number)
    rules = set.affinity.map { rule in
      Rule(
        group: number(rule.group), isAnti: rule.isAnti, isMember: set.groups.contains(rule.group), scope: rule.scope,
        weight: rule.weight.map(Int32.init), most: Int32(rule.most))
    }
    spread = set.spreading.map { Spread(group: number($0.group), scope: $0.scope, least: Int($0.least)) }
    maxDisrupted = set.maxDisrupted.map(Int32.init)
  }
}

/// Where the members of a group are, and who wishes to be away from them.
struct Group {
  /// The hard rules of one kind that VMs hold against this group, counted by place.
  struct Guard {
    let scope: PlaceScope
    let most: Int32
    let isMember: Bool
    var holders: [Int32: Int32] = [:]
  }

  /// Members by place, for each scope; the room that is kept for a member counts as one.
  private(set) var counts: [[Int32: Int32]] = [[:], [:], [:], [:]]
  /// Those of them that are really there: what is to be in several places, or near somebody, is about these.
  private(set) var present: [[Int32: Int32]] = [[:], [:], [:], [:]]
  /// How many are there.
  private(set) var members: Int32 = 0
  private(set) var guards: [Guard] = []
  /// Members that had to give way and do not run again yet.
  var disrupted: Int32 = 0

  func count(_ scope: PlaceScope, _ domain: Int32) -> Int32 { counts[Int(scope.rawValue)][domain] ?? 0 }

  /// Whether a member is there.
  func isIn(_ scope: PlaceScope, _ domain: Int32) -> Bool { present[Int(scope.rawValue)][domain] != nil }

  /// The places where a member is.
  func occupied(_ scope: PlaceScope) -> Dictionary<Int32, Int32>.Keys { present[Int(scope.rawValue)].keys }

  /// A member comes or goes; `isThere` is false where room is only kept for it.
  mutating func add(_ change: Int32, _ scope: PlaceScope, _ domain: Int32, isThere: Bool) {
    let place = Int(scope.rawValue)
    let sum = (counts[place][domain] ?? 0) + change
    counts[place][domain] = sum == 0 ? nil : sum
    guard isThere else { return }
    let there = (present[place][domain] ?? 0) + change
    present[place][domain] = there == 0 ? nil : there
    if scope == .node { members += change }
  }

  mutating func addGuard(_ change: Int32, _ rule: CompiledRules.Rule, _ domain: Int32) {
    let found = guards.firstIndex {
      $0.scope == rule.scope && $0.most == rule.most && $0.isMember == rule.isMember
    }
    let place = found ?? guards.count
    if found == nil { guards.append(Guard(scope: rule.scope, most: rule.most, isMember: rule.isMember)) }
    let sum = (guards[place].holders[domain] ?? 0) + change
    guards[place].holders[domain] = sum == 0 ? nil : sum
    if guards[place].holders.isEmpty { guards.remove(at: place) }
  }

  /// Everything, in an order of its own, for comparison; `name` tells a place without its number.
  func fingerprint(_ name: (PlaceScope, Int32) -> String) -> [String] {
    var lines: [String] = ["members \(members) disrupted \(disrupted)"]
    for scope in PlaceScope.allCases {
      lines += counts[Int(scope.rawValue)].map { place, count in
        "\(scope) \(name(scope, place)) \(count) there \(present[Int(scope.rawValue)][place] ?? 0)"
      }
    }
    for held in guards {
      let holders = held.holders.map { "\(name(held.scope, $0.key)) \($0.value)" }.sorted()
      lines.append("\(held.scope) \(held.most) \(held.isMember) \(holders)")
    }
    return [lines[0]] + lines.dropFirst().sorted()
  }
}
