import Addressing

/// The binary form of rows, version 1: a tag byte (version in the high half, kind in the low), then the key, then the
/// rest. What is usual costs nothing: an allocation of 16-byte owner, default tenant and interface is about 45 bytes.
extension Row {
  private enum Kind: UInt8 { case pool = 1, reservation, allocation, released, cursor, answered, token }

  private static let version: UInt8 = 1

  /// The binary form; equal rows have equal bytes.
  package var encoded: [UInt8] {
    var out = ByteWriter(capacity: usualBytes)
    out.byte(Row.version << 4 | kindNumber)
    switch self {
    case .pool(let pool): out.pool(pool)
    case .reservation(let reservation): out.reservation(reservation)
    case .allocation(let allocation): out.allocation(allocation)
    case .released(let released): out.released(released)
    case .cursor(let pool, let address):
      out.text(pool.text)
      out.address(address)
    case .answered(let key, let revision, let time):
      out.bigEndian(key.key, count: 16)
      out.bigEndian(key.request, count: 16)
      out.varint(revision)
      out.time(time)
    case .token(let token): out.token(token)
    case .fleet(let row): out.fleet(row)
    }
    return out.bytes
  }

  /// Most rows of the kind fit: what does not is copied when it has outgrown its place.
  private var usualBytes: Int { if case .fleet = self { 512 } else { 80 } }

  private var kindNumber: UInt8 {
    if case .fleet(let row) = self { return row.key.kind }
    return kind.rawValue
  }

  private var kind: Kind {
    switch self {
    case .fleet: preconditionFailure("the fleet's rows have their own numbers")
    case .pool: .pool
    case .reservation: .reservation
    case .allocation: .allocation
    case .released: .released
    case .cursor: .cursor
    case .answered: .answered
    case .token: .token
    }
  }

  /// Reads one row; what follows it stays in the reader.
  package init(decoding reader: inout ByteReader) throws(CodingFault) {
    let tag = try reader.byte()
    guard tag >> 4 == Row.version else { throw .unknownVersion(tag >> 4) }
    if let kind = FleetKind(rawValue: tag & 15) {
      self = .fleet(try reader.fleet(kind))
      return
    }
    guard let kind = Kind(rawValue: tag & 15) else { throw .unknownKind("kind of row") }
    switch kind {
    case .pool: self = .pool(try reader.pool())
    case .reservation: self = .reservation(try reader.reservation())
    case .allocation: self = .allocation(try reader.allocation())
    case .released: self = .released(try reader.released())
    case .cursor: self = .cursor(try reader.name(), try reader.address())
    case .answered:
      let key = IdempotencyKey(key: try reader.bigEndian(count: 16), request: try reader.bigEndian(count: 16))
      self = .answered(key, try reader.varint(), try reader.time())
    case .token: self = .token(try reader.token())
    }
  }

  /// Reads one row and nothing else.
  package init(decoding bytes: [UInt8]) throws(CodingFault) {
    guard bytes.count <= Limits.rowBytes else { throw .invalid("row of \(bytes.count) bytes") }
    var reader = ByteReader(bytes)
    try self.init(decoding: &reader)
    guard reader.isAtEnd else { throw .invalid("bytes after the row") }
  }
}

extension ByteWriter {
  mutating func time(_ value: LogTime) { varint(UInt64(bitPattern: value)) }

  mutating func address(_ address: IPAddress) {
    byte(address.family.rawValue)
    bigEndian(address.bits, count: address.family == .ipv4 ? 4 : 16)
  }

  mutating func prefix(_ prefix: Prefix) {
    address(prefix.first)
    byte(UInt8(prefix.length))
  }

  mutating func range(_ range: AddressRange) {
    address(range.first)
    bigEndian(range.last.bits, count: range.family == .ipv4 ? 4 : 16)
  }

  mutating func labels(_ labels: Labels) {
    count(labels.pairs.count)
    for pair in labels.pairs {
      text(pair.key)
      text(pair.value)
    }
  }

  mutating func extent(_ extent: Extent) {
    prefix(extent.cidr)
    byte(extent.gateway == nil ? 0 : 1)
    if let gateway = extent.gateway { address(gateway) }
    count(extent.ranges.count)
    for item in extent.ranges { range(item) }
  }

  mutating func optionalText(_ value: String?) {
    byte(value == nil ? 0 : 1)
    if let value { text(value) }
  }

  fileprivate mutating func pool(_ pool: Pool) {
    text(pool.name.text)
    extent(pool.extent)
    count(pool.past.count)
    for item in pool.past { extent(item) }
    count(pool.dns.count)
    for item in pool.dns { address(item) }
    varint(UInt64(pool.vlan ?? 0))
    varint(UInt64(pool.mtu ?? 0))
    text(pool.network.text)
    optionalText(pool.topology.datacenter)
    optionalText(pool.topology.zone)
    optionalText(pool.topology.rack)
    byte(pool.strategy.rawValue)
    varint(UInt64(pool.quarantineSeconds))
    varint(UInt64(pool.leaseSeconds))
    byte((pool.enabled ? 1 : 0) | (pool.nat ? 2 : 0))
    labels(pool.labels)
    time(pool.createdAt)
    varint(pool.revision)
  }

