import Domain

/// A request with everything about it that does not depend on the node.
struct Asked {
  let request: PlacementRequest
  let shape: RequestShape
  let number: Int32
  let verdicts: [Verdict]
  let places: [PlaceVerdict]
  let rules: CompiledRules?
  let isSpecial: Bool
  let budget: Money
  let only: Int?
  let avoid: [Int]
  let perNode: Int
  let vetoes: Set<Int>
  /// The nodes that filters outside were asked about; nil = they were not.
  let among: Set<Int>?
  let hints: [Int: Int32]
  let bestHint: Int32
  let needsAddresses: Bool
  let labels: Labels
  let strategy: PlacementStrategy
  let wantsDevices: Bool
  /// Whether there are vetoes, labels or a node to avoid; looked at before each of them.
  let isPicky: Bool
  /// Whether the company of others matters, or wishes can be broken.
  let hasWishes: Bool
  /// Whether a spread over so many places is possible at all.
  var canSpread = true

  var wishes: Wishes? { shape.wishes }

  /// Whether nothing but the class and what is free decides.
  var isOfClassAlone: Bool {
    rules == nil && only == nil && avoid.isEmpty && request.apart == nil && perNode == .max && request.advice == nil
  }

  /// Whether others may be driven out.
  var mayPreempt: Bool { request.mayPreempt && request.spec.preemption != .never }
}

/// What a search writes down; one is kept and used again.
struct Scratch {
  /// Nodes by the filter that took them.
  var counts = [Int32](repeating: 0, count: Reason.allCases.count)
  var examined = 0
  var isExact = false
  /// Nodes and VMs looked at so far for whatever reason.
  var work = 0
  /// What was learnt about addresses, by segment, in this search.
  var addressStamp: [UInt32] = []
  var addressSays: [Bool] = []
  var stamp: UInt32 = 0
  var shortage: String?
  /// The best three.
  var top: [Pick] = []
  var nearest: (node: Int, lane: Int, short: Int64)?
  var notes: [String] = []

  mutating func begin(segments: Int) {
    for place in counts.indices { counts[place] = 0 }
    (examined, isExact, nearest, shortage, work) = (0, false, nil, nil, 0)
    stamp &+= 1
    if !notes.isEmpty { notes.removeAll() }
    top.removeAll(keepingCapacity: true)
    while addressStamp.count < segments {
      addressStamp.append(0)
      addressSays.append(false)
    }
  }

  /// Forgets what a walk counted before every node is looked at.
  mutating func restart() {
    for place in counts.indices { counts[place] = 0 }
    (examined, nearest) = (0, nil)
    top.removeAll(keepingCapacity: true)
  }

  mutating func offer(_ pick: Pick) {
    guard top.count < 3 || pick < top[2] else { return }
    var place = top.count
    while place > 0, pick < top[place - 1] { place -= 1 }
    top.insert(pick, at: place)
    if top.count > 3 { top.removeLast() }
  }
}

/// A node that will do, and how good it is: the least is the best.
struct Pick: Comparable {
  let node: Int
  /// Broken wishes.
  let penalty: Int32
  /// 1 where a VM without devices would sit on a node with some.
  let scarce: Int32
  /// What the strategy looks at.
  let score: Int64
  /// How full the node is, where the strategy looks at something else first.
  let second: Int64

  static func < (a: Self, b: Self) -> Bool {
    if a.penalty != b.penalty { return a.penalty < b.penalty }
    if a.scarce != b.scarce { return a.scarce < b.scarce }
    if a.score != b.score { return a.score < b.score }
    return a.second != b.second ? a.second < b.second : a.node < b.node
  }
}

extension Fleet {
  static let recentShapesMax = 1_024
  static let verdictsMax = 1 << 20

