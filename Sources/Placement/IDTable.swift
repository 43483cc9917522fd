/// Numbers by 64-bit ids: open addressing, at most half full, nothing left behind by a removal.
struct IDTable {
  private var keys: [UInt64] = [UInt64](repeating: 0, count: 16)
  private var values: [Int32] = [Int32](repeating: -1, count: 16)
  private(set) var count = 0

  private var mask: Int { keys.count - 1 }

  private func home(_ key: UInt64) -> Int {
    let mixed = (key ^ (key >> 31)) &* 0x9E37_79B9_7F4A_7C15
    return Int(truncatingIfNeeded: mixed >> 20) & mask
  }

  subscript(key: UInt64) -> Int32? {
    var place = home(key)
    while values[place] >= 0 {
      if keys[place] == key { return values[place] }
      place = (place + 1) & mask
    }
    return nil
  }

  /// Adds a key that is not there yet.
  mutating func insert(_ key: UInt64, _ value: Int32) {
    if (count + 1) * 2 > keys.count { grow() }
    var place = home(key)
    while values[place] >= 0 { place = (place + 1) & mask }
    keys[place] = key
    values[place] = value
    count += 1
  }

  /// Removes a key that is there; those behind it move up.
  mutating func remove(_ key: UInt64) {
    var hole = home(key)
    while keys[hole] != key || values[hole] < 0 { hole = (hole + 1) & mask }
    count -= 1
    var place = hole
    while true {
      place = (place + 1) & mask
      if values[place] < 0 { break }
      let wanted = home(keys[place])
      // Whoever's home lies behind the hole, on the way to where it is, stays.
      if (place - wanted) & mask < (place - hole) & mask { continue }
      keys[hole] = keys[place]
      values[hole] = values[place]
      hole = place
    }
    values[hole] = -1
  }

  private mutating func grow() {
    let old = (keys, values)
    keys = [UInt64](repeating: 0, count: old.0.count * 2)
    values = [Int32](repeating: -1, count: old.0.count * 2)
    count = 0
    for (key, value) in zip(old.0, old.1) where value >= 0 { insert(key, value) }
  }

  var residentBytes: Int { keys.count * 12 }
}
