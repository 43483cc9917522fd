/// A number of addresses from 0 to 2^128, one more than UInt128 holds: the whole of IPv6 is a legal pool.
package struct AddressCount: Hashable, Comparable, Sendable {
  private let isWhole: Bool
  private let value: UInt128

  /// A count below 2^128.
  package init(_ value: UInt128) { (isWhole, self.value) = (false, value) }

  private init(whole: Void) { (isWhole, value) = (true, 0) }

  /// The addresses of `range`.
  package init(of range: AddressRange) {
    let (count, overflow) = range.countLessOne.addingReportingOverflow(1)
    self = overflow ? AddressCount(whole: ()) : AddressCount(count)
  }

  /// The addresses of disjoint ranges.
  package init(of ranges: [AddressRange]) {
    self = ranges.reduce(AddressCount(0)) { $0 + AddressCount(of: $1) }
  }

  /// None.
  package static let zero = AddressCount(0)

  /// The sum, which must not pass 2^128.
  package static func + (a: Self, b: Self) -> Self {
    if a.isWhole || b.isWhole {
      precondition(a == .zero || b == .zero, "more addresses than there are")
      return AddressCount(whole: ())
    }
    let (sum, overflow) = a.value.addingReportingOverflow(b.value)
    precondition(!overflow || sum == 0, "more addresses than there are")
    return overflow ? AddressCount(whole: ()) : AddressCount(sum)
  }

  /// The difference, which must not be negative.
  package static func - (a: Self, b: Self) -> Self {
    precondition(b <= a, "negative count of addresses")
    if b.isWhole { return .zero }
    return a.isWhole && b == .zero ? a : AddressCount(a.value &- b.value)
  }

  /// Smaller first.
  package static func < (a: Self, b: Self) -> Bool { a.isWhole == b.isWhole ? a.value < b.value : b.isWhole }

  /// The nearest floating-point number, for percentages and metrics.
  package var approximate: Double { isWhole ? 0x1p128 : Double(value) }

  /// The count if it fits 128 bits.
  package var exact: UInt128? { isWhole ? nil : value }
}

extension AddressCount: CustomStringConvertible {
  /// All its decimal digits.
  package var description: String { isWhole ? "340282366920938463463374607431768211456" : "\(value)" }
}
