package import Addressing
package import Domain
package import Log

/// The keys of the history index: a tag, then what was touched. Each leads to the revisions of the entries that
/// touched it.
package enum HistoryKey {
  private enum Tag: UInt8 { case block = 1, owner, mac, carried, row, network, pool, reservations }

  /// Where an allocation of exactly this address or child prefix begins or ends, in any pool.
  package static func block(_ block: Prefix) -> [UInt8] { key(.block) { $0.prefix(block) } }

  /// Where an allocation of this owner begins or ends.
  package static func owner(_ tenant: TenantName, _ owner: OwnerName) -> [UInt8] {
    key(.owner) { out in
      out.text(tenant.text)
      out.text(owner.text)
    }
  }

  /// Where an allocation with this hardware address begins, is changed (but not merely renewed) or ends.
  package static func mac(_ mac: MACAddress) -> [UInt8] { key(.mac) { $0.bigEndian(UInt128(mac.bits), count: 6) } }

  /// Where this very allocation began to carry this hardware address, or was changed while it did.
  package static func carried(_ mac: MACAddress, by row: Allocation) -> [UInt8] {
    key(.carried) { out in
      out.bigEndian(UInt128(mac.bits), count: 6)
      out.varint(row.generation)
      out.prefix(row.block)
      out.text(row.pool.text)
    }
  }

  /// Where the row of an address (a child prefix's first address) changes in any way.
  package static func row(_ pool: PoolName, _ ip: IPAddress) -> [UInt8] {
    key(.row) { out in
      out.address(ip)
      out.text(pool.text)
    }
  }

  /// Where a pool with exactly this network is made, changed or deleted.
  package static func network(_ cidr: Prefix) -> [UInt8] { key(.network) { $0.prefix(cidr) } }

  /// Where a pool is made, changed or deleted.
  package static func pool(_ name: PoolName) -> [UInt8] { key(.pool) { $0.text(name.text) } }

  /// Where a reservation of a pool is made or deleted.
  package static func reservations(of pool: PoolName) -> [UInt8] { key(.reservations) { $0.text(pool.text) } }

  private static func key(_ tag: Tag, _ rest: (inout ByteWriter) -> Void) -> [UInt8] {
    var out = ByteWriter(capacity: 40)
    out.byte(tag.rawValue)
    rest(&out)
    return out.bytes
  }
}

extension Entry {
  /// What the history index keeps of this entry; no pair twice.
  package var historyItems: [HistoryItem] {
    var keys: [[UInt8]] = []
    for effect in effects {
      switch effect.row {
      case .allocation(let row): append(row, isPut: effect.isPut, to: &keys)
      case .released(let row): keys.append(HistoryKey.row(row.pool, row.block.first))
      case .pool(let pool):
        keys.append(HistoryKey.pool(pool.name))
        keys.append(HistoryKey.network(pool.cidr))
      case .reservation(let row): keys.append(HistoryKey.reservations(of: row.pool))
      case .cursor, .answered, .token: break
      }
    }
    var seen: Set<[UInt8]> = []
    return keys.filter { seen.insert($0).inserted }.map { HistoryItem(key: $0, revision: revision) }
  }

  private func append(_ row: Allocation, isPut: Bool, to keys: inout [[UInt8]]) {
    keys.append(HistoryKey.row(row.pool, row.ip))
    if !isPut || row.generation == revision {
      keys.append(HistoryKey.block(row.block))
      keys.append(HistoryKey.owner(row.tenant, row.owner))
    }
    guard let mac = row.mac, kind != .renewed else { return }
    keys.append(HistoryKey.mac(mac))
    if isPut { keys.append(HistoryKey.carried(mac, by: row)) }
  }
}

extension ByteWriter {
  fileprivate mutating func address(_ address: IPAddress) {
    byte(address.family.rawValue)
    bigEndian(address.bits, count: address.family == .ipv4 ? 4 : 16)
  }

  fileprivate mutating func prefix(_ prefix: Prefix) {
    address(prefix.first)
    byte(UInt8(prefix.length))
  }
}
