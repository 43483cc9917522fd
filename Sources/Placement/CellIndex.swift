/// Nodes by free processors and free memory: a row per amount of processors, a cell per amount of memory in it.
///
/// Amounts below 64 vCPUs or GiB have a cell each; above, 32 cells share a doubling. A cell is a list through the nodes;
/// bits say which cells are not empty. Moving a node costs a few writes, and a walk skips what is empty by words.
struct CellIndex {
  static let side = 544
  private static let words = (side + 63) / 64

  private var heads = [Int32](repeating: -1, count: side * side)
  private var bits = [UInt64](repeating: 0, count: side * words)
  private var rows = [UInt64](repeating: 0, count: words)
  private var cell: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []

  /// The cell of an amount in whole units.
  static func bucket(_ amount: Int32, unit: Int32) -> Int {
    let whole = Int(max(0, amount) / unit)
    if whole < 64 { return whole }
    let exponent = 63 - whole.leadingZeroBitCount
    return min(side - 1, 64 + (exponent - 6) * 32 + (whole >> (exponent - 5)) & 31)
  }

  /// The least amount in whole units that belongs to a bucket.
  static func lowest(_ bucket: Int) -> Int {
    if bucket < 64 { return bucket }
    let (octave, step) = (bucket - 64).quotientAndRemainder(dividingBy: 32)
    return (32 + step) << (octave + 1)
  }

  static func row(_ amounts: Amounts) -> Int { bucket(amounts[0], unit: 1_000) }
  static func column(_ amounts: Amounts) -> Int { bucket(amounts[1], unit: 1_024) }

  /// Makes room for one more node, which is nowhere yet.
  mutating func grow() {
    cell.append(-1)
    next.append(-1)
    previous.append(-1)
  }

  /// Puts a node where its free amounts belong; nil takes it out.
  mutating func move(_ node: Int, to free: Amounts?) {
    let place = free.map { Int32(CellIndex.row($0) * CellIndex.side + CellIndex.column($0)) } ?? -1
    let old = cell[node]
    if old == place { return }
    if old >= 0 { unlink(node, Int(old)) }
    cell[node] = place
    if place >= 0 { link(node, Int(place)) }
  }

  private mutating func link(_ node: Int, _ place: Int) {
    let head = heads[place]
    next[node] = head
    previous[node] = -1
    if head >= 0 { previous[Int(head)] = Int32(node) }
    heads[place] = Int32(node)
    guard head < 0 else { return }
    let (row, column) = place.quotientAndRemainder(dividingBy: CellIndex.side)
    bits[row * CellIndex.words + column >> 6] |= 1 << UInt64(column & 63)
    rows[row >> 6] |= 1 << UInt64(row & 63)
  }

  private mutating func unlink(_ node: Int, _ place: Int) {
    let (before, after) = (previous[node], next[node])
    if before >= 0 { next[Int(before)] = after } else { heads[place] = after }
    if after >= 0 { previous[Int(after)] = before }
    guard heads[place] < 0 else { return }
    let (row, column) = place.quotientAndRemainder(dividingBy: CellIndex.side)
    let base = row * CellIndex.words
    bits[base + column >> 6] &= ~(1 << UInt64(column & 63))
    for word in base..<base + CellIndex.words where bits[word] != 0 { return }
    rows[row >> 6] &= ~(1 << UInt64(row & 63))
  }

  /// The nodes after this one in its cell.
  func following(_ node: Int) -> Int { Int(next[node]) }

  /// A place in a walk over the cells that have at least so much of both.
  struct Walk {
    let lowestRow: Int
    let lowestColumn: Int
    var row: Int
    /// The next column to look at; beyond the end: go on to the next row.
    var column: Int
  }

  /// A walk from the tightest cell upwards.
  func tightest(_ need: Amounts) -> Walk {
    let (row, column) = (CellIndex.row(need), CellIndex.column(need))
    return Walk(lowestRow: row, lowestColumn: column, row: nextRow(row) ?? -1, column: column)
  }

  /// The first node of the next cell upwards; nil at the end.
  func next(_ walk: inout Walk) -> Int? {
    while walk.row >= 0 {
      if let column = nextBit(bits, walk.row * CellIndex.words, from: walk.column) {
        walk.column = column + 1
        return Int(heads[walk.row * CellIndex.side + column])
      }
      walk.row = nextRow(walk.row + 1) ?? -1
      walk.column = walk.lowestColumn
    }
    return nil
  }

  /// Goes on to the next row upwards.
  func skipRow(_ walk: inout Walk) { walk.column = CellIndex.side }

  /// Goes on to the next row downwards.
  func skipRowDown(_ walk: inout Walk) { walk.column = -1 }

  private func nextRow(_ from: Int) -> Int? { nextBit(rows, 0, from: from) }

  private func nextBit(_ bits: [UInt64], _ base: Int, from: Int) -> Int? {
    guard from < CellIndex.side else { return nil }
    var word = from >> 6
    var rest = bits[base + word] & (~0 << UInt64(from & 63))
    while rest == 0 {
      word += 1
      if word == CellIndex.words { return nil }
      rest = bits[base + word]
    }
    return word << 6 + rest.trailingZeroBitCount
  }

  /// A walk from the emptiest cell downwards.
  func emptiest(_ need: Amounts) -> Walk {
    let (row, column) = (CellIndex.row(need), CellIndex.column(need))
    let top = lastBit(rows, 0, from: CellIndex.side - 1, downTo: row)
    return Walk(lowestRow: row, lowestColumn: column, row: top ?? -1, column: CellIndex.side - 1)
  }

  /// The first node of the next cell downwards; nil at the end.
  func nextDown(_ walk: inout Walk) -> Int? {
    while walk.row >= 0 {
      let base = walk.row * CellIndex.words
      if let column = lastBit(bits, base, from: walk.column, downTo: walk.lowestColumn) {
        walk.column = column - 1
        return Int(heads[walk.row * CellIndex.side + column])
      }
      walk.row = lastBit(rows, 0, from: walk.row - 1, downTo: walk.lowestRow) ?? -1
      walk.column = CellIndex.side - 1
    }
    return nil
  }

  private func lastBit(_ bits: [UInt64], _ base: Int, from: Int, downTo lowest: Int) -> Int? {
    guard from >= lowest, from >= 0 else { return nil }
    var word = from >> 6
    var rest = bits[base + word] & (~0 >> UInt64(63 - from & 63))
    while rest == 0 {
      word -= 1
      if word < lowest >> 6 || word < 0 { return nil }
      rest = bits[base + word]
    }
    let found = word << 6 + 63 - rest.leadingZeroBitCount
    return found >= lowest ? found : nil
  }

  /// The cell of each node, for comparison.
  var cells: [Int32] { cell }

  var residentBytes: Int { heads.count * 4 + bits.count * 8 + cell.capacity * 12 }
}
