package import Domain
package import Wire

/// Body of `PUT /api/v1/nodes/{node}`: what an agent or an operator says of a node. What is left out stays as it was,
/// or is as usual for a node that nobody knew.
package struct NodeBody: Sendable {
  /// What it really has.
  package var capacity = Resources.none
  /// What else it has.
  package var custom: [CustomAmount]?
  /// Its devices.
  package var devices: [Device]?
  /// Its NUMA nodes.
  package var numa: [NUMANode]?
  /// Where it stands.
  package var topology: Topology?
  /// What can run VMs there.
  package var backends: [BackendName]?
  /// What it costs.
  package var prices: Prices?
  /// Whether its owner may take it back.
  package var isSpot: Bool?
  /// How much it may promise.
  package var profile: OvercommitProfile?
  /// The operator's labels.
  package var labels: Labels?

  /// Says what it has, and nothing else.
  package init(_ capacity: Resources) { self.capacity = capacity }

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var hasCapacity = false
    var read = NodeBody(.none)
    try reader.object { (key, reader) throws(JSONFault) in
      if "capacity" ~= key { hasCapacity = true }
      if try !read.read(key, &reader) { throw reader.unknownField(key) }
    }
    try reader.end()
    guard hasCapacity else { throw reader.missing("capacity") }
    self = read
  }

  /// Reads one member; false for any other.
  mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "capacity": capacity = try reader.amounts()
    case "custom": custom = try reader.customAmounts()
    case "devices":
      let read = try reader.list(atMost: Limits.devices) { (reader) throws(JSONFault) in try Device(decoding: &reader) }
      devices = read.sorted { $0.id < $1.id }
    case "numa":
      numa = try reader.list(atMost: Limits.numaNodes) { (reader) throws(JSONFault) in
        try NUMANode(decoding: &reader)
      }
    case "topology": topology = try reader.topology()
    case "backends":
      backends = try reader.list(atMost: Limits.devices) { (reader) throws(JSONFault) in
        try reader.name(BackendName.self)
      }
    case "prices": prices = try Prices(decoding: &reader)
    case "spot": isSpot = try reader.bool()
    case "profile": profile = try reader.word { (profile: OvercommitProfile) in profile.name }
    case "labels": labels = try reader.labels()
    default: return false
    }
    return true
  }

  /// The node of this name; `known` is what is stored of it.
  package func node(_ name: NodeName, known: Node? = nil) -> Node {
    Node(
      name: name, physical: capacity, custom: custom ?? known?.custom ?? [], devices: devices ?? known?.devices ?? [],
      numa: numa ?? known?.numa ?? [], topology: topology ?? known?.topology ?? Topology(),
      backends: backends ?? known?.backends ?? [], prices: prices ?? known?.prices ?? Prices(),
      isSpot: isSpot ?? known?.isSpot ?? false, profile: profile ?? known?.profile ?? .conservative,
      labels: labels ?? known?.labels ?? .none)
  }

  /// The body as a document.
  package var encoded: [UInt8] {
    var out = JSONWriter(capacity: 512)
    out.object { out in
      out.field("capacity", capacity)
      if let custom { out.field("custom", custom) }
      if let devices { out.devices(devices) }
      if let numa { out.numa(numa) }
      if let topology { out.field("topology", topology) }
      if let backends { out.field("backends", backends.map(\.text)) }
      if let prices { out.field("prices", prices) }
      if let isSpot { out.field("spot", isSpot) }
      if let profile { out.field("profile", profile.name) }
      if let labels { out.field("labels", labels) }
    }
    return out.finish()
  }
}

/// Reads the body of `.../reclaim`: `{notice_seconds}`.
package func decodeReclaim(_ body: [UInt8]) throws(JSONFault) -> UInt32 {
  var reader = JSONReader(body)
  var seconds: UInt32?
  try reader.object { (key, reader) throws(JSONFault) in
    guard "notice_seconds" ~= key else { throw reader.unknownField(key) }
    seconds = try reader.whole(1...Limits.noticeSeconds)
  }
  try reader.end()
  guard let seconds else { throw reader.missing("notice_seconds") }
  return seconds
}

