/// A closed, never empty run of addresses of one family.
package struct AddressRange: Hashable, Comparable, Sendable {
  /// The lowest address.
  package let first: IPAddress
  /// The highest address.
  package let last: IPAddress

  /// Makes a range; `first` must not be above `last`, nor of another family.
  package init(_ first: IPAddress, _ last: IPAddress) {
    precondition(first.family == last.family && first <= last, "range \(first)-\(last) is reversed or mixed")
    self.first = first
    self.last = last
  }

  /// One address.
  package init(single address: IPAddress) { (first, last) = (address, address) }

  /// `::ffff:0:0/96` (RFC 4291 2.5.5.2), second names of IPv4 addresses: no text of one is accepted, so none may be
  /// given out.
  package static let ipv4Mapped = Prefix(containing: IPAddress(v6: 0xFFFF << 32), length: 96).range

  /// Why text is not a range.
  package enum Fault: Error, Hashable, Sendable {
    /// Not `A-B`, `A/length` or `A`.
    case malformed
    /// A is above B.
    case reversed
    /// A and B are of two families.
    case mixedFamilies
    /// A prefix with host bits or too long.
    case prefix(Prefix.Fault)
  }

  /// Parses `A-B`, `A/length` or a single `A`.
  package init(parsing text: some StringProtocol) throws(Fault) {
    if text.utf8.contains(UInt8(ascii: "/")) {
      do { self = try Prefix(parsing: text).range } catch { throw .prefix(error) }
      return
    }
    var parser = AddressParser(text)
    guard let first = parser.address() else { throw .malformed }
    if parser.isAtEnd {
      self.init(first, first)
      return
    }
    guard parser.skip(UInt8(ascii: "-")), let last = parser.address(), parser.isAtEnd else { throw .malformed }
    guard first.family == last.family else { throw .mixedFamilies }
    guard first <= last else { throw .reversed }
    self.init(first, last)
  }

  /// IPv4 or IPv6.
  package var family: AddressFamily { first.family }

  /// How many addresses, less one: the whole of IPv6 does not fit 128 bits otherwise.
  package var countLessOne: UInt128 { last.bits - first.bits }

  /// Whether `address` lies in it.
  package func contains(_ address: IPAddress) -> Bool {
    address.family == family && first <= address && address <= last
  }

  /// Whether all of `other` lies in it.
  package func contains(_ other: AddressRange) -> Bool { contains(other.first) && contains(other.last) }

  /// Whether they share an address.
  package func overlaps(_ other: AddressRange) -> Bool {
    family == other.family && first <= other.last && other.first <= last
  }

  /// What they share.
  package func intersection(_ other: AddressRange) -> AddressRange? {
    overlaps(other) ? AddressRange(max(first, other.first), min(last, other.last)) : nil
  }

  /// What is left of it without `other`: none, one or two ranges.
  package func subtracting(_ other: AddressRange) -> [AddressRange] {
    guard let shared = intersection(other) else { return [self] }
    var left: [AddressRange] = []
    if first < shared.first, let end = shared.first.previous { left.append(AddressRange(first, end)) }
    if shared.last < last, let start = shared.last.next { left.append(AddressRange(start, last)) }
    return left
  }

  /// By first address, then by last.
  package static func < (a: Self, b: Self) -> Bool { a.first != b.first ? a.first < b.first : a.last < b.last }
}

extension AddressRange: CustomStringConvertible {
  /// `A-B`, or `A` alone.
  package var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
}

extension [AddressRange] {
  /// The same addresses in order, overlapping and adjoining ranges merged.
  package var normalized: [AddressRange] {
    var out: [AddressRange] = []
    for range in sorted() {
      // Families never meet: IPv6 is above all IPv4, and the top of IPv4 has no next address.
      if let previous = out.last, range.first <= previous.last || previous.last.next == range.first {
        out[out.count - 1] = AddressRange(previous.first, Swift.max(previous.last, range.last))
      } else {
        out.append(range)
      }
    }
    return out
  }
}
