package import Addressing
package import Domain
package import Wire

/// A VM as the API shows it.
package struct VMView: Hashable, Sendable {
  /// The VM.
  package let vm: VM
  /// Its addresses; nil in events, which have them as rows of their own.
  package var addresses: [VMAddress]?
  /// What an hour of it costs now, where it is; `.some(nil)` without a node, nil in answers to writes and in events.
  package var hourlyPrice: Money??
  /// What it used when it was last measured; `.some(nil)` = nobody has said so, nil where that was not asked for.
  package var usage: Resources??

  /// Joins what is shown.
  package init(_ vm: VM, addresses: [VMAddress]? = nil, hourlyPrice: Money?? = nil) {
    (self.vm, self.addresses, self.hourlyPrice) = (vm, addresses, hourlyPrice)
  }

  /// A VM with what it was given.
  package init(_ placed: PlacedVM, hourlyPrice: Money?? = nil) {
    let vm = placed.vm
    self.init(vm, addresses: placed.grants.map { VMAddress($0, of: vm) }, hourlyPrice: hourlyPrice)
  }
}

/// An address of a VM.
package struct VMAddress: Hashable, Sendable {
  /// Its interface.
  package let interface: InterfaceName
  /// The address.
  package let ip: IPAddress
  /// From which pool.
  package let pool: PoolName
  /// The pool's router.
  package let gateway: IPAddress?
  /// The pool's network.
  package let network: Prefix
  /// The interface's hardware address.
  package let mac: MACAddress

  /// Names all of it.
  package init(
    interface: InterfaceName, ip: IPAddress, pool: PoolName, gateway: IPAddress?, network: Prefix, mac: MACAddress
  ) {
    (self.interface, self.ip, self.pool) = (interface, ip, pool)
    (self.gateway, self.network, self.mac) = (gateway, network, mac)
  }

  /// What a VM was given.
  package init(_ grant: Grant, of vm: VM) {
    let row = grant.allocation
    self.init(
      interface: row.interface, ip: row.ip, pool: row.pool, gateway: grant.gateway, network: grant.network,
      mac: row.mac ?? vm.mac(of: row.interface))
  }
}

extension JSONWriter {
  /// Writes a VM.
  package mutating func vm(_ view: VMView) {
    let vm = view.vm
    object { out in
      out.field("id", vm.id.raw)
      out.field("name", vm.key.name)
      out.field("tenant", vm.key.tenant)
      out.field("state", vm.state.name)
      out.field("wanted", vm.isWanted)
      out.field("ending", vm.isEnding)
      out.field("node", vm.node)
      out.field("leaving", vm.leaving)
      out.field("hurried", vm.isHurried)
      out.field("epoch", vm.epoch)
      if let addresses = view.addresses { out.field("addresses", addresses) }
      if let price = view.hourlyPrice { out.field("hourly_price_micros", price) }
      if let usage = view.usage {
        if let usage { out.field("usage", usage) } else { out.fieldNull("usage") }
      }
      out.field("why", vm.why)
      out.spec(vm.spec)
      out.field("required_node", vm.spec.node)
      out.field("standby_node", vm.standby)
      out.field("standby_why", vm.standbyWhy.isEmpty ? nil : vm.standbyWhy)
      out.field("seat", vm.seat)
      out.field("preemptions", vm.preemptions)
      out.field("created_at", time: vm.createdAt)
      out.field("revision", vm.revision)
    }
  }

  /// Writes `{"vms":[...]}`.
  package mutating func vms(_ views: [VMView]) {
    object { out in
      out.key("vms")
      out.array { out in for view in views { out.vm(view) } }
    }
  }

  mutating func field(_ key: StaticString, _ seat: Seat) {
    self.key(key)
    object { out in
      out.field("cpus", seat.cpus.isEmpty ? nil : seat.cpus.description)
      out.field("numa", seat.numa)
      out.field("devices", seat.devices.map(\.text))
    }
  }

  private mutating func field(_ key: StaticString, _ addresses: [VMAddress]) {
    self.key(key)
    array { out in
      for item in addresses {
        out.object { out in
          out.field("interface", item.interface)
          out.field("ip", address: item.ip)
          out.field("pool", item.pool)
          out.field("gateway", address: item.gateway)
          out.field("network", prefix: item.network)
          out.field("mac", item.mac.description)
        }
      }
    }
  }
}

