package import Addressing

/// An allocation's row read where it lies: no text is made and nothing is copied, so that a start looks at a million
/// rows in a moment. It accepts exactly what `Row(decoding:)` accepts.
package struct AllocationView {
  /// The pool's name.
  package let pool: Range<Int>
  /// The address or child prefix.
  package let block: Prefix
  /// The owner's name.
  package let owner: Range<Int>
  /// The tenant's name; nil = the usual one.
  package let tenant: Range<Int>?
  /// The guest's hardware address.
  package let mac: MACAddress?
  /// When it ends unless renewed.
  package let expiresAt: LogTime?
  /// The entry that gave it.
  package let generation: Revision

  /// The first byte of an allocation's row.
  package static let tag: UInt8 = 0x13

  /// Whether the row is an allocation that ends by itself; asks nothing else of it.
  package static func expires(_ bytes: [UInt8], _ row: Range<Int>) -> Bool {
    guard bytes[row.lowerBound] == tag else { return false }
    var place = row.lowerBound + 2 + Int(bytes[row.lowerBound + 1])
    place += bytes[place] == AddressFamily.ipv4.rawValue ? 5 : 17
    return bytes[place] & 0x80 != 0 && bytes[place + 1] & 4 != 0
  }

  /// Reads the row that lies in `row` of `bytes`, all of it.
  package init(_ bytes: [UInt8], _ row: Range<Int>) throws(CodingFault) {
    guard row.count <= Limits.rowBytes else { throw .invalid("row of \(row.count) bytes") }
    var scan = RowScan(row)
    guard try scan.byte(bytes) == AllocationView.tag else { throw .invalid("not an allocation") }
    pool = try scan.name(bytes, PoolName.maxBytes)
    let ip = try scan.address(bytes)
    let raw = try scan.varint(bytes)
    guard raw & ~UInt64(AllocationFlags.known) == 0 else { throw .invalid("allocation flags") }
    let flags = AllocationFlags(rawValue: UInt16(raw))
    owner = try scan.name(bytes, OwnerName.maxBytes)
    tenant = flags.contains(.tenant) ? try scan.name(bytes, TenantName.maxBytes) : nil
    if let tenant { try RowScan.refuse(TenantName.standard.text, bytes, tenant) }
    if flags.contains(.interface) {
      let interface = try scan.name(bytes, InterfaceName.maxBytes)
      try RowScan.refuse(InterfaceName.standard.text, bytes, interface)
    }
    if flags.contains(.index) {
      guard (1...UInt64(UInt16.max)).contains(try scan.varint(bytes)) else { throw .invalid("index") }
    }
    let length = flags.contains(.childPrefix) ? Int(try scan.byte(bytes)) : ip.family.bitCount
    do { block = try Prefix(ip, length: length) } catch { throw .invalid("prefix") }
    guard flags.contains(.childPrefix) == (length < ip.family.bitCount) else { throw .invalid("prefix length") }
    if flags.contains(.hostname) { _ = try scan.name(bytes, Hostname.maxBytes) }
    mac = flags.contains(.mac) ? MACAddress(bits: UInt64(truncatingIfNeeded: try scan.bigEndian(bytes, 6))) : nil
    if flags.contains(.node) { _ = try scan.name(bytes, NodeName.maxBytes) }
    if flags.contains(.manager), Manager(rawValue: try scan.byte(bytes)) == nil { throw .invalid("manager") }
    if flags.contains(.labels) { try scan.labels(bytes) }
    _ = try scan.time(bytes)
    expiresAt = flags.contains(.expiry) ? try scan.time(bytes) : nil
    generation = try scan.varint(bytes)
    if flags.contains(.revision), try scan.varint(bytes) == generation { throw .invalid("a revision is spelled out") }
    guard scan.isAtEnd else { throw .invalid("bytes after the row") }
    // Names are ASCII; what is not may or may not be text.
    if !scan.isASCII { _ = try Row(decoding: Array(bytes[row])) }
  }

  /// A single address or a whole block.
  package var isChildPrefix: Bool { block.length < block.family.bitCount }
}

