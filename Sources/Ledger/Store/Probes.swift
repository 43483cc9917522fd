import Addressing
import Domain

/// A row's identity as bytes: a class byte and the key, compared without decoding the row.
struct KeyProbe {
  private let bytes: [UInt8]
  private let range: Range<Int>
  private let group: UInt8

  /// The key of a row given as its stored bytes.
  init(row bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

  /// The key of the row that lies in `row` of `bytes`.
  init(_ bytes: [UInt8], _ row: Range<Int>) {
    self.bytes = bytes
    range = KeyProbe.keyRange(bytes, row)
    group = KeyProbe.group(bytes[row.lowerBound])
  }

  /// A bare key.
  init(_ key: RowKey) {
    var out = ByteWriter(capacity: 32)
    switch key {
    case .pool(let name):
      group = 1
      out.text(name.text)
    case .reservation(let pool, let first):
      group = 2
      out.key(pool, first)
    case .address(let pool, let ip):
      group = 3
      out.key(pool, ip)
    case .cursor(let pool):
      group = 5
      out.text(pool.text)
    case .answered(let digest):
      group = 6
      out.bigEndian(digest, count: 16)
    case .token(let id):
      group = 7
      out.bigEndian(id.bits, count: 10)
    case .fleet(let key):
      group = key.kind
      bytes = key.encoded
      range = 0..<bytes.count
      return
    }
    bytes = out.bytes
    range = 0..<bytes.count
  }

  /// Allocations (3) and released addresses (4) share one identity: an address has one row.
  static func isAllocation(_ tag: UInt8) -> Bool { tag & 15 == 3 }

  private static func group(_ tag: UInt8) -> UInt8 { tag & 15 == 4 ? 3 : tag & 15 }

  /// Whether a row that begins with `tag` is a pool's own.
  static func isOfPool(_ tag: UInt8) -> Bool { group(tag) == 1 }

  /// Whether a row that begins with `tag` is an allocation's or a release's.
  static func isOfAddress(_ tag: UInt8) -> Bool { group(tag) == 3 }

  /// Whether a row that begins with `tag` is a token.
  static func isOfToken(_ tag: UInt8) -> Bool { group(tag) == 7 }

  /// Whether a row that begins with `tag` is of the fleet.
  static func isOfFleet(_ tag: UInt8) -> Bool { FleetKey.texts(ofKind: group(tag)) != nil }

  /// Where in a row's bytes its key lies.
  private static func keyRange(_ bytes: [UInt8], _ row: Range<Int>) -> Range<Int> {
    let start = row.lowerBound + 1
    let group = group(bytes[row.lowerBound])
    if group == 6 { return start..<start + 16 }
    if group == 7 { return start..<start + 10 }
    if let texts = FleetKey.texts(ofKind: group) { return start..<end(of: texts, bytes, start) }
    // A pool's name is at most 63 bytes, so its length is one byte.
    var end = start + 1 + Int(bytes[start])
    if group == 2 || group == 3 { end += bytes[end] == AddressFamily.ipv4.rawValue ? 5 : 17 }
    return start..<end
  }

  /// Where `texts` texts that begin at `start` end; a name may have 128 bytes, so its length may take two.
  private static func end(of texts: Int, _ bytes: [UInt8], _ start: Int) -> Int {
    var place = start
    for _ in 0..<texts { OwnerProbe.skipText(bytes, &place) }
    return place
  }

  func hash(seed: UInt64) -> UInt32 { RowHash.index(bytes, range, seed: seed ^ UInt64(group)) }

  func matches(_ other: [UInt8], _ row: Range<Int>) -> Bool {
    guard KeyProbe.group(other[row.lowerBound]) == group else { return false }
    let key = KeyProbe.keyRange(other, row)
    guard key.count == range.count else { return false }
    for offset in 0..<key.count where other[key.lowerBound + offset] != bytes[range.lowerBound + offset] {
      return false
    }
    return true
  }
}

extension ByteWriter {
  fileprivate mutating func key(_ pool: PoolName, _ ip: IPAddress) {
    text(pool.text)
    byte(ip.family.rawValue)
    bigEndian(ip.bits, count: ip.family == .ipv4 ? 4 : 16)
  }
}

/// A tenant's owner as bytes, compared without decoding a row: as in an allocation's row the owner, then the tenant
/// unless it is the usual one.
struct OwnerProbe: Hashable {
  private let bytes: [UInt8]
  private let range: Range<Int>
  private let hasTenant: Bool

  init(_ tenant: TenantName, _ owner: OwnerName) {
    hasTenant = tenant != .standard
    var out = ByteWriter(capacity: 48)
    out.text(owner.text)
    if hasTenant { out.text(tenant.text) }
    bytes = out.bytes
    range = 0..<bytes.count
  }

  /// The owner of an allocation given as its row's bytes; nil for any other row.
  init?(row bytes: [UInt8]) { self.init(bytes, 0..<bytes.count) }

  init?(_ bytes: [UInt8], _ row: Range<Int>) {
    guard KeyProbe.isAllocation(bytes[row.lowerBound]) else { return nil }
    let (start, hasTenant) = OwnerProbe.start(bytes, row)
    var end = start
    OwnerProbe.skipText(bytes, &end)
    if hasTenant { OwnerProbe.skipText(bytes, &end) }
    (self.bytes, range, self.hasTenant) = (bytes, start..<end, hasTenant)
  }

  /// Where an allocation's owner begins, and whether a tenant follows it.
  private static func start(_ bytes: [UInt8], _ row: Range<Int>) -> (Int, hasTenant: Bool) {
    var place = row.lowerBound + 2 + Int(bytes[row.lowerBound + 1])
    place += bytes[place] == AddressFamily.ipv4.rawValue ? 5 : 17
    let hasTenant = bytes[place] & 1 != 0
    while bytes[place] & 0x80 != 0 { place += 1 }
    return (place + 1, hasTenant)
  }

  /// An owner's name may have 128 bytes, so its length may take two.
  static func skipText(_ bytes: [UInt8], _ place: inout Int) {
    var length = Int(bytes[place] & 0x7F)
    if bytes[place] & 0x80 != 0 {
      place += 1
      length |= Int(bytes[place]) << 7
    }
    place += 1 + length
  }

  static func == (a: Self, b: Self) -> Bool {
    a.hasTenant == b.hasTenant && a.range.count == b.range.count && a.isEqual(to: b.bytes, at: b.range.lowerBound)
  }

  func hash(into hasher: inout Hasher) { hasher.combine(hash(seed: 0)) }

  func hash(seed: UInt64) -> UInt32 { RowHash.index(bytes, range, seed: seed ^ 0xFF) }

  /// Whether the allocation stored in `other[row]` is this owner's.
  func matches(_ other: [UInt8], _ row: Range<Int>) -> Bool {
    guard KeyProbe.isAllocation(other[row.lowerBound]) else { return false }
    let (start, hasTenant) = OwnerProbe.start(other, row)
    return hasTenant == self.hasTenant && row.upperBound - start >= range.count && isEqual(to: other, at: start)
  }

  private func isEqual(to other: [UInt8], at start: Int) -> Bool {
    for offset in 0..<range.count where other[start + offset] != bytes[range.lowerBound + offset] { return false }
    return true
  }
}
