import Addressing

/// Which of a VM's fields differ from the usual and so are stored.
private struct VMFlags: OptionSet {
  let rawValue: UInt32
  static let custom = Self(rawValue: 1 << 0)
  static let devices = Self(rawValue: 1 << 1)
  static let image = Self(rawValue: 1 << 2)
  static let backend = Self(rawValue: 1 << 3)
  static let interfaces = Self(rawValue: 1 << 4)
  static let groups = Self(rawValue: 1 << 5)
  static let affinity = Self(rawValue: 1 << 6)
  static let maxDisrupted = Self(rawValue: 1 << 7)
  static let locality = Self(rawValue: 1 << 8)
  static let budget = Self(rawValue: 1 << 9)
  static let nodeLabels = Self(rawValue: 1 << 10)
  static let onlyNode = Self(rawValue: 1 << 11)
  static let labels = Self(rawValue: 1 << 12)
  static let isPreemptible = Self(rawValue: 1 << 13)
  static let isPinned = Self(rawValue: 1 << 14)
  static let isSingleNUMA = Self(rawValue: 1 << 15)
  static let isForced = Self(rawValue: 1 << 16)
  static let isUnwanted = Self(rawValue: 1 << 17)
  static let node = Self(rawValue: 1 << 18)
  static let leaving = Self(rawValue: 1 << 19)
  static let seat = Self(rawValue: 1 << 20)
  static let preempted = Self(rawValue: 1 << 21)
  static let kernel = Self(rawValue: 1 << 22)
  static let isEnding = Self(rawValue: 1 << 23)
  static let isHurried = Self(rawValue: 1 << 24)
  static let isLeased = Self(rawValue: 1 << 25)
  static let hasStandby = Self(rawValue: 1 << 26)
  static let standby = Self(rawValue: 1 << 27)
  static let standbyWhy = Self(rawValue: 1 << 28)
  static let known: UInt32 = (1 << 29) - 1

  init(rawValue: UInt32) { self.rawValue = rawValue }

  init(of vm: VM) {
    let spec = vm.spec
    let present: [(Bool, VMFlags)] = [
      (!spec.custom.isEmpty, .custom), (!spec.devices.isEmpty, .devices), (!spec.image.isEmpty, .image),
      (spec.backend != nil, .backend), (!spec.interfaces.isEmpty, .interfaces), (!spec.groups.isEmpty, .groups),
      (!spec.affinity.isEmpty, .affinity), (spec.maxDisrupted != nil, .maxDisrupted),
      (spec.locality != .anywhere, .locality), (spec.budget != nil, .budget), (spec.nodeLabels != .none, .nodeLabels),
      (spec.node != nil, .onlyNode), (spec.labels != .none, .labels), (spec.isPreemptible, .isPreemptible),
      (spec.isPinned, .isPinned), (spec.isSingleNUMA, .isSingleNUMA), (spec.isForced, .isForced),
      (!vm.isWanted, .isUnwanted), (vm.node != nil, .node), (vm.leaving != nil, .leaving), (vm.seat != .plain, .seat),
      (vm.preemptions != 0 || vm.preemptedAt != 0, .preempted), (!spec.kernel.isEmpty, .kernel),
      (vm.isEnding, .isEnding), (vm.isHurried, .isHurried), (vm.isLeased, .isLeased),
      (spec.hasStandby, .hasStandby), (vm.standby != nil, .standby), (!vm.standbyWhy.isEmpty, .standbyWhy)
    ]
    self = []
    for (isPresent, flag) in present where isPresent { insert(flag) }
  }
}

extension ByteWriter {
  mutating func vm(_ vm: VM) {
    text(vm.key.tenant.text)
    text(vm.key.name.text)
    let flags = VMFlags(of: vm)
    number(flags.rawValue)
    varint(vm.id.raw)
    spec(vm.spec, flags)
    byte(vm.state.rawValue)
    if let node = vm.node { text(node.text) }
    if let leaving = vm.leaving { text(leaving.text) }
    if flags.contains(.seat) { seat(vm.seat) }
    varint(vm.epoch)
    if flags.contains(.preempted) {
      number(vm.preemptions)
      time(vm.preemptedAt)
    }
    text(vm.why)
    time(vm.createdAt)
    varint(vm.revision)
    if let standby = vm.standby { text(standby.text) }
    if flags.contains(.standbyWhy) { text(vm.standbyWhy) }
  }

