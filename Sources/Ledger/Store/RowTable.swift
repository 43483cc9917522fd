// Row storage: every row once, as the bytes that are also logged, snapshotted and hashed.
//
// The table keeps rows in an `Arena` and finds them by two indexes of eight bytes a slot: the identity (kind and key,
// which are a prefix of the bytes) and the owner (tenant and name; an owner's rows form a ring through the headers: the
// index knows the newest, behind which comes the oldest, so that what goes in the order in which it came costs one step).
// Decoding a row costs about what chasing the pointers of a decoded one would, and a million allocations cost about
// 100 bytes each instead of 375.
//
// Refused: dictionaries of decoded structs (375 bytes, 1.9 us), a column per field (a change touches ten
// arrays, a snapshot must encode).
import Domain

/// All rows, by identity and by owner; not copyable, so that looking into it never counts references to its parts.
struct RowTable: ~Copyable {
  private var arena = Arena()
  private var byKey = HashIndex()
  private var byOwner = HashIndex()
  /// Scatters the indexes of this process.
  let seed: UInt64
  /// Links followed to take rows out of their owners' rings.
  private(set) var steps = 0

  init(seed: UInt64) { self.seed = seed }

  var count: Int { byKey.count }
  var pageCount: Int { arena.pageCount }
  var residentBytes: Int { arena.residentBytes + byKey.residentBytes + byOwner.residentBytes }

  /// The row with the key of `probe` (a row's bytes or a bare key).
  func row(_ probe: KeyProbe) -> Row? {
    guard let place = find(probe) else { return nil }
    return decode(place)
  }

  /// The stored bytes of the row with this key.
  func bytes(_ probe: KeyProbe) -> [UInt8]? {
    guard let place = find(probe) else { return nil }
    let row = arena.row(place)
    return Array(row.bytes[row.range])
  }

  private func find(_ probe: KeyProbe) -> Arena.Place? { find(probe, probe.hash(seed: seed)) }

  private func find(_ probe: KeyProbe, _ hash: UInt32) -> Arena.Place? {
    byKey.find(hash) { place in
      let row = arena.row(place)
      return probe.matches(row.bytes, row.range)
    }
  }

  private func decode(_ place: Arena.Place) -> Row {
    let row = arena.row(place)
    return decode(row.bytes, row.range)
  }

  /// The row that lies in `range` of a page.
  func decode(_ bytes: [UInt8], _ range: Range<Int>) -> Row {
    var reader = ByteReader(bytes, range)
    guard let decoded = try? Row(decoding: &reader) else {
      preconditionFailure("a row in memory cannot be read: \(Array(bytes[range]))")
    }
    return decoded
  }

  /// Puts the row that lies in `row` of `bytes`, replacing the one with the same key. Returns the bytes replaced.
  @discardableResult
  mutating func put(_ bytes: [UInt8], _ row: Range<Int>) -> [UInt8]? {
    let probe = KeyProbe(bytes, row)
    let owner = OwnerProbe(bytes, row)
    let hash = probe.hash(seed: seed)
    let found = find(probe, hash)
    // A row that belongs to no owner and keeps its size is written over where it is.
    if let found, owner == nil, row.count == bytes.count,
      let old = arena.overwrite(found, with: bytes, unless: KeyProbe.isAllocation)
    {
      return old
    }
    var old: [UInt8]?
    if let found { old = remove(found, hash) }
    guard let owner else {
      byKey.insert(hash, arena.add(bytes, row, next: 0))
      return old
    }
    let ownerHash = owner.hash(seed: seed)
    let newest = newest(owner, ownerHash)
    let place = arena.add(bytes, row, next: newest.map { arena.next(of: $0) } ?? 0)
    byKey.insert(hash, place)
    arena.setNext(of: newest ?? place, place)
    if let newest { byOwner.replace(ownerHash, newest, with: place) } else { byOwner.insert(ownerHash, place) }
    return old
  }

  /// Removes the row with this key; returns its bytes.
  @discardableResult
  mutating func remove(_ probe: KeyProbe) -> [UInt8]? {
    let hash = probe.hash(seed: seed)
    guard let place = find(probe, hash) else { return nil }
    return remove(place, hash)
  }

  private mutating func remove(_ place: Arena.Place, _ hash: UInt32) -> [UInt8] {
    let row = arena.row(place)
    let bytes = Array(row.bytes[row.range])
    if let owner = OwnerProbe(row: bytes) { unlink(place, owner) }
    byKey.remove(hash, place)
    arena.remove(place)
    return bytes
  }

  // MARK: Owners

  private func newest(_ owner: OwnerProbe, _ hash: UInt32) -> Arena.Place? {
    byOwner.find(hash) { place in
      let row = arena.row(place)
      return owner.matches(row.bytes, row.range)
    }
  }

  private mutating func unlink(_ place: Arena.Place, _ owner: OwnerProbe) {
    let hash = owner.hash(seed: seed)
    guard let newest = newest(owner, hash) else {
      preconditionFailure("an allocation is missing from its owner's ring")
    }
    var previous = newest
    let most = steps + byKey.count
    while true {
      let next = arena.next(of: previous)
      if next == place { break }
      previous = next
      steps += 1
      precondition(steps < most, "an allocation is missing from its owner's ring")
    }
    if previous == place { return byOwner.remove(hash, place) }
    arena.setNext(of: previous, arena.next(of: place))
    if place == newest { byOwner.replace(hash, place, with: previous) }
  }

  /// What an owner holds, in no order; at most `Limits.perOwner`.
  func allocations(_ owner: OwnerProbe) -> [Allocation] {
    var found: [Allocation] = []
    forEachAllocation(owner) { found.append($0) }
    return found
  }

  /// Visits what an owner holds, in no order.
  func forEachAllocation(_ owner: OwnerProbe, _ body: (Allocation) -> Void) {
    guard let newest = newest(owner, owner.hash(seed: seed)) else { return }
    var place = newest
    var left = byKey.count
    repeat {
      precondition(left > 0, "an owner's ring does not close")
      left -= 1
      if case .allocation(let allocation) = decode(place) { body(allocation) }
      place = arena.next(of: place)
    } while place != newest
  }

  // MARK: Walking

  /// Visits every row where it lies, in no order that means anything; `stepped` is called before each page of them.
  func forEach(_ stepped: () -> Void = {}, _ body: (_ page: [UInt8], _ row: Range<Int>) -> Void) {
    for page in 0..<arena.pageCount {
      stepped()
      let bytes = arena.bytes(ofPage: page)
      Arena.walk(bytes, isFirst: page == 0) { _, range in body(bytes, range) }
    }
  }

  /// The rows of one page as bytes, in no order that means anything.
  func rows(onPage page: Int) -> [[UInt8]] { image(ofPage: page).rows }

  /// One page as it is now.
  func image(ofPage page: Int) -> Arena.Image { arena.image(ofPage: page) }
}
