import Domain

/// What of a request decides, together with a node's class, whether the node can ever carry it.
struct RequestShape: Hashable {
  let amounts: Amounts
  let wishes: Wishes?

  init(_ spec: VMSpec) {
    amounts = spec.resources.amounts
    wishes = Wishes.isPlain(spec) ? nil : Wishes(spec)
  }
}

/// The wishes of a request that most requests do not have.
final class Wishes: Hashable {
  let custom: [CustomAmount]
  let devices: [DeviceRequest]
  let backend: BackendName?
  let locality: Locality
  let isPinned: Bool
  let isSingleNUMA: Bool
  let budget: Money?
  let nodeLabels: Labels
  let spot: SpotChoice

  init(_ spec: VMSpec) {
    (custom, devices, backend) = (spec.custom, spec.devices, spec.backend)
    var locality = spec.locality
    locality.spreading = nil
    self.locality = locality
    (isPinned, isSingleNUMA, budget) = (spec.isPinned, spec.isSingleNUMA, spec.budget)
    (nodeLabels, spot) = (spec.nodeLabels, spec.spot)
  }

  static func isPlain(_ spec: VMSpec) -> Bool {
    spec.custom.isEmpty && spec.devices.isEmpty && spec.backend == nil && !spec.isPinned && !spec.isSingleNUMA
      && spec.budget == nil && spec.nodeLabels.pairs.isEmpty && spec.spot == .never && !hasPlaces(spec.locality)
  }

  private static func hasPlaces(_ locality: Locality) -> Bool {
    locality.datacenter != nil || locality.zone != nil || !locality.excluded.isEmpty || locality.maxLatency != nil
  }

  /// Whether its processors and memory are real ones, however much the node promises.
  var isBacked: Bool { isPinned || isSingleNUMA }
  /// Whether it needs something that only a look at the node's parts can tell.
  var isSpecial: Bool { isBacked || !devices.isEmpty || !custom.isEmpty }
  var hasPlaces: Bool { Wishes.hasPlaces(locality) }

  static func == (a: Wishes, b: Wishes) -> Bool {
    a.custom == b.custom && a.devices == b.devices && a.backend == b.backend && a.locality == b.locality
      && a.isPinned == b.isPinned && a.isSingleNUMA == b.isSingleNUMA && a.budget == b.budget
      && a.nodeLabels == b.nodeLabels && a.spot == b.spot
  }

  func hash(into hasher: inout Hasher) {
    hasher.combine(custom)
    hasher.combine(devices)
    hasher.combine(backend)
    hasher.combine(locality)
    hasher.combine(isPinned)
    hasher.combine(isSingleNUMA)
    hasher.combine(budget)
    hasher.combine(nodeLabels)
    hasher.combine(spot)
  }
}

/// What of a node decides, together with a request's shape, whether it can ever carry it.
struct NodeShape: Hashable {
  let physical: Resources
  let profile: OvercommitProfile
  let backends: [BackendName]
  let prices: Prices
  let isSpot: Bool
  let state: NodeState

  /// Labels are left out: an operator may give each node one of its own.
  init(_ node: Node) {
    (physical, profile, backends, prices) = (node.physical, node.profile, node.backends, node.prices)
    (isSpot, state) = (node.isSpot, node.state)
  }
}

/// What is known of a request class and a node class together.
struct Verdict {
  /// The first filter that says no, whatever else is on the node; budget apart.
  let reason: Reason
  /// What it takes of what the node may promise.
  let need: Amounts
  /// An hour in peak hours and in others.
  let peakPrice: Money
  let offPeakPrice: Money

  init(_ shape: RequestShape, _ node: NodeShape) {
    let wishes = shape.wishes
    let asked = Resources(shape.amounts)
    need = wishes?.isBacked == true ? node.profile.backed(asked).amounts : shape.amounts
    peakPrice = node.prices.peak.hourly(asked)
    offPeakPrice = node.prices.offPeak.hourly(asked)
    reason = Verdict.reason(shape, wishes, node)
  }

  private static func reason(_ shape: RequestShape, _ wishes: Wishes?, _ node: NodeShape) -> Reason {
    if node.state != .ready { return .state }
    if let backend = wishes?.backend, !node.backends.contains(backend) { return .backend }
    let spot = wishes?.spot ?? .never
    if node.isSpot ? spot == .never : spot == .only { return .spot }
    return shape.amounts.fits(in: node.physical.amounts) ? .none : .size
  }
}

/// What is known of a request class and a rack together.
struct PlaceVerdict {
  let reason: Reason
  /// How far from the preferred place: 0 in it, more the farther.
  let penalty: Int32

  /// What it costs to be outside the preferred zone, and outside the preferred datacenter.
  static let zonePenalty: Int32 = 100
  static let datacenterPenalty: Int32 = 200

  static let fine = PlaceVerdict(reason: .none, penalty: 0)

  init(reason: Reason, penalty: Int32) { (self.reason, self.penalty) = (reason, penalty) }

  init(_ locality: Locality, rack: Int, in places: Places) {
    let place = places.topology[rack]
    let isOtherDatacenter = locality.datacenter.map { $0 != place.datacenter } ?? false
    let isOtherZone = locality.zone.map { $0 != place.zone } ?? false
    penalty =
      (isOtherDatacenter ? PlaceVerdict.datacenterPenalty : 0)
      + (isOtherZone || isOtherDatacenter && locality.zone != nil ? PlaceVerdict.zonePenalty : 0)
    if let name = place.datacenter, locality.excluded.contains(name) {
      reason = .excluded
    } else if locality.isEnforced, isOtherDatacenter || isOtherZone {
      reason = .outside
    } else if let most = locality.maxLatency, let from = locality.latencyFrom ?? locality.datacenter {
      reason = places.latency(from: from, toRack: rack).map { $0 <= most ? .none : .latency } ?? .latency
    } else {
      reason = .none
    }
  }
}

/// Things by number, each counted by its users; a number is used again only when nobody knows the old meaning.
struct Interned<Value: Hashable> {
  private var numbers: [Value: Int32] = [:]
  private(set) var values: [Value?] = []
  private var users: [Int32] = []
  private var vacant: [Int32] = []

  var count: Int { values.count }

  subscript(number: Int32) -> Value {
    guard let value = values[Int(number)] else { preconditionFailure("number \(number) stands for nothing") }
    return value
  }

  func number(_ value: Value) -> Int32? { numbers[value] }

  /// Counts one more user; `isNew` if the number's meaning was set by this.
  mutating func retain(_ value: Value) -> (number: Int32, isNew: Bool) {
    if let number = numbers[value] {
      users[Int(number)] += 1
      return (number, false)
    }
    let number = vacant.popLast() ?? Int32(values.count)
    if number == values.count {
      values.append(value)
      users.append(1)
    } else {
      values[Int(number)] = value
      users[Int(number)] = 1
    }
    numbers[value] = number
    return (number, true)
  }

  /// Counts one user less; `isGone` if that was the last.
  mutating func release(_ number: Int32) -> Bool {
    users[Int(number)] -= 1
    guard users[Int(number)] == 0, let value = values[Int(number)] else { return false }
    numbers[value] = nil
    values[Int(number)] = nil
    vacant.append(number)
    return true
  }
}