/// Reads the body of `PATCH /api/v1/nodes/{node}`.
package func decodeNodePatch(_ body: [UInt8]) throws(JSONFault) -> NodePatch {
  var reader = JSONReader(body)
  var patch = NodePatch()
  try reader.object { (key, reader) throws(JSONFault) in
    switch key {
    case "labels": patch.labels = try reader.labels()
    case "prices": patch.prices = try Prices(decoding: &reader)
    case "profile": patch.profile = try reader.word { (profile: OvercommitProfile) in profile.name }
    case "spot": patch.isSpot = try reader.bool()
    case "topology": patch.topology = try reader.topology()
    default: throw reader.unknownField(key)
    }
  }
  try reader.end()
  return patch
}

extension Device {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var id: DeviceID?
    var model: DeviceModel?
    var numa: UInt8 = 0
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "id": id = try reader.name()
      case "model": model = try reader.name()
      case "numa": numa = try reader.whole(0...UInt8(Limits.numaNodes - 1))
      default: throw reader.unknownField(key)
      }
    }
    guard let id else { throw reader.missing("id") }
    guard let model else { throw reader.missing("model") }
    self.init(id: id, model: model, numa: numa)
  }
}

extension NUMANode {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var cpus: CPUSet?
    var memory: Int32?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "cpus": cpus = try reader.cpus()
      case "memory_mib": memory = try reader.whole(0...Limits.resource)
      default: throw reader.unknownField(key)
      }
    }
    guard let cpus else { throw reader.missing("cpus") }
    guard let memory else { throw reader.missing("memory_mib") }
    self.init(cpus: cpus, memory: memory)
  }
}

extension JSONReader {
  /// Reads a set of processors as Linux writes it.
  mutating func cpus() throws(JSONFault) -> CPUSet {
    guard let cpus = CPUSet(try string()) else {
      throw invalid("must be processors as 0-3,8, each below \(Limits.cpus)")
    }
    return cpus
  }
}

extension Prices {
  /// Reads prices; without a peak they hold round the clock, and without `off_peak` as well.
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var peak: Rates?
    var offPeak: Rates?
    var hours: (from: UInt8, until: UInt8) = (0, 0)
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "peak": peak = try Rates(decoding: &reader)
      case "off_peak": offPeak = try Rates(decoding: &reader)
      case "peak_from": hours.from = try reader.whole(0...23)
      case "peak_until": hours.until = try reader.whole(0...23)
      default: throw reader.unknownField(key)
      }
    }
    guard let usual = offPeak ?? peak else { throw reader.missing("off_peak") }
    self.init(peak: peak ?? usual, offPeak: usual, peakFrom: hours.from, peakUntil: hours.until)
  }
}

extension Rates {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var rates = Rates()
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "vcpu_micros": rates.cpu = try reader.whole(0...Limits.rate)
      case "memory_gib_micros": rates.memory = try reader.whole(0...Limits.rate)
      case "disk_gib_micros": rates.disk = try reader.whole(0...Limits.rate)
      case "bandwidth_gbps_micros": rates.bandwidth = try reader.whole(0...Limits.rate)
      default: throw reader.unknownField(key)
      }
    }
    self = rates
  }
}

extension JSONWriter {
  mutating func devices(_ devices: [Device]) {
    key("devices")
    array { out in
      for device in devices {
        out.object { out in
          out.field("id", device.id)
          out.field("model", device.model)
          out.field("numa", device.numa)
        }
      }
    }
  }

  mutating func numa(_ nodes: [NUMANode]) {
    key("numa")
    array { out in
      for node in nodes {
        out.object { out in
          out.field("cpus", node.cpus.description)
          out.field("memory_mib", node.memory)
        }
      }
    }
  }

  mutating func field(_ key: StaticString, _ topology: Topology) {
    self.key(key)
    object { out in
      out.field("datacenter", topology.datacenter)
      out.field("zone", topology.zone)
      out.field("rack", topology.rack)
    }
  }

  mutating func field(_ key: StaticString, _ prices: Prices) {
    self.key(key)
    object { out in
      out.rates("peak", prices.peak)
      out.rates("off_peak", prices.offPeak)
      out.field("peak_from", prices.peakFrom)
      out.field("peak_until", prices.peakUntil)
    }
  }

  private mutating func rates(_ key: StaticString, _ rates: Rates) {
    self.key(key)
    object { out in
      out.field("vcpu_micros", rates.cpu)
      out.field("memory_gib_micros", rates.memory)
      out.field("disk_gib_micros", rates.disk)
      out.field("bandwidth_gbps_micros", rates.bandwidth)
    }
  }
}
