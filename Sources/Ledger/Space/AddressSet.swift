// Address sets: which addresses are taken, in an order.
//
// One structure serves both families, the free-space search and the lists by address. Addresses are grouped in chunks
// of 4,096. A chunk with some members is a bitmap (`Leaf`); a run of full chunks is one span, however long, so a
// child /64 or a full /8 costs a few words, and an empty chunk costs nothing. Full chunks that touch are always
// merged: a search for a free address passes at most one full span before it meets a leaf with a free bit or a gap.
// That is why its cost does not depend on how full the set is.
//
// Refused: a flat 64-ary bitmap (2.1 MB for a /8 whether used or not, and no answer for IPv6), an interval tree (32
// bytes a run when every second address is free), one node per address (order of magnitude more memory).

/// An ordered set of address numbers of one family.
struct AddressSet {
  private(set) var spans = SpanList()
  static let shift: UInt128 = 12
  static let mask: UInt128 = 4_095

  var isEmpty: Bool { spans.isEmpty }

  /// The same members, in leaves of its own.
  func copy() -> AddressSet {
    var copy = self
    copy.spans.mapLeaves { $0.copy() }
    return copy
  }

  func contains(_ address: UInt128) -> Bool {
    let position = spans.position(atOrAfter: address >> AddressSet.shift)
    guard position != spans.end else { return false }
    let span = spans[position]
    guard span.first <= address >> AddressSet.shift else { return false }
    return span.leaf?.contains(Int(address & AddressSet.mask)) ?? true
  }

  /// Adds all of `range`.
  mutating func insert(_ range: ClosedRange<UInt128>) { change(range, to: true) }

  /// Removes all of `range`.
  mutating func remove(_ range: ClosedRange<UInt128>) { change(range, to: false) }

  /// The first address of `range` that is not a member.
  func firstFree(in range: ClosedRange<UInt128>) -> UInt128? {
    var address = range.lowerBound
    var position = spans.position(atOrAfter: address >> AddressSet.shift)
    while position != spans.end {
      let span = spans[position]
      let chunk = address >> AddressSet.shift
      if span.first > chunk { break }
      if let leaf = span.leaf, let bit = leaf.firstClear(from: Int(address & AddressSet.mask)) {
        address = chunk << AddressSet.shift | UInt128(bit)
        break
      }
      if span.last == UInt128.max >> AddressSet.shift { return nil }
      address = (span.last + 1) << AddressSet.shift
      if address > range.upperBound { return nil }
      position = spans.after(position)
    }
    return address <= range.upperBound ? address : nil
  }

  /// The first member in `range`.
  func firstMember(in range: ClosedRange<UInt128>) -> UInt128? {
    var address = range.lowerBound
    var position = spans.position(atOrAfter: address >> AddressSet.shift)
    while position != spans.end {
      let span = spans[position]
      if span.first > address >> AddressSet.shift { address = span.first << AddressSet.shift }
      guard address <= range.upperBound else { return nil }
      guard let leaf = span.leaf else { return address }
      if let bit = leaf.firstSet(from: Int(address & AddressSet.mask)) {
        let found = span.first << AddressSet.shift | UInt128(bit)
        return found <= range.upperBound ? found : nil
      }
      position = spans.after(position)
      // Nothing at or after `address` in this leaf: go on from the next span's start.
      if position != spans.end { address = spans[position].first << AddressSet.shift }
    }
    return nil
  }

  /// How many members `range` has; the caller never asks for all of IPv6 in one, full.
  func count(in range: ClosedRange<UInt128>) -> UInt128 {
    var total: UInt128 = 0
    var position = spans.position(atOrAfter: range.lowerBound >> AddressSet.shift)
    while position != spans.end {
      let span = spans[position]
      let low = max(span.first << AddressSet.shift, range.lowerBound)
      let high = min(span.last << AddressSet.shift | AddressSet.mask, range.upperBound)
      guard low <= high else { break }
      if let leaf = span.leaf {
        total += UInt128(leaf.count(in: Int(low & AddressSet.mask)...Int(high & AddressSet.mask)))
      } else {
        total += high - low + 1
      }
      position = spans.after(position)
    }
    return total
  }

  // MARK: Changing

  private mutating func change(_ range: ClosedRange<UInt128>, to isMember: Bool) {
    let first = range.lowerBound >> AddressSet.shift
    let last = range.upperBound >> AddressSet.shift
    let low = Int(range.lowerBound & AddressSet.mask)
    let high = Int(range.upperBound & AddressSet.mask)
    if first == last, low > 0 || high < Leaf.bits - 1 {
      changeBits(of: first, low...high, to: isMember)
      return
    }
    // The whole chunks between a partial one at each end.
    let wholeFirst = low == 0 ? first : first + 1
    let wholeLast = high == Leaf.bits - 1 ? last : last - 1
    if low > 0 { changeBits(of: first, low...Leaf.bits - 1, to: isMember) }
    if high < Leaf.bits - 1 { changeBits(of: last, 0...high, to: isMember) }
    if wholeFirst <= wholeLast { changeChunks(wholeFirst...wholeLast, to: isMember) }
  }

  private mutating func changeBits(of chunk: UInt128, _ bits: ClosedRange<Int>, to isMember: Bool) {
    let position = spans.position(atOrAfter: chunk)
    let span = position == spans.end ? nil : spans[position]
    if let span, span.first <= chunk {
      if let leaf = span.leaf {
        leaf.set(bits, to: isMember)
        if leaf.isEmpty { spans.remove(at: position) } else if leaf.isFull { changeChunks(chunk...chunk, to: true) }
      } else if !isMember {
        changeChunks(chunk...chunk, to: false)
        let leaf = Leaf(full: true)
        leaf.set(bits, to: false)
        spans.insert(Span(first: chunk, last: chunk, leaf: leaf), at: spans.position(atOrAfter: chunk))
      }
    } else if isMember {
      let leaf = Leaf()
      leaf.set(bits, to: true)
      spans.insert(Span(first: chunk, last: chunk, leaf: leaf), at: position)
    }
  }

  /// Makes whole chunks full or empty.
  private mutating func changeChunks(_ chunks: ClosedRange<UInt128>, to isMember: Bool) {
    var pieces: [Span] = isMember ? [Span(first: chunks.lowerBound, last: chunks.upperBound, leaf: nil)] : []
    while true {
      let position = spans.position(atOrAfter: chunks.lowerBound)
      guard position != spans.end, spans[position].first <= chunks.upperBound else { break }
      let span = spans[position]
      spans.remove(at: position)
      guard span.leaf == nil else { continue }
      if span.first < chunks.lowerBound { pieces.append(Span(first: span.first, last: chunks.lowerBound - 1)) }
      if span.last > chunks.upperBound { pieces.append(Span(first: chunks.upperBound + 1, last: span.last)) }
    }
    for piece in pieces { insertFull(piece) }
  }

  /// Inserts a run of full chunks, merged with full neighbours.
  private mutating func insertFull(_ span: Span) {
    var merged = span
    var position = spans.position(atOrAfter: span.first)
    if let before = spans.before(position), spans[before].leaf == nil, spans[before].last + 1 == span.first {
      merged.first = spans[before].first
      spans.remove(at: before)
      position = spans.position(atOrAfter: merged.first)
    }
    if position != spans.end, spans[position].leaf == nil, spans[position].first == span.last + 1 {
      merged.last = spans[position].last
      spans.remove(at: position)
      position = spans.position(atOrAfter: merged.first)
    }
    spans.insert(merged, at: position)
  }
}
