import Log

/// Pairs in order, without repeats.
enum HistoryPairs {
  private static let radixFrom = 47

  /// Sorts pairs. Keys are hashes, so two passes over their top sixteen bits leave next to nothing to do.
  static func sorted(_ pairs: [HistoryItem]) -> [HistoryItem] {
    if pairs.count < 64 { return unique(pairs.sorted()) }
    var items = pairs
    for shift in [radixFrom, radixFrom + 8] { items = pass(items, UInt64(shift)) }
    var start = 0
    for end in 1...items.count
    where end == items.count || items[end].key >> UInt64(radixFrom) != items[start].key >> UInt64(radixFrom) {
      if end - start > 1 { sort(&items, start..<end) }
      start = end
    }
    return unique(items)
  }

  /// One stable pass by the eight bits from `shift` on.
  private static func pass(_ items: [HistoryItem], _ shift: UInt64) -> [HistoryItem] {
    var starts = [Int](repeating: 0, count: 257)
    for item in items { starts[Int(item.key >> shift & 255) + 1] += 1 }
    for digit in 1..<257 { starts[digit] += starts[digit - 1] }
    return unsafe [HistoryItem](unsafeUninitializedCapacity: items.count) { target, count in
      for item in items {
        let digit = Int(item.key >> shift & 255)
        unsafe target.initializeElement(at: starts[digit], to: item)
        starts[digit] += 1
      }
      count = items.count
    }
  }

  private static func sort(_ items: inout [HistoryItem], _ range: Range<Int>) {
    if range.count > 32 { return items[range].sort() }
    for index in range.dropFirst() {
      let item = items[index]
      var place = index
      while place > range.lowerBound, item < items[place - 1] {
        items[place] = items[place - 1]
        place -= 1
      }
      items[place] = item
    }
  }

  private static func unique(_ items: [HistoryItem]) -> [HistoryItem] {
    var unique: [HistoryItem] = []
    unique.reserveCapacity(items.count)
    for item in items where item != unique.last { unique.append(item) }
    return unique
  }

  /// The first of `items` at or after `item`.
  static func place(of item: HistoryItem, in items: [HistoryItem]) -> Int {
    var (low, high) = (0, items.count)
    while low < high {
      let middle = (low + high) / 2
      if items[middle] < item { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// A piece of a sorted run as it is stored: key and revision of each pair, little-endian, eight bytes each.
struct HistoryPart {
  /// The most pairs of a part: with its row it fits a page of the file.
  static let pairs = 1_000
  private static let pairBytes = 16

  let items: [HistoryItem]

  init(_ items: [HistoryItem]) { self.items = items }

  /// Nil when the bytes are not those that were written.
  init?(_ bytes: [UInt8], digest: Int64) {
    guard !bytes.isEmpty, bytes.count % HistoryPart.pairBytes == 0, HistoryPart.digest(bytes) == digest else {
      return nil
    }
    items = unsafe bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / HistoryPart.pairBytes).map { number in
        let place = number * HistoryPart.pairBytes
        return unsafe HistoryItem(
          key: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)),
          revision: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self)))
      }
    }
  }

  var bytes: [UInt8] {
    let count = items.count * HistoryPart.pairBytes
    return unsafe [UInt8](unsafeUninitializedCapacity: count) { target, written in
      for (number, item) in items.enumerated() {
        let place = UnsafeMutableRawBufferPointer(target)
        let offset = number * HistoryPart.pairBytes
        unsafe place.storeBytes(of: item.key.littleEndian, toByteOffset: offset, as: UInt64.self)
        unsafe place.storeBytes(of: item.revision.littleEndian, toByteOffset: offset + 8, as: UInt64.self)
      }
      written = count
    }
  }

  /// Tells bytes that have changed on the disk; not a secret.
  static func digest(_ bytes: [UInt8]) -> Int64 {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    unsafe bytes.withUnsafeBytes { bytes in
      var place = 0
      while place + 8 <= bytes.count {
        let word = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
        let (high, low) = (state ^ word).multipliedFullWidth(by: 0xA076_1D64_78BD_642F)
        state = high ^ low ^ word
        place += 8
      }
    }
    return Int64(bitPattern: state)
  }
}

/// What was added but is not in the file yet: blocks in order and a short rest, all of it searchable.
struct HistoryRecent {
  private static let blockPairs = 4_096

  private var blocks: [[HistoryItem]] = []
  private var rest: [HistoryItem] = []
  /// Everything up to here is in, the file's part included.
  private(set) var through: UInt64
  /// Changes when the index is emptied.
  private(set) var generation = 0

  init(through: UInt64) { self.through = through }

  var count: Int { blocks.reduce(rest.count) { $0 + $1.count } }

  mutating func add(_ items: [HistoryItem], through: UInt64) {
    rest += items
    self.through = through
    if rest.count >= HistoryRecent.blockPairs {
      blocks.append(HistoryPairs.sorted(rest))
      rest = []
    }
  }

  /// All pairs in order.
  var sorted: [HistoryItem] { HistoryPairs.sorted(blocks.flatMap { $0 } + rest) }

  /// The pairs are in the file now.
  mutating func empty() { (blocks, rest) = ([], []) }

  mutating func reset() {
    empty()
    through = 0
    generation += 1
  }

  /// Revisions of a key in no order.
  func revisions(of key: UInt64, in range: ClosedRange<UInt64>) -> [UInt64] {
    var found: [UInt64] = []
    for block in blocks {
      var place = HistoryPairs.place(of: HistoryItem(key: key, revision: range.lowerBound), in: block)
      while place < block.count, block[place].key == key, block[place].revision <= range.upperBound {
        found.append(block[place].revision)
        place += 1
      }
    }
    for item in rest where item.key == key && range.contains(item.revision) { found.append(item.revision) }
    return found
  }
}