  fileprivate mutating func reservation(_ reservation: Reservation) {
    text(reservation.pool.text)
    range(reservation.range)
    text(reservation.reason)
    time(reservation.createdAt)
    varint(reservation.revision)
  }

  fileprivate mutating func allocation(_ row: Allocation) {
    text(row.pool.text)
    address(row.ip)
    let flags = AllocationFlags(of: row)
    varint(UInt64(flags.rawValue))
    text(row.owner.text)
    if flags.contains(.tenant) { text(row.tenant.text) }
    if flags.contains(.interface) { text(row.interface.text) }
    if flags.contains(.index) { varint(UInt64(row.index)) }
    if flags.contains(.childPrefix) { byte(UInt8(row.block.length)) }
    if let hostname = row.hostname { text(hostname.text) }
    if let mac = row.mac { bigEndian(UInt128(mac.bits), count: 6) }
    if let node = row.node { text(node.text) }
    if let manager = row.manager { byte(manager.rawValue) }
    if flags.contains(.labels) { labels(row.labels) }
    time(row.createdAt)
    if let expiresAt = row.expiresAt { time(expiresAt) }
    varint(row.generation)
    if flags.contains(.revision) { varint(row.revision) }
  }

  fileprivate mutating func released(_ row: Released) {
    text(row.pool.text)
    prefix(row.block)
    text(row.owner.text)
    varint(row.order)
    time(row.releasedAt)
    time(row.quarantineUntil ?? 0)
  }
}

/// Which of an allocation's fields differ from the usual and so are stored.
struct AllocationFlags: OptionSet {
  let rawValue: UInt16
  static let tenant = Self(rawValue: 1 << 0)
  static let interface = Self(rawValue: 1 << 1)
  static let index = Self(rawValue: 1 << 2)
  static let childPrefix = Self(rawValue: 1 << 3)
  static let hostname = Self(rawValue: 1 << 4)
  static let mac = Self(rawValue: 1 << 5)
  static let node = Self(rawValue: 1 << 6)
  static let manager = Self(rawValue: 1 << 7)
  static let labels = Self(rawValue: 1 << 8)
  static let expiry = Self(rawValue: 1 << 9)
  static let revision = Self(rawValue: 1 << 10)
  static let isStatic = Self(rawValue: 1 << 11)
  static let known: UInt16 = 1 << 12 - 1

  init(rawValue: UInt16) { self.rawValue = rawValue }

  init(of row: Allocation) {
    self = []
    if row.tenant != .standard { insert(.tenant) }
    if row.interface != .standard { insert(.interface) }
    if row.index != 0 { insert(.index) }
    if row.isChildPrefix { insert(.childPrefix) }
    if row.hostname != nil { insert(.hostname) }
    if row.mac != nil { insert(.mac) }
    if row.node != nil { insert(.node) }
    if row.manager != nil { insert(.manager) }
    if !row.labels.pairs.isEmpty { insert(.labels) }
    if row.expiresAt != nil { insert(.expiry) }
    if row.revision != row.generation { insert(.revision) }
    if row.isStatic { insert(.isStatic) }
  }
}

extension ByteReader {
  mutating func time() throws(CodingFault) -> LogTime {
    guard let time = LogTime(exactly: try varint()) else { throw .invalid("time before 1970") }
    return time
  }

  /// Names were checked when they came in; only what the row table relies on, a length in one byte, is looked at again.
  mutating func name<N: Name>() throws(CodingFault) -> N {
    let text = try text()
    guard let name = N(stored: text) else { throw .invalid("name of \(text.utf8.count) bytes") }
    return name
  }

  mutating func small<Value: FixedWidthInteger>() throws(CodingFault) -> Value {
    guard let value = Value(exactly: try varint()) else { throw .invalid("number too large") }
    return value
  }

  mutating func address() throws(CodingFault) -> IPAddress {
    guard let family = AddressFamily(rawValue: try byte()) else { throw .invalid("address family") }
    return IPAddress(family: family, bits: try bigEndian(count: family == .ipv4 ? 4 : 16))
  }

  mutating func prefix() throws(CodingFault) -> Prefix { try prefix(of: try address(), length: Int(try byte())) }

  fileprivate func prefix(of address: IPAddress, length: Int) throws(CodingFault) -> Prefix {
    do { return try Prefix(address, length: length) } catch { throw .invalid("prefix \(address)/\(length)") }
  }

  mutating func range() throws(CodingFault) -> AddressRange {
    let first = try address()
    let last = IPAddress(family: first.family, bits: try bigEndian(count: first.family == .ipv4 ? 4 : 16))
    guard first <= last else { throw .invalid("range reversed") }
    return AddressRange(first, last)
  }

