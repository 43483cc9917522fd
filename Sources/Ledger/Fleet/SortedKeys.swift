import Domain

/// Keys of VMs in order, in pieces of at most 512, so that adding one to a million moves a few hundred.
struct SortedKeys {
  private static let most = 512
  private var pieces: [[VMKey]] = []
  private(set) var count = 0

  init() {}

  /// Takes keys in any order, each once.
  init(_ keys: [VMKey]) {
    let sorted = keys.sorted()
    for start in stride(from: 0, to: sorted.count, by: SortedKeys.most / 2) {
      pieces.append(Array(sorted[start..<min(sorted.count, start + SortedKeys.most / 2)]))
    }
    count = sorted.count
  }

  /// The piece in which `key` is, or would be.
  private func piece(of key: VMKey) -> Int {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle][0] <= key { low = middle + 1 } else { high = middle }
    }
    return max(0, low - 1)
  }

  /// Adds a key, once.
  mutating func insert(_ key: VMKey) {
    guard !pieces.isEmpty else {
      (pieces, count) = ([[key]], 1)
      return
    }
    let piece = piece(of: key)
    let place = pieces[piece].place(of: key)
    if place < pieces[piece].count, pieces[piece][place] == key { return }
    pieces[piece].insert(key, at: place)
    count += 1
    guard pieces[piece].count > SortedKeys.most else { return }
    let half = pieces[piece].count / 2
    pieces.insert(Array(pieces[piece][half...]), at: piece + 1)
    pieces[piece].removeSubrange(half...)
  }

  /// Removes a key, if it is there.
  mutating func remove(_ key: VMKey) {
    guard !pieces.isEmpty else { return }
    let piece = piece(of: key)
    let place = pieces[piece].place(of: key)
    guard place < pieces[piece].count, pieces[piece][place] == key else { return }
    pieces[piece].remove(at: place)
    if pieces[piece].isEmpty { pieces.remove(at: piece) }
    count -= 1
  }

  /// At most `limit` keys from `start` on, itself included only if `inclusive`.
  func keys(from start: VMKey?, inclusive: Bool, limit: Int, while isWanted: (VMKey) -> Bool) -> [VMKey] {
    guard limit > 0, !pieces.isEmpty else { return [] }
    var found: [VMKey] = []
    var piece = start.map { self.piece(of: $0) } ?? 0
    var place = start.map { pieces[piece].place(of: $0) } ?? 0
    if let start, !inclusive, place < pieces[piece].count, pieces[piece][place] == start { place += 1 }
    while piece < pieces.count {
      while place < pieces[piece].count {
        let key = pieces[piece][place]
        guard found.count < limit, isWanted(key) else { return found }
        found.append(key)
        place += 1
      }
      (piece, place) = (piece + 1, 0)
    }
    return found
  }
}

extension [VMKey] {
  /// Where `key` is in sorted keys, or would be.
  fileprivate func place(of key: VMKey) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < key { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
