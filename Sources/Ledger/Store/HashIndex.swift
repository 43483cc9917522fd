/// Open addressing from a 32-bit hash to places, eight bytes a slot. The whole hash is kept beside the place: a
/// look-up reads a row only when all 32 bits agree, and growing never reads rows at all.
struct HashIndex {
  private var slots: [UInt64]
  private(set) var count = 0
  private var shift: UInt32

  init() {
    slots = [UInt64](repeating: 0, count: 64)
    shift = 32 - 6
  }

  private func home(_ hash: UInt32) -> Int { Int(hash >> shift) }

  /// The first place under `hash` that `matches`.
  func find(_ hash: UInt32, where matches: (Arena.Place) -> Bool) -> Arena.Place? {
    var slot = home(hash)
    while slots[slot] != 0 {
      if UInt32(truncatingIfNeeded: slots[slot] >> 32) == hash {
        let place = UInt32(truncatingIfNeeded: slots[slot])
        if matches(place) { return place }
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  mutating func insert(_ hash: UInt32, _ place: Arena.Place) {
    if (count + 1) * 4 > slots.count * 3 { grow() }
    insertUnchecked(UInt64(hash) << 32 | UInt64(place))
    count += 1
  }

  private mutating func insertUnchecked(_ entry: UInt64) {
    var slot = home(UInt32(truncatingIfNeeded: entry >> 32))
    while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
    slots[slot] = entry
  }

  private mutating func grow() {
    let old = slots
    slots = [UInt64](repeating: 0, count: old.count * 2)
    shift -= 1
    for entry in old where entry != 0 { insertUnchecked(entry) }
  }

  private func slot(of hash: UInt32, _ place: Arena.Place) -> Int {
    var slot = home(hash)
    while slots[slot] != UInt64(hash) << 32 | UInt64(place) {
      precondition(slots[slot] != 0, "index entry is missing")
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }

  mutating func replace(_ hash: UInt32, _ old: Arena.Place, with new: Arena.Place) {
    slots[slot(of: hash, old)] = UInt64(hash) << 32 | UInt64(new)
  }

  /// Removes an entry and closes the gap, so that no tombstones pile up.
  mutating func remove(_ hash: UInt32, _ place: Arena.Place) {
    var hole = slot(of: hash, place)
    var next = (hole + 1) & (slots.count - 1)
    while slots[next] != 0 {
      let home = home(UInt32(truncatingIfNeeded: slots[next] >> 32))
      // An entry may move back only if its home is not between the hole and itself.
      if (next - home) & (slots.count - 1) >= (next - hole) & (slots.count - 1) {
        slots[hole] = slots[next]
        hole = next
      }
      next = (next + 1) & (slots.count - 1)
    }
    slots[hole] = 0
    count -= 1
  }

  /// Forgets everything; a table that has become large is given back.
  mutating func removeAll() {
    guard count > 0 else { return }
    if slots.count > 1 << 13 {
      self = HashIndex()
    } else {
      for slot in slots.indices { slots[slot] = 0 }
      count = 0
    }
  }

  /// Bytes held from the system.
  var residentBytes: Int { slots.count * 8 }
}