extension JSONReader {
  /// Reads a VM from an answer.
  package mutating func vmView() throws(JSONFault) -> VMView {
    var fields = SpecFields(isStored: true)
    var read = VMFields()
    try object { (key, reader) throws(JSONFault) in
      if try read.read(key, &reader) { return }
      if "required_node" ~= key { return fields.spec.node = try reader.nameOrNull() }
      if try !fields.read(key, &reader) { throw reader.unknownField(key) }
    }
    guard let name = read.name else { throw missing("name") }
    let vm = VM(
      key: VMKey(tenant: read.tenant, name: name), id: VMID(raw: read.id),
      spec: try fields.whole(self, interfaces: []), state: read.state, isWanted: read.isWanted,
      isEnding: read.isEnding, node: read.node, leaving: read.leaving, isHurried: read.isHurried, standby: read.standby,
      standbyWhy: read.standbyWhy, seat: read.seat, epoch: read.epoch,
      preemptions: read.preemptions, why: read.why, createdAt: read.createdAt, revision: read.revision)
    var view = VMView(vm, addresses: read.addresses, hourlyPrice: read.hourlyPrice)
    view.usage = read.usage
    return view
  }

  /// Reads `{"vms":[...]}`.
  package mutating func vmViews() throws(JSONFault) -> [VMView] {
    var views: [VMView] = []
    try object { (key, reader) throws(JSONFault) in
      guard "vms" ~= key else { throw reader.unknownField(key) }
      views = try reader.list { (reader) throws(JSONFault) in try reader.vmView() }
    }
    return views
  }

  mutating func seat() throws(JSONFault) -> Seat {
    var seat = Seat()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "cpus": seat.cpus = try reader.null() ? .none : try reader.cpus()
      case "numa": seat.numa = try reader.wholeOrNull(0...UInt8.max)
      case "devices": seat.devices = try reader.list { (reader) throws(JSONFault) in try reader.name() }
      default: throw reader.unknownField(key)
      }
    }
    return seat
  }
}

private struct VMFields {
  var id: UInt64 = 0
  var name: VMName?
  var tenant = TenantName.standard
  var state = VMState.pending
  var isWanted = true
  var isEnding = false
  var node: NodeName?
  var leaving: NodeName?
  var isHurried = false
  var standby: NodeName?
  var standbyWhy = ""
  var epoch: UInt64 = 0
  var addresses: [VMAddress]?
  var hourlyPrice: Money??
  var usage: Resources??
  var why = ""
  var seat = Seat.plain
  var preemptions: UInt16 = 0
  var createdAt: LogTime = 0
  var revision: Revision = 0

  mutating func read(_ key: JSONKey, _ reader: inout JSONReader) throws(JSONFault) -> Bool {
    switch key {
    case "id": id = try reader.integer()
    case "name": name = try reader.name()
    case "tenant": tenant = try reader.name()
    case "state": state = try reader.word { (state: VMState) in state.name }
    case "wanted": isWanted = try reader.bool()
    case "ending": isEnding = try reader.bool()
    case "node": node = try reader.nameOrNull()
    case "leaving": leaving = try reader.nameOrNull()
    case "hurried": isHurried = try reader.bool()
    case "standby_node": standby = try reader.nameOrNull()
    case "standby_why": standbyWhy = try reader.null() ? "" : try reader.string()
    case "epoch": epoch = try reader.integer()
    case "addresses":
      addresses = try reader.list { (reader) throws(JSONFault) in try VMAddress(decoding: &reader) }
    case "hourly_price_micros": hourlyPrice = .some(try reader.moneyOrNull())
    case "usage": usage = .some(try reader.null() ? nil : try reader.amounts())
    case "why": why = try reader.string()
    case "seat": seat = try reader.seat()
    case "preemptions": preemptions = try reader.integer()
    case "created_at": createdAt = try reader.time()
    case "revision": revision = try reader.integer()
    default: return false
    }
    return true
  }
}

extension VMAddress {
  fileprivate init(decoding reader: inout JSONReader) throws(JSONFault) {
    var (interface, pool): (InterfaceName, PoolName?) = (.standard, nil)
    var (ip, gateway, network): (IPAddress?, IPAddress?, Prefix?) = (nil, nil, nil)
    var mac: MACAddress?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "interface": interface = try reader.storedName()
      case "ip": ip = try reader.address()
      case "pool": pool = try reader.name()
      case "gateway": gateway = try reader.addressOrNull()
      case "network": network = try reader.prefix()
      case "mac": mac = try reader.macOrNull()
      default: throw reader.unknownField(key)
      }
    }
    guard let ip else { throw reader.missing("ip") }
    guard let pool else { throw reader.missing("pool") }
    guard let network else { throw reader.missing("network") }
    guard let mac else { throw reader.missing("mac") }
    self.init(interface: interface, ip: ip, pool: pool, gateway: gateway, network: network, mac: mac)
  }
}