/// A place in stored bytes that moves on, with the checks of `ByteReader`.
package struct RowScan {
  private var place: Int
  private let end: Int
  /// Whether every text so far was ASCII.
  package private(set) var isASCII = true

  /// Begins where `range` begins and refuses to read beyond it.
  package init(_ range: Range<Int>) { (place, end) = (range.lowerBound, range.upperBound) }

  /// Whether all is read.
  package var isAtEnd: Bool { place == end }

  /// One byte.
  package mutating func byte(_ bytes: [UInt8]) throws(CodingFault) -> UInt8 {
    guard place < end else { throw .short }
    defer { place += 1 }
    return bytes[place]
  }

  /// A variable-length number.
  package mutating func varint(_ bytes: [UInt8]) throws(CodingFault) -> UInt64 {
    guard place < end else { throw .short }
    if bytes[place] < 0x80 {
      defer { place += 1 }
      return UInt64(bytes[place])
    }
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      let next = try byte(bytes)
      if shift == 63, next > 1 { throw .invalid("varint over 64 bits") }
      value |= UInt64(next & 0x7F) << shift
      if next & 0x80 == 0 {
        if next == 0 { throw .invalid("overlong varint") }
        return value
      }
      shift += 7
      if shift > 63 { throw .invalid("varint over 64 bits") }
    }
  }

  /// A time.
  package mutating func time(_ bytes: [UInt8]) throws(CodingFault) -> LogTime {
    guard let time = LogTime(exactly: try varint(bytes)) else { throw .invalid("time before 1970") }
    return time
  }

  /// `count` bytes, highest first.
  package mutating func bigEndian(_ bytes: [UInt8], _ count: Int) throws(CodingFault) -> UInt128 {
    guard end - place >= count else { throw .short }
    var (high, low): (UInt64, UInt64) = (0, 0)
    for index in place..<place + count {
      high = high << 8 | low >> 56
      low = low << 8 | UInt64(bytes[index])
    }
    place += count
    return UInt128(high) << 64 | UInt128(low)
  }

  /// An address.
  package mutating func address(_ bytes: [UInt8]) throws(CodingFault) -> IPAddress {
    guard let family = AddressFamily(rawValue: try byte(bytes)) else { throw .invalid("address family") }
    return IPAddress(family: family, bits: try bigEndian(bytes, family == .ipv4 ? 4 : 16))
  }

  /// Bytes with their length before them.
  package mutating func block(_ bytes: [UInt8]) throws(CodingFault) -> Range<Int> {
    let length = try varint(bytes)
    guard length <= UInt64(end - place) else { throw .short }
    defer { place += Int(length) }
    return place..<place + Int(length)
  }

  /// A text of any length.
  package mutating func text(_ bytes: [UInt8]) throws(CodingFault) -> Range<Int> {
    let range = try block(bytes)
    var all: UInt8 = 0
    for index in range { all |= bytes[index] }
    if all >= 0x80 { isASCII = false }
    return range
  }

  /// A name of 1 to `most` bytes.
  package mutating func name(_ bytes: [UInt8], _ most: Int) throws(CodingFault) -> Range<Int> {
    let range = try text(bytes)
    guard (1...most).contains(range.count) else { throw .invalid("name of \(range.count) bytes") }
    return range
  }

  fileprivate mutating func labels(_ bytes: [UInt8]) throws(CodingFault) {
    let count = try varint(bytes)
    guard count > 0, count <= UInt64(end - place) else { throw .invalid("labels") }
    for _ in 0..<count {
      _ = try text(bytes)
      _ = try text(bytes)
    }
  }

  /// One row, one form: the usual value is not spelled out.
  fileprivate static func refuse(_ usual: String, _ bytes: [UInt8], _ range: Range<Int>) throws(CodingFault) {
    if range.count == usual.utf8.count, bytes[range].elementsEqual(usual.utf8) {
      throw .invalid("a usual value is spelled out")
    }
  }
}

/// An effect in an entry's bytes.
package struct EffectView {
  /// Whether the row is put (or else deleted).
  package let isPut: Bool
  /// Where the row lies.
  package let row: Range<Int>
}

/// An entry's bytes with its effects where they lie; what was asked and told is passed over.
package struct EntryView {
  /// Its number.
  package let revision: Revision
  /// What kind of change.
  package let kind: EntryKind
  /// The rows changed.
  package let effects: [EffectView]

  /// Reads up to the last effect.
  package init(_ bytes: [UInt8]) throws(CodingFault) {
    var scan = RowScan(0..<bytes.count)
    let version = try scan.byte(bytes)
    guard version == Entry.version else { throw .unknownVersion(version) }
    guard let kind = EntryKind(rawValue: try scan.byte(bytes)) else { throw .unknownKind("kind of entry") }
    self.kind = kind
    revision = try scan.varint(bytes)
    for _ in 0..<3 { _ = try scan.block(bytes) }
    let count = try scan.varint(bytes)
    guard count <= UInt64(bytes.count) else { throw .short }
    var effects: [EffectView] = []
    effects.reserveCapacity(Int(count))
    for _ in 0..<count {
      let flag = try scan.byte(bytes)
      guard flag <= 1 else { throw .invalid("flag \(flag)") }
      effects.append(EffectView(isPut: flag == 1, row: try scan.block(bytes)))
    }
    self.effects = effects
  }
}
