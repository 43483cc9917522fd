/// The binary form of the fleet's rows, version 1: behind the tag byte the key (`FleetKey.encoded`), then the rest.
/// Signed numbers are never negative here, so all are plain variable-length integers.
extension ByteWriter {
  mutating func fleet(_ row: FleetRow) {
    switch row {
    case .node(let node): self.node(node)
    case .vm(let vm): self.vm(vm)
    case .quota(let quota): self.quota(quota)
    case .capacity(let capacity): self.capacity(capacity)
    }
  }

  mutating func number(_ value: some BinaryInteger) { varint(UInt64(value)) }

  mutating func list<Item>(_ items: [Item], _ write: (inout ByteWriter, Item) -> Void) {
    count(items.count)
    for item in items { write(&self, item) }
  }

  mutating func resources(_ value: Resources) {
    number(value.cpu)
    number(value.memory)
    number(value.disk)
    number(value.bandwidth)
  }

  mutating func custom(_ items: [CustomAmount]) {
    list(items) { out, item in
      out.text(item.name.text)
      out.number(item.amount)
    }
  }

  mutating func cpus(_ set: CPUSet) { list(set.words) { $0.varint($1) } }

  private mutating func rates(_ rates: Rates) {
    number(rates.cpu)
    number(rates.memory)
    number(rates.disk)
    number(rates.bandwidth)
  }

  private mutating func node(_ node: Node) {
    text(node.name.text)
    resources(node.physical)
    custom(node.custom)
    list(node.devices) { out, device in
      out.text(device.id.text)
      out.text(device.model.text)
      out.byte(device.numa)
    }
    list(node.numa) { out, part in
      out.cpus(part.cpus)
      out.number(part.memory)
    }
    optionalText(node.topology.datacenter)
    optionalText(node.topology.zone)
    optionalText(node.topology.rack)
    list(node.backends) { $0.text($1.text) }
    rates(node.prices.peak)
    rates(node.prices.offPeak)
    byte(node.prices.peakFrom)
    byte(node.prices.peakUntil)
    byte(node.isSpot ? 1 : 0)
    byte(node.profile.rawValue)
    byte(node.state.rawValue)
    labels(node.labels)
    varint(node.epoch)
    time(node.createdAt)
    varint(node.revision)
    byte(node.reclaimAt == nil ? 0 : 1)
    if let reclaimAt = node.reclaimAt { time(reclaimAt) }
  }

  private mutating func quota(_ quota: Quota) {
    text(quota.tenant.text)
    list(quota.limits) { out, limit in
      out.byte(limit == nil ? 0 : 1)
      if let limit { out.varint(limit) }
    }
    number(quota.burstPercent)
    number(quota.burstSeconds)
    byte(quota.burstSince == nil ? 0 : 1)
    if let since = quota.burstSince { time(since) }
    varint(quota.revision)
    list(quota.alertPercents) { $0.number($1) }
    number(quota.alerted)
  }

  private mutating func capacity(_ row: CapacityReservation) {
    text(row.name.text)
    text(row.tenant.text)
    text(row.node.text)
    resources(row.asked)
    resources(row.left)
    number(row.priority)
    byte(row.expiresAt == nil ? 0 : 1)
    if let expiresAt = row.expiresAt { time(expiresAt) }
    text(row.reason)
    time(row.createdAt)
    varint(row.revision)
  }
}

extension ByteReader {
  mutating func fleet(_ kind: FleetKind) throws(CodingFault) -> FleetRow {
    switch kind {
    case .node: .node(try node())
    case .vm: .vm(try vm())
    case .quota: .quota(try quota())
    case .capacity: .capacity(try capacity())
    }
  }

  mutating func amount() throws(CodingFault) -> Int32 {
    let value: Int32 = try small()
    return value
  }

  mutating func resources() throws(CodingFault) -> Resources {
    Resources(cpu: try amount(), memory: try amount(), disk: try amount(), bandwidth: try amount())
  }

  mutating func custom() throws(CodingFault) -> [CustomAmount] {
    try list { (reader) throws(CodingFault) in CustomAmount(try reader.name(), try reader.small()) }
  }

  mutating func cpus() throws(CodingFault) -> CPUSet {
    let words = try list { (reader) throws(CodingFault) in try reader.varint() }
    guard words.count <= Limits.cpus / 64, words.last != 0 else { throw .invalid("processors") }
    return CPUSet(words: words)
  }

  /// A case of a numbered kind.
  mutating func kind<Kind: RawRepresentable>() throws(CodingFault) -> Kind where Kind.RawValue == UInt8 {
    let value = try byte()
    guard let kind = Kind(rawValue: value) else { throw .invalid("\(Kind.self) \(value)") }
    return kind
  }

  private mutating func rates() throws(CodingFault) -> Rates {
    Rates(cpu: try small(), memory: try small(), disk: try small(), bandwidth: try small())
  }

  private mutating func node() throws(CodingFault) -> Node {
    let name: NodeName = try name()
    let physical = try resources()
    let custom = try custom()
    let devices = try list { (reader) throws(CodingFault) in
      Device(id: try reader.name(), model: try reader.name(), numa: try reader.byte())
    }
    let numa = try list { (reader) throws(CodingFault) in
      NUMANode(cpus: try reader.cpus(), memory: try reader.amount())
    }
    let topology = Topology(datacenter: try optionalText(), zone: try optionalText(), rack: try optionalText())
    let backends = try list { (reader) throws(CodingFault) -> BackendName in try reader.name() }
    let prices = Prices(peak: try rates(), offPeak: try rates(), peakFrom: try byte(), peakUntil: try byte())
    let isSpot = try flag()
    let profile: OvercommitProfile = try kind()
    let state: NodeState = try kind()
    var node = Node(
      name: name, physical: physical, custom: custom, devices: devices, numa: numa, topology: topology,
      backends: backends, prices: prices, isSpot: isSpot, profile: profile, labels: try labels(), state: state,
      epoch: try varint(), createdAt: try time(), revision: try varint())
    node.reclaimAt = try flag() ? try time() : nil
    return node
  }

  private mutating func quota() throws(CodingFault) -> Quota {
    let tenant: TenantName = try name()
    let limits = try list { (reader) throws(CodingFault) in try reader.flag() ? try reader.varint() : nil }
    guard limits.count == Quota.Item.allCases.count else { throw .invalid("quota of \(limits.count) items") }
    var quota = Quota(tenant: tenant, burstPercent: try small(), burstSeconds: try small())
    quota.limits = limits
    quota.burstSince = try flag() ? try time() : nil
    quota.revision = try varint()
    quota.alertPercents = try list { (reader) throws(CodingFault) in try reader.small() }
    quota.alerted = try small()
    return quota
  }

  private mutating func capacity() throws(CodingFault) -> CapacityReservation {
    let name: CapacityName = try name()
    let tenant: TenantName = try self.name()
    let node: NodeName = try self.name()
    let asked = try resources()
    let left = try resources()
    let priority: UInt16 = try small()
    let expiresAt = try flag() ? try time() : nil
    return CapacityReservation(
      name: name, tenant: tenant, node: node, asked: asked, left: left, priority: priority, expiresAt: expiresAt,
      reason: try text(), createdAt: try time(), revision: try varint())
  }
}