  /// Works out what does not depend on the node. Rules are counted as used until `done`.
  mutating func prepare(_ request: PlacementRequest) -> (asked: Asked, ruleSet: Int32?) {
    learnSegments()
    let shape = RequestShape(request.spec)
    let number = shapes.number(shape) ?? remember(shape)
    learn(Int(number), shape)
    let ruleSet = RuleSet(request.key, request.spec).map { retainRules($0) }
    var hints: [Int: Int32] = [:]
    for hint in request.advice?.hints ?? [] {
      if let node = numbers[hint.node] { hints[Int(node)] = Int32(hint.score) }
    }
    var asked = Asked(
      request: request, shape: shape, number: number, verdicts: knowledge[Int(number)].verdicts,
      places: knowledge[Int(number)].places, rules: ruleSet.flatMap { rules[Int($0)] },
      isSpecial: shape.wishes?.isSpecial ?? false, budget: request.spec.budget ?? .max,
      only: request.spec.node.map { numbers[$0].map { Int($0) } ?? -1 },
      avoid: request.avoid.compactMap { numbers[$0].map { Int($0) } },
      perNode: request.vmsPerNode.map { Int(clamping: $0) } ?? .max,
      vetoes: set(request.advice?.vetoes ?? []), among: request.advice?.among.map { set($0) }, hints: hints,
      bestHint: hints.values.max() ?? 0, needsAddresses: addresses != nil && !request.spec.interfaces.isEmpty,
      labels: request.spec.nodeLabels, strategy: request.spec.strategy, wantsDevices: !request.spec.devices.isEmpty,
      isPicky: request.spec.node != nil || !request.avoid.isEmpty || request.apart != nil || request.advice != nil
        || !request.spec.nodeLabels.pairs.isEmpty || request.spec.budget != nil || request.vmsPerNode != nil,
      hasWishes: ruleSet != nil || !hints.isEmpty || shape.wishes?.hasPlaces == true || !extensions.isEmpty)
    asked.canSpread = canSpread(asked)
    return (asked, ruleSet)
  }

  private func set(_ names: [NodeName]) -> Set<Int> { Set(names.compactMap { numbers[$0].map { Int($0) } }) }

  /// Which pools serve which rack; asked again only for new racks.
  private mutating func learnSegments() {
    guard let addresses else { return }
    while segments.count < places.count {
      segments.append(addresses.segment(of: places.topology[segments.count]))
      segmentCount = max(segmentCount, (segments.last ?? 0) + 1)
    }
  }

  private mutating func remember(_ shape: RequestShape) -> Int32 {
    let number = retainShape(shape)
    if recentShapes.count < Fleet.recentShapesMax {
      recentShapes.append(number)
    } else {
      releaseShape(recentShapes[oldestShape])
      recentShapes[oldestShape] = number
      oldestShape = (oldestShape + 1) % Fleet.recentShapesMax
    }
    return number
  }

  private mutating func learn(_ number: Int, _ shape: RequestShape) {
    let missing = nodeShapes.count - knowledge[number].verdicts.count
    if missing > 0 {
      verdictCount += missing
      if verdictCount > Fleet.verdictsMax {
        forgetVerdicts()
        verdictCount = nodeShapes.count
      }
      for node in knowledge[number].verdicts.count..<nodeShapes.count {
        // A number without a meaning is asked for by no node.
        let known = nodeShapes.values[node] ?? NodeShape(Node(name: NodeName(trusted: "none"), physical: .none))
        knowledge[number].verdicts.append(Verdict(shape, known))
      }
    }
    guard let wishes = shape.wishes, wishes.hasPlaces else { return }
    for rack in knowledge[number].places.count..<max(places.count, knowledge[number].places.count) {
      knowledge[number].places.append(PlaceVerdict(wishes.locality, rack: rack, in: places))
    }
  }

  /// Whether there are enough places that could take a member, or have one, at all.
  private func canSpread(_ asked: Asked) -> Bool {
    guard let spread = asked.rules?.spread else { return true }
    let group = groups[Int(spread.group)]
    if group.occupied(spread.scope).count >= spread.least { return true }
    var domains: Set<Int32> = []
    for number in nodeClass.indices where nodeClass[number] >= 0 {
      let verdict = asked.verdicts[Int(nodeClass[number])]
      let place = asked.places.isEmpty ? PlaceVerdict.fine : asked.places[Int(rack[number])]
      guard verdict.reason == .none, place.reason == .none else { continue }
      domains.insert(places.domain(spread.scope, node: number, rack: rack[number]))
    }
    domains.formUnion(group.occupied(spread.scope))
    return domains.count >= spread.least
  }

  mutating func done(_ ruleSet: Int32?) {
    if let ruleSet { releaseRules(ruleSet) }
  }
}
