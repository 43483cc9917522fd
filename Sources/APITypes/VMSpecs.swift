import Addressing
package import Domain
import Wire

/// What somebody wants a VM to be, as it is read from a body or an answer.
struct SpecFields {
  /// Whether it is of a VM that is there already.
  var isStored = false
  var spec = VMSpec(.none)
  var hasCPU = false
  var hasMemory = false
  var interfaces: [VMInterface]?
  var with: [AffinityRule] = []
  var without: [AffinityRule] = []

  /// Reads one member; false for any other.
  mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    if "vcpus" ~= key { hasCPU = true }
    if "memory_mib" ~= key { hasMemory = true }
    if try spec.resources.read(key, &reader) { return true }
    if try readRules(key, &reader) { return true }
    switch key {
    case "image": spec.image = try reader.lineOrNull(Limits.imageBytes)
    case "kernel": spec.kernel = try reader.lineOrNull(Limits.imageBytes)
    case "backend": spec.backend = try reader.nameOrNull()
    case "priority": spec.priority = try reader.whole(0...Limits.priority)
    case "preemptible": spec.isPreemptible = try reader.bool()
    case "grace_seconds": spec.graceSeconds = try reader.whole(0...86_400)
    case "interfaces": interfaces = try reader.interfaces(areStored: isStored)
    case "groups":
      spec.groups = try reader.list(atMost: Limits.groups) { (reader) throws(JSONFault) in try reader.name() }
    case "affinity": with = try reader.rules(isAnti: false)
    case "anti_affinity": without = try reader.rules(isAnti: true)
    case "devices":
      let devices = try reader.list(atMost: Limits.devices) { (reader) throws(JSONFault) in
        try DeviceRequest(decoding: &reader)
      }
      spec.devices = devices.sorted { $0.model < $1.model }
    case "custom": spec.custom = try reader.customAmounts()
    case "labels": spec.labels = try reader.labels()
    default: return false
    }
    return true
  }

  private mutating func readRules(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "max_disrupted": spec.maxDisrupted = try reader.wholeOrNull(0...UInt16.max)
    case "locality": spec.locality = try Locality(decoding: &reader)
    case "pinned": spec.isPinned = try reader.bool()
    case "single_numa": spec.isSingleNUMA = try reader.bool()
    case "budget_hourly_micros": spec.budget = try reader.moneyOrNull()
    case "node_labels": spec.nodeLabels = try reader.labels()
    case "spot": spec.spot = try reader.word { (choice: SpotChoice) in choice.name }
    case "strategy": spec.strategy = try reader.word { (strategy: PlacementStrategy) in strategy.name }
    case "preemption": spec.preemption = try reader.word { (policy: PreemptionPolicy) in policy.name }
    case "forced": spec.isForced = try reader.bool()
    case "failover": spec.failover = try reader.word { (policy: FailoverPolicy) in policy.name }
    case "standby": spec.hasStandby = try reader.bool()
    default: return false
    }
    return true
  }

  /// What was read, whole; `usual` interfaces if none were named.
  func whole(_ reader: JSONReader, interfaces usual: [VMInterface]) throws(JSONFault) -> VMSpec {
    guard hasCPU else { throw reader.missing("vcpus") }
    guard hasMemory else { throw reader.missing("memory_mib") }
    var whole = spec
    whole.interfaces = interfaces ?? usual
    whole.affinity = with + without
    return whole
  }
}

extension VMInterface {
  /// The one that a VM has when nothing is said of interfaces.
  package static let usual = VMInterface(source: .choose([.ipv4], .none))

  fileprivate init(decoding reader: inout JSONReader, index: Int, isStored: Bool) throws(JSONFault) {
    var name: InterfaceName?
    var pool: PoolName?
    var families: [AddressFamily]?
    var labels: Labels?
    var (address, mac): (IPAddress?, MACAddress?) = (nil, nil)
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": name = isStored ? try reader.storedName() : try reader.nameOrNull()
      case "pool": pool = try reader.nameOrNull()
      case "families":
        families =
          try reader.null()
          ? nil
          : try reader.list(atMost: 2) { (reader) throws(JSONFault) in
            try reader.word { (family: AddressFamily) in family.name }
          }
      case "pool_labels": labels = try reader.null() ? nil : try reader.labels()
      case "ip": address = try reader.addressOrNull()
      case "mac": mac = try reader.macOrNull()
      default: throw reader.unknownField(key)
      }
    }
    if pool != nil, families != nil || labels != nil {
      throw reader.invalid("name a pool, or say families and pool_labels, not both")
    }
    if families?.isEmpty == true || Set(families ?? []).count < families?.count ?? 0 {
      throw reader.invalid("families are ipv4, ipv6 or both, each once")
    }
    let source = pool.map(Source.pool) ?? .choose(families ?? [.ipv4], labels ?? .none)
    self.init(
      name: name ?? InterfaceName(trusted: "eth\(index)"), source: source, address: address, mac: mac)
  }
}

extension DeviceRequest {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var model: DeviceModel?
    var count: UInt8 = 1
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "model": model = try reader.name()
      case "count": count = try reader.whole(1...UInt8(Limits.devices))
      default: throw reader.unknownField(key)
      }
    }
    guard let model else { throw reader.missing("model") }
    self.init(model, count)
  }
}

