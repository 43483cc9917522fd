internal import Addressing
package import Domain
package import Wire

/// The answer to an agent's report.
package struct ReportAnswer: Hashable, Sendable {
  /// The node's epoch.
  package var epoch: UInt64
  /// How long, counted from the moment when the report was sent, the node may go on without another answer.
  package var leaseMilliseconds: Int
  /// How often to report.
  package var heartbeatMilliseconds: Int
  /// As of which entry; the next report's `seen_revision` when there is a list.
  package var revision: Revision
  /// All that the node is to have; nil = nothing of it has changed since `seen_revision`.
  package var desired: [DesiredVM]?

  /// Makes an answer.
  package init(
    epoch: UInt64, leaseMilliseconds: Int, heartbeatMilliseconds: Int, revision: Revision, desired: [DesiredVM]?
  ) {
    (self.epoch, self.leaseMilliseconds, self.heartbeatMilliseconds) = (epoch, leaseMilliseconds, heartbeatMilliseconds)
    (self.revision, self.desired) = (revision, desired)
  }
}

/// What a node is to do with one VM; a VM that it has and that is not in its list is to be taken down.
package struct DesiredVM: Hashable, Sendable {
  /// What to do.
  package enum Action: String, Hashable, Sendable, CaseIterable {
    /// It is to run.
    case run
    /// It runs on until the node that it goes to has taken it over; it is not started.
    case keep
    /// Another node has it; what it needs is to be at hand here, and it is not started.
    case prepare
    /// It is to go down, within its grace period, and be cleared away.
    case stop
  }

  /// Which.
  package var id: VMID
  /// Which placement.
  package var epoch: UInt64
  /// Whose it is, and its name.
  package var key: VMKey
  /// What to do.
  package var action: Action
  /// How long it has to go down by itself.
  package var graceSeconds: UInt32
  /// What it takes.
  package var resources: Resources
  /// The image it boots.
  package var image: String
  /// The kernel, where the image has none.
  package var kernel: String
  /// What must run it; nil = whatever the node has.
  package var backend: BackendName?
  /// What is its own on the node.
  package var seat: Seat
  /// Whether it may be started elsewhere when the node's lease has ended.
  package var failover: FailoverPolicy
  /// Whether it comes from another node while it runs there.
  package var isIncoming: Bool
  /// Its interfaces with their addresses.
  package var interfaces: [GuestInterface]

  /// What a VM is to do on a node that has it.
  package init(_ vm: VM, action: Action, isIncoming: Bool, interfaces: [GuestInterface]) {
    (id, epoch, key, self.action) = (vm.id, vm.epoch, vm.key, action)
    (graceSeconds, resources, image, kernel) = (
      vm.spec.graceSeconds, vm.spec.resources, vm.spec.image, vm.spec.kernel
    )
    (backend, seat, failover) = (vm.spec.backend, vm.seat, vm.isLeased ? .restart : .never)
    (self.isIncoming, self.interfaces) = (isIncoming, interfaces)
  }
}

extension JSONWriter {
  /// Writes the answer to a report.
  package mutating func answer(_ answer: ReportAnswer) {
    object { out in
      out.field("epoch", answer.epoch)
      out.field("lease_ms", answer.leaseMilliseconds)
      out.field("heartbeat_ms", answer.heartbeatMilliseconds)
      out.field("revision", answer.revision)
      out.key("desired")
      guard let desired = answer.desired else { return out.null() }
      out.array { out in for vm in desired { out.desired(vm) } }
    }
  }

  private mutating func desired(_ vm: DesiredVM) {
    object { out in
      out.field("id", vm.id.raw)
      out.field("epoch", vm.epoch)
      out.field("tenant", vm.key.tenant)
      out.field("name", vm.key.name)
      out.field("action", vm.action.rawValue)
      out.field("grace_seconds", vm.graceSeconds)
      out.amounts(vm.resources)
      out.field("image", vm.image.isEmpty ? nil : vm.image)
      out.field("kernel", vm.kernel.isEmpty ? nil : vm.kernel)
      out.field("backend", vm.backend)
      out.field("seat", vm.seat)
      out.field("failover", vm.failover.name)
      if vm.isIncoming { out.field("incoming", true) }
      out.field("interfaces", vm.interfaces)
    }
  }

  /// Writes interfaces as their guest has them.
  package mutating func field(_ key: StaticString, _ interfaces: [GuestInterface]) {
    self.key(key)
    array { out in for item in interfaces { out.interface(item) } }
  }