  mutating func list<Item>(_ item: (inout ByteReader) throws(CodingFault) -> Item) throws(CodingFault) -> [Item] {
    var items: [Item] = []
    for _ in 0..<(try count()) { items.append(try item(&self)) }
    return items
  }

  mutating func labels() throws(CodingFault) -> Labels {
    Labels(
      trusted: try list { (reader) throws(CodingFault) in
        Labels.Label(key: try reader.text(), value: try reader.text())
      })
  }

  mutating func extent() throws(CodingFault) -> Extent {
    let cidr = try prefix()
    let gateway = try flag() ? try address() : nil
    let ranges = try list { (reader) throws(CodingFault) in try reader.range() }
    return Extent(cidr: cidr, gateway: gateway, ranges: ranges)
  }

  mutating func flag() throws(CodingFault) -> Bool {
    let value = try byte()
    guard value <= 1 else { throw .invalid("flag \(value)") }
    return value == 1
  }

  mutating func optionalText() throws(CodingFault) -> String? { try flag() ? try text() : nil }

  fileprivate mutating func pool() throws(CodingFault) -> Pool {
    let name: PoolName = try name()
    let extent = try extent()
    let past = try list { (reader) throws(CodingFault) in try reader.extent() }
    let dns = try list { (reader) throws(CodingFault) in try reader.address() }
    let vlan: UInt16 = try small()
    let mtu: UInt16 = try small()
    let network: NetworkName = try self.name()
    let topology = Topology(datacenter: try optionalText(), zone: try optionalText(), rack: try optionalText())
    guard let strategy = Strategy(rawValue: try byte()) else { throw .invalid("strategy") }
    let quarantine: UInt32 = try small()
    let lease: UInt32 = try small()
    let flags = try byte()
    guard flags < 4 else { throw .invalid("pool flags") }
    return Pool(
      name: name, extent: extent, past: past, dns: dns, vlan: vlan == 0 ? nil : vlan, mtu: mtu == 0 ? nil : mtu,
      network: network, topology: topology, strategy: strategy, quarantineSeconds: quarantine, leaseSeconds: lease,
      enabled: flags & 1 != 0, nat: flags & 2 != 0, labels: try labels(), createdAt: try time(), revision: try varint())
  }

  fileprivate mutating func reservation() throws(CodingFault) -> Reservation {
    Reservation(
      pool: try name(), range: try range(), reason: try text(), createdAt: try time(), revision: try varint())
  }

  fileprivate mutating func allocation() throws(CodingFault) -> Allocation {
    let pool: PoolName = try name()
    let ip = try address()
    let raw: UInt16 = try small()
    guard raw & ~AllocationFlags.known == 0 else { throw .invalid("allocation flags") }
    let flags = AllocationFlags(rawValue: raw)
    let owner: OwnerName = try name()
    let tenant: TenantName = flags.contains(.tenant) ? try name() : .standard
    let interface: InterfaceName = flags.contains(.interface) ? try name() : .standard
    let index: UInt16 = flags.contains(.index) ? try small() : 0
    let length = flags.contains(.childPrefix) ? Int(try byte()) : ip.family.bitCount
    let hostname: Hostname? = flags.contains(.hostname) ? try name() : nil
    let mac = flags.contains(.mac) ? MACAddress(bits: UInt64(try bigEndian(count: 6))) : nil
    let node: NodeName? = flags.contains(.node) ? try name() : nil
    let manager: Manager? = flags.contains(.manager) ? try manager() : nil
    let labels = flags.contains(.labels) ? try labels() : .none
    let createdAt = try time()
    let expiresAt = flags.contains(.expiry) ? try time() : nil
    let generation = try varint()
    let revision = flags.contains(.revision) ? try varint() : generation
    let row = Allocation(
      pool: pool, block: try prefix(of: ip, length: length), tenant: tenant, owner: owner, interface: interface,
      index: index, hostname: hostname, mac: mac, node: node, isStatic: flags.contains(.isStatic), manager: manager,
      labels: labels, createdAt: createdAt, expiresAt: expiresAt, generation: generation, revision: revision)
    // One row, one form: the state hash is of the bytes.
    guard AllocationFlags(of: row) == flags else { throw .invalid("a usual value is spelled out") }
    return row
  }

  private mutating func manager() throws(CodingFault) -> Manager {
    let value = try byte()
    guard let manager = Manager(rawValue: value) else { throw .invalid("manager \(value)") }
    return manager
  }

  fileprivate mutating func released() throws(CodingFault) -> Released {
    let pool: PoolName = try name()
    let block = try prefix()
    let owner: OwnerName = try name()
    let order = try varint()
    let releasedAt = try time()
    let until = try time()
    return Released(
      pool: pool, block: block, owner: owner, order: order, releasedAt: releasedAt,
      quarantineUntil: until == 0 ? nil : until)
  }
}
