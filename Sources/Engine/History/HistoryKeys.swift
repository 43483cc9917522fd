package import Addressing
package import Domain
package import Log

/// The keys of the history index: hashes of what was touched. Each leads to the revisions of the entries that touched
/// it, and by chance to others.
package struct HistoryKeys: Sendable {
  private enum Tag: UInt64 { case block = 1, owner, mac, carried, row, network, pool, reservations }

  private let seed: UInt64

  /// The keys of an index with this seed.
  package init(seed: UInt64) { self.seed = seed }

  /// Where an allocation of exactly this address or child prefix begins or ends, in any pool.
  package func block(_ block: Prefix) -> UInt64 {
    var hash = KeyHash(seed, Tag.block.rawValue)
    hash.add(block)
    return hash.value
  }

  /// Where an allocation of this owner begins or ends.
  package func owner(_ tenant: TenantName, _ owner: OwnerName) -> UInt64 {
    let (tenant, owner) = (Array(tenant.text.utf8), Array(owner.text.utf8))
    return self.owner(tenant, tenant.indices, owner, owner.indices)
  }

  /// Where an allocation with this hardware address begins, is changed (but not merely renewed) or ends.
  package func mac(_ mac: MACAddress) -> UInt64 {
    var hash = KeyHash(seed, Tag.mac.rawValue)
    hash.add(mac.bits)
    return hash.value
  }

  /// Where this very allocation began to carry this hardware address, or was changed while it did.
  package func carried(_ mac: MACAddress, by row: Allocation) -> UInt64 {
    let pool = Array(row.pool.text.utf8)
    return carried(mac, row.generation, row.block, pool, pool.indices)
  }

  /// Where the row of an address (a child prefix's first address) changes in any way.
  package func row(_ pool: PoolName, _ ip: IPAddress) -> UInt64 {
    let pool = Array(pool.text.utf8)
    return row(pool, pool.indices, ip)
  }

  /// Where a pool with exactly this network is made, changed or deleted.
  package func network(_ cidr: Prefix) -> UInt64 {
    var hash = KeyHash(seed, Tag.network.rawValue)
    hash.add(cidr)
    return hash.value
  }

  /// Where a pool is made, changed or deleted.
  package func pool(_ name: PoolName) -> UInt64 { named(.pool, name) }

  /// Where a reservation of a pool is made or deleted.
  package func reservations(of pool: PoolName) -> UInt64 { named(.reservations, pool) }

  // MARK: From bytes

  private func owner(_ tenant: [UInt8], _ tenantRange: Range<Int>, _ owner: [UInt8], _ ownerRange: Range<Int>) -> UInt64
  {
    var hash = KeyHash(seed, Tag.owner.rawValue)
    hash.add(tenant, tenantRange)
    hash.add(owner, ownerRange)
    return hash.value
  }

  private func row(_ bytes: [UInt8], _ pool: Range<Int>, _ ip: IPAddress) -> UInt64 {
    var hash = KeyHash(seed, Tag.row.rawValue)
    hash.add(ip)
    hash.add(bytes, pool)
    return hash.value
  }

  private func carried(
    _ mac: MACAddress, _ generation: Revision, _ block: Prefix, _ bytes: [UInt8], _ pool: Range<Int>
  ) -> UInt64 {
    var hash = KeyHash(seed, Tag.carried.rawValue)
    hash.add(mac.bits)
    hash.add(generation)
    hash.add(block)
    hash.add(bytes, pool)
    return hash.value
  }

  private func named(_ tag: Tag, _ name: PoolName) -> UInt64 {
    let bytes = Array(name.text.utf8)
    var hash = KeyHash(seed, tag.rawValue)
    hash.add(bytes, bytes.indices)
    return hash.value
  }

  // MARK: Of an entry

  private static let usualTenant = Array(TenantName.standard.text.utf8)

  /// Adds what the index keeps of the entry with these bytes, read where they lie; a pair may come twice.
  package func append(of entry: [UInt8], to items: inout [HistoryItem]) throws(CodingFault) {
    let view = try EntryView(entry)
    for effect in view.effects {
      guard !effect.row.isEmpty else { throw .short }
      func add(_ key: UInt64) { items.append(HistoryItem(key: key, revision: view.revision)) }
      if entry[effect.row.lowerBound] == AllocationView.tag {
        let row = try AllocationView(entry, effect.row)
        add(self.row(entry, row.pool, row.block.first))
        if !effect.isPut || row.generation == view.revision {
          add(block(row.block))
          add(
            row.tenant.map { owner(entry, $0, entry, row.owner) }
              ?? owner(HistoryKeys.usualTenant, HistoryKeys.usualTenant.indices, entry, row.owner))
        }
        guard let mac = row.mac, view.kind != .renewed else { continue }
        add(self.mac(mac))
        if effect.isPut { add(carried(mac, row.generation, row.block, entry, row.pool)) }
        continue
      }
      // Cursors ride on every batch and answers on many entries; neither is history, nor is what nodes and VMs do.
      let tag = entry[effect.row.lowerBound]
      if [0x15, 0x16].contains(tag) || (0x19...0x1C).contains(tag) { continue }
      switch try Row(decoding: Array(entry[effect.row])) {
      case .allocation, .cursor, .answered, .token, .fleet: break
      case .released(let row): add(self.row(row.pool, row.block.first))
      case .pool(let pool):
        add(self.pool(pool.name))
        add(network(pool.cidr))
      case .reservation(let row): add(reservations(of: row.pool))
      }
    }
  }
}

/// A hash of a key's pieces, each with its length mixed in.
private struct KeyHash {
  private var state: UInt64

  init(_ seed: UInt64, _ tag: UInt64) { state = KeyHash.fold(seed ^ tag, 0xE703_7ED1_A0B4_28DB) }

  mutating func add(_ number: UInt64) { state = KeyHash.fold(state ^ number, 0xA076_1D64_78BD_642F) }

  mutating func add(_ ip: IPAddress) {
    let bits = ip.bits
    add(UInt64(truncatingIfNeeded: bits))
    add(UInt64(truncatingIfNeeded: bits >> 64))
    add(UInt64(ip.family.rawValue))
  }

  mutating func add(_ prefix: Prefix) {
    add(prefix.first)
    add(UInt64(prefix.length))
  }

  mutating func add(_ bytes: [UInt8], _ range: Range<Int>) {
    add(UInt64(range.count))
    var word: UInt64 = 0
    var shift: UInt64 = 0
    for index in range {
      word |= UInt64(bytes[index]) << shift
      shift += 8
      if shift == 64 {
        add(word)
        (word, shift) = (0, 0)
      }
    }
    if shift > 0 { add(word) }
  }

  /// Below 2^63, as the index wants it.
  var value: UInt64 { KeyHash.fold(state, 0x8EBC_6AF0_9C88_C6E3) >> 1 }

  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    return high ^ low ^ a
  }
}
