/// A maximal run of chunks that are full, or one chunk that is partly full; empty chunks have no span.
struct Span {
  var first: UInt128
  var last: UInt128
  /// The bits of a partly full chunk; nil = every address is a member.
  var leaf: Leaf? = nil
}

/// Spans in order, in blocks of at most 512, so that inserting among a million moves a few kilobytes.
struct SpanList {
  private var blocks: [[Span]] = []
  private static let blockMax = 512

  struct Position: Equatable {
    var block: Int
    var index: Int
  }

  var isEmpty: Bool { blocks.isEmpty }
  var end: Position { Position(block: blocks.count, index: 0) }
  var start: Position { Position(block: 0, index: 0) }

  subscript(position: Position) -> Span {
    get { blocks[position.block][position.index] }
    set { blocks[position.block][position.index] = newValue }
  }

  mutating func mapLeaves(_ change: (Leaf) -> Leaf) {
    for block in blocks.indices {
      for index in blocks[block].indices {
        if let leaf = blocks[block][index].leaf { blocks[block][index].leaf = change(leaf) }
      }
    }
  }

  func after(_ position: Position) -> Position {
    position.index + 1 < blocks[position.block].count
      ? Position(block: position.block, index: position.index + 1) : Position(block: position.block + 1, index: 0)
  }

  func before(_ position: Position) -> Position? {
    if position.index > 0 { return Position(block: position.block, index: position.index - 1) }
    return position.block > 0 ? Position(block: position.block - 1, index: blocks[position.block - 1].count - 1) : nil
  }

  /// The first span that ends at or after `chunk`: the one that holds it, or the next above.
  func position(atOrAfter chunk: UInt128) -> Position {
    let block = SpanList.firstIndex(blocks.count) { blocks[$0][blocks[$0].count - 1].last >= chunk }
    guard block < blocks.count else { return end }
    let index = SpanList.firstIndex(blocks[block].count) { blocks[block][$0].last >= chunk }
    return Position(block: block, index: index)
  }

  private static func firstIndex(_ count: Int, where holds: (Int) -> Bool) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Puts a span before the one at `position`; all positions are void afterwards.
  mutating func insert(_ span: Span, at position: Position) {
    if blocks.isEmpty {
      blocks = [[span]]
      return
    }
    // The end of the last block rather than a new block behind it.
    let place =
      position.block == blocks.count
      ? Position(block: position.block - 1, index: blocks[position.block - 1].count) : position
    blocks[place.block].insert(span, at: place.index)
    if blocks[place.block].count > SpanList.blockMax {
      let half = blocks[place.block].count / 2
      let upper = Array(blocks[place.block][half...])
      blocks[place.block].removeSubrange(half...)
      blocks.insert(upper, at: place.block + 1)
    }
  }

  /// Removes the span at `position`; all positions are void afterwards.
  mutating func remove(at position: Position) {
    blocks[position.block].remove(at: position.index)
    if blocks[position.block].isEmpty { blocks.remove(at: position.block) }
  }
}