  private mutating func interface(_ item: GuestInterface) {
    object { out in
      out.field("name", item.name)
      out.field("mac", item.mac.description)
      out.key("addresses")
      out.array { out in
        for address in item.addresses {
          out.object { out in
            out.field("ip", address: address.ip)
            out.field("prefix_length", address.prefixLength)
            out.field("gateway", address: address.gateway)
            out.field("dns", address.dns.map(\.description))
            out.field("vlan", address.vlan)
            out.field("mtu", address.mtu)
            out.field("pool", address.pool)
          }
        }
      }
    }
  }
}

extension ReportAnswer {
  /// Reads an answer.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body, limits: .generous)
    var read = ReportAnswer(epoch: 0, leaseMilliseconds: 0, heartbeatMilliseconds: 0, revision: 0, desired: nil)
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "epoch": read.epoch = try reader.integer()
      case "lease_ms": read.leaseMilliseconds = try reader.integer()
      case "heartbeat_ms": read.heartbeatMilliseconds = try reader.integer()
      case "revision": read.revision = try reader.integer()
      case "desired":
        read.desired =
          try reader.null() ? nil : try reader.list { (reader) throws(JSONFault) in try DesiredVM(decoding: &reader) }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    self = read
  }
}

extension DesiredVM {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var read = DesiredVM(
      VM(key: VMKey(name: VMName(trusted: "-")), id: VMID(raw: 0), spec: VMSpec(.none)), action: .run,
      isIncoming: false, interfaces: [])
    var (tenant, name): (TenantName, VMName?) = (.standard, nil)
    try reader.object { (key, reader) throws(JSONFault) in
      if try read.resources.read(key, &reader) { return }
      switch key {
      case "id": read.id = VMID(raw: try reader.integer())
      case "epoch": read.epoch = try reader.integer()
      case "tenant": tenant = try reader.name()
      case "name": name = try reader.name()
      case "action": read.action = try reader.word { (action: Action) in action.rawValue }
      case "grace_seconds": read.graceSeconds = try reader.integer()
      case "image": read.image = try reader.lineOrNull(Limits.imageBytes)
      case "kernel": read.kernel = try reader.lineOrNull(Limits.imageBytes)
      case "backend": read.backend = try reader.nameOrNull()
      case "seat": read.seat = try reader.seat()
      case "failover": read.failover = try reader.word { (policy: FailoverPolicy) in policy.name }
      case "incoming": read.isIncoming = try reader.bool()
      case "interfaces":
        read.interfaces = try reader.list { (reader) throws(JSONFault) in try GuestInterface(decoding: &reader) }
      default: throw reader.unknownField(key)
      }
    }
    guard let name else { throw reader.missing("name") }
    read.key = VMKey(tenant: tenant, name: name)
    self = read
  }
}

extension GuestInterface {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var (name, mac): (InterfaceName, MACAddress?) = (.standard, nil)
    var addresses: [GuestAddress] = []
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "name": name = try reader.storedName()
      case "mac": mac = try reader.macOrNull()
      case "addresses":
        addresses = try reader.list { (reader) throws(JSONFault) in try GuestAddress(decoding: &reader) }
      default: throw reader.unknownField(key)
      }
    }
    guard let mac else { throw reader.missing("mac") }
    self.init(name: name, mac: mac, addresses: addresses)
  }
}

extension GuestAddress {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var (ip, gateway): (IPAddress?, IPAddress?) = (nil, nil)
    var length = 0
    var dns: [IPAddress] = []
    var (vlan, mtu): (UInt16?, UInt16?) = (nil, nil)
    var pool: PoolName?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "ip": ip = try reader.address()
      case "prefix_length": length = try reader.integer()
      case "gateway": gateway = try reader.addressOrNull()
      case "dns": dns = try reader.list { (reader) throws(JSONFault) in try reader.address() }
      case "vlan": vlan = try reader.null() ? nil : try reader.integer()
      case "mtu": mtu = try reader.null() ? nil : try reader.integer()
      case "pool": pool = try reader.name()
      default: throw reader.unknownField(key)
      }
    }
    guard let ip else { throw reader.missing("ip") }
    guard let pool else { throw reader.missing("pool") }
    guard (0...ip.family.bitCount).contains(length) else { throw reader.invalid("no length of a prefix") }
    self.init(ip, prefixLength: length, pool: pool)
    (self.gateway, self.dns, self.vlan, self.mtu) = (gateway, dns, vlan, mtu)
  }
}