  private mutating func seat(_ seat: Seat) {
    cpus(seat.cpus)
    number(seat.numa.map { UInt16($0) + 1 } ?? 0)
    list(seat.devices) { $0.text($1.text) }
  }

  private mutating func spec(_ spec: VMSpec, _ flags: VMFlags) {
    resources(spec.resources)
    number(spec.priority)
    number(spec.graceSeconds)
    byte(spec.spot.rawValue)
    byte(spec.strategy.rawValue)
    byte(spec.preemption.rawValue)
    byte(spec.failover.rawValue)
    if flags.contains(.custom) { custom(spec.custom) }
    if flags.contains(.devices) {
      list(spec.devices) { out, item in
        out.text(item.model.text)
        out.byte(item.count)
      }
    }
    if flags.contains(.image) { text(spec.image) }
    if flags.contains(.kernel) { text(spec.kernel) }
    if let backend = spec.backend { text(backend.text) }
    if flags.contains(.interfaces) { list(spec.interfaces) { $0.interface($1) } }
    if flags.contains(.groups) { list(spec.groups) { $0.text($1.text) } }
    if flags.contains(.affinity) { list(spec.affinity) { $0.affinity($1) } }
    if let most = spec.maxDisrupted { number(most) }
    if flags.contains(.locality) { locality(spec.locality) }
    if let budget = spec.budget { number(budget) }
    if flags.contains(.nodeLabels) { labels(spec.nodeLabels) }
    if let node = spec.node { text(node.text) }
    if flags.contains(.labels) { labels(spec.labels) }
  }

  private mutating func interface(_ item: VMInterface) {
    text(item.name.text)
    switch item.source {
    case .pool(let pool):
      byte(0)
      text(pool.text)
    case .choose(let families, let wanted):
      byte(1)
      list(families) { $0.byte($1.rawValue) }
      labels(wanted)
    }
    byte((item.address == nil ? 0 : 1) | (item.mac == nil ? 0 : 2))
    if let ip = item.address { address(ip) }
    if let mac = item.mac { bigEndian(UInt128(mac.bits), count: 6) }
  }

  private mutating func affinity(_ rule: AffinityRule) {
    byte(rule.isAnti ? 1 : 0)
    text(rule.group.text)
    byte(rule.scope.rawValue)
    number(rule.weight ?? 0)
    number(rule.most)
  }

  private mutating func locality(_ value: Locality) {
    optionalText(value.datacenter)
    optionalText(value.zone)
    byte(value.isEnforced ? 1 : 0)
    list(value.excluded) { $0.text($1) }
    number(value.maxLatency.map { UInt64($0) + 1 } ?? 0)
    optionalText(value.latencyFrom)
    byte(value.spreading == nil ? 0 : 1)
    if let spreading = value.spreading {
      text(spreading.group.text)
      byte(spreading.scope.rawValue)
      number(spreading.least)
    }
  }
}

extension ByteReader {
  mutating func vm() throws(CodingFault) -> VM {
    let key = VMKey(tenant: try name(), name: try name())
    let raw: UInt32 = try small()
    guard raw & ~VMFlags.known == 0 else { throw .invalid("VM flags") }
    let flags = VMFlags(rawValue: raw)
    let id = VMID(raw: try varint())
    let spec = try spec(flags)
    let state: VMState = try kind()
    let node: NodeName? = flags.contains(.node) ? try name() : nil
    let leaving: NodeName? = flags.contains(.leaving) ? try name() : nil
    let seat = flags.contains(.seat) ? try seat() : .plain
    let epoch = try varint()
    let preemptions: UInt16 = flags.contains(.preempted) ? try small() : 0
    let preemptedAt = flags.contains(.preempted) ? try time() : 0
    let (why, createdAt, revision) = (try text(), try time(), try varint())
    let standby: NodeName? = flags.contains(.standby) ? try name() : nil
    let vm = VM(
      key: key, id: id, spec: spec, state: state, isWanted: !flags.contains(.isUnwanted),
      isEnding: flags.contains(.isEnding), node: node, leaving: leaving, isHurried: flags.contains(.isHurried),
      isLeased: flags.contains(.isLeased), standby: standby,
      standbyWhy: flags.contains(.standbyWhy) ? try text() : "", seat: seat, epoch: epoch, preemptions: preemptions,
      preemptedAt: preemptedAt, why: why, createdAt: createdAt, revision: revision)
    // One row, one form: the state hash is of the bytes.
    guard VMFlags(of: vm) == flags else { throw .invalid("a usual value is spelled out") }
    return vm
  }