extension Locality {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var read = Locality()
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "datacenter": read.datacenter = try reader.placeOrNull()
      case "zone": read.zone = try reader.placeOrNull()
      case "enforced": read.isEnforced = try reader.bool()
      case "excluded":
        read.excluded = try reader.list(atMost: Limits.excluded) { (reader) throws(JSONFault) in
          guard let place = try reader.placeOrNull() else { throw reader.invalid("must be \(Topology.rule)") }
          return place
        }
      case "max_latency_us": read.maxLatency = try reader.wholeOrNull(0...UInt32.max)
      case "latency_from": read.latencyFrom = try reader.placeOrNull()
      case "spread": read.spreading = try reader.null() ? nil : try Spreading(decoding: &reader)
      default: throw reader.unknownField(key)
      }
    }
    self = read
  }
}

extension Spreading {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var group: GroupName?
    var scope = PlaceScope.node
    var least: UInt16 = 2
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "group": group = try reader.name()
      case "scope": scope = try reader.word { (scope: PlaceScope) in scope.name }
      case "least": least = try reader.whole(1...UInt16.max)
      default: throw reader.unknownField(key)
      }
    }
    guard let group else { throw reader.missing("group") }
    self.init(group: group, scope: scope, least: least)
  }
}

extension JSONReader {
  fileprivate mutating func interfaces(areStored: Bool) throws(JSONFault) -> [VMInterface] {
    var read: [VMInterface] = []
    try array { (reader) throws(JSONFault) in
      read.append(try VMInterface(decoding: &reader, index: read.count, isStored: areStored))
    }
    guard read.count <= Limits.interfaces else { throw invalid("at most \(Limits.interfaces) of them") }
    return read
  }

  fileprivate mutating func rules(isAnti: Bool) throws(JSONFault) -> [AffinityRule] {
    try list(atMost: Limits.affinity) { (reader) throws(JSONFault) in
      var group: GroupName?
      var rule = AffinityRule(isAnti: isAnti, group: GroupName(trusted: "-"))
      try reader.object { (key, reader) throws(JSONFault) in
        switch key {
        case "group": group = try reader.name()
        case "scope": rule.scope = try reader.word { (scope: PlaceScope) in scope.name }
        case "weight": rule.weight = try reader.wholeOrNull(1...1_000)
        case "most" where isAnti: rule.most = try reader.whole(1...UInt16.max)
        default: throw reader.unknownField(key)
        }
      }
      guard let group else { throw reader.missing("group") }
      rule.group = group
      return rule
    }
  }
}

extension JSONWriter {
  /// Writes the members that say what a VM is to be; the node that alone will do is for the caller.
  mutating func spec(_ spec: VMSpec) {
    amounts(spec.resources)
    field("image", spec.image.isEmpty ? nil : spec.image)
    field("kernel", spec.kernel.isEmpty ? nil : spec.kernel)
    field("backend", spec.backend)
    field("priority", spec.priority)
    field("preemptible", spec.isPreemptible)
    field("grace_seconds", spec.graceSeconds)
    key("interfaces")
    array { out in for item in spec.interfaces { out.interface(item) } }
    field("groups", spec.groups.map(\.text))
    rules("affinity", spec.affinity.filter { !$0.isAnti })
    rules("anti_affinity", spec.affinity.filter(\.isAnti))
    field("max_disrupted", spec.maxDisrupted)
    locality(spec.locality)
    field("pinned", spec.isPinned)
    field("single_numa", spec.isSingleNUMA)
    key("devices")
    array { out in
      for device in spec.devices {
        out.object { out in
          out.field("model", device.model)
          out.field("count", device.count)
        }
      }
    }
    field("custom", spec.custom)
    field("budget_hourly_micros", spec.budget)
    field("node_labels", spec.nodeLabels)
    field("spot", spec.spot.name)
    field("strategy", spec.strategy.name)
    field("preemption", spec.preemption.name)
    field("forced", spec.isForced)
    field("failover", spec.failover.name)
    field("standby", spec.hasStandby)
    field("labels", spec.labels)
  }

  private mutating func interface(_ item: VMInterface) {
    object { out in
      out.field("name", item.name)
      switch item.source {
      case .pool(let pool): out.field("pool", pool)
      case .choose(let families, let labels):
        out.field("families", families.map(\.name))
        out.field("pool_labels", labels)
      }
      out.field("ip", address: item.address)
      out.field("mac", item.mac?.description)
    }
  }

  private mutating func rules(_ key: StaticString, _ rules: [AffinityRule]) {
    self.key(key)
    array { out in
      for rule in rules {
        out.object { out in
          out.field("group", rule.group)
          out.field("scope", rule.scope.name)
          out.field("weight", rule.weight)
          if rule.isAnti { out.field("most", rule.most) }
        }
      }
    }
  }

  private mutating func locality(_ locality: Locality) {
    key("locality")
    object { out in
      out.field("datacenter", locality.datacenter)
      out.field("zone", locality.zone)
      out.field("enforced", locality.isEnforced)
      out.field("excluded", locality.excluded)
      out.field("max_latency_us", locality.maxLatency)
      out.field("latency_from", locality.latencyFrom)
      out.key("spread")
      guard let spreading = locality.spreading else { return out.null() }
      out.object { out in
        out.field("group", spreading.group)
        out.field("scope", spreading.scope.name)
        out.field("least", spreading.least)
      }
    }
  }
}