  private mutating func seat() throws(CodingFault) -> Seat {
    var seat = Seat()
    seat.cpus = try cpus()
    let numa: UInt16 = try small()
    guard numa <= 256 else { throw .invalid("NUMA node") }
    if numa > 0 { seat.numa = UInt8(numa - 1) }
    seat.devices = try list { (reader) throws(CodingFault) in try reader.name() }
    return seat
  }

  private mutating func spec(_ flags: VMFlags) throws(CodingFault) -> VMSpec {
    var spec = VMSpec(try resources())
    spec.priority = try small()
    spec.graceSeconds = try small()
    spec.spot = try kind()
    spec.strategy = try kind()
    spec.preemption = try kind()
    spec.failover = try kind()
    if flags.contains(.custom) { spec.custom = try custom() }
    if flags.contains(.devices) {
      spec.devices = try list { (reader) throws(CodingFault) in DeviceRequest(try reader.name(), try reader.byte()) }
    }
    if flags.contains(.image) { spec.image = try text() }
    if flags.contains(.kernel) { spec.kernel = try text() }
    if flags.contains(.backend) { spec.backend = try name() }
    if flags.contains(.interfaces) {
      spec.interfaces = try list { (reader) throws(CodingFault) in try reader.interface() }
    }
    if flags.contains(.groups) { spec.groups = try list { (reader) throws(CodingFault) in try reader.name() } }
    if flags.contains(.affinity) { spec.affinity = try list { (reader) throws(CodingFault) in try reader.affinity() } }
    if flags.contains(.maxDisrupted) { spec.maxDisrupted = try small() }
    if flags.contains(.locality) { spec.locality = try locality() }
    if flags.contains(.budget) { spec.budget = try small() }
    if flags.contains(.nodeLabels) { spec.nodeLabels = try labels() }
    if flags.contains(.onlyNode) { spec.node = try name() }
    if flags.contains(.labels) { spec.labels = try labels() }
    spec.isPreemptible = flags.contains(.isPreemptible)
    spec.isPinned = flags.contains(.isPinned)
    spec.isSingleNUMA = flags.contains(.isSingleNUMA)
    spec.isForced = flags.contains(.isForced)
    spec.hasStandby = flags.contains(.hasStandby)
    return spec
  }

  private mutating func interface() throws(CodingFault) -> VMInterface {
    let name: InterfaceName = try name()
    let source: VMInterface.Source
    if try flag() {
      let families = try list { (reader) throws(CodingFault) -> AddressFamily in try reader.kind() }
      source = .choose(families, try labels())
    } else {
      source = .pool(try self.name())
    }
    let present = try byte()
    guard present < 4 else { throw .invalid("interface flags") }
    let address = present & 1 == 0 ? nil : try address()
    let mac = present & 2 == 0 ? nil : MACAddress(bits: UInt64(try bigEndian(count: 6)))
    return VMInterface(name: name, source: source, address: address, mac: mac)
  }

  private mutating func affinity() throws(CodingFault) -> AffinityRule {
    let isAnti = try flag()
    let group: GroupName = try name()
    let scope: PlaceScope = try kind()
    let weight: UInt16 = try small()
    return AffinityRule(
      isAnti: isAnti, group: group, scope: scope, weight: weight == 0 ? nil : weight, most: try small())
  }

  private mutating func locality() throws(CodingFault) -> Locality {
    var value = Locality()
    value.datacenter = try optionalText()
    value.zone = try optionalText()
    value.isEnforced = try flag()
    value.excluded = try list { (reader) throws(CodingFault) in try reader.text() }
    let latency = try varint()
    guard latency <= UInt64(UInt32.max) + 1 else { throw .invalid("latency") }
    if latency > 0 { value.maxLatency = UInt32(latency - 1) }
    value.latencyFrom = try optionalText()
    if try flag() {
      value.spreading = Spreading(group: try name(), scope: try kind(), least: try small())
    }
    return value
  }
}
