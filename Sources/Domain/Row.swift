package import Addressing

/// Everything the ledger stores; `decide` reads nothing else.
package enum Row: Hashable, Sendable {
  /// A pool.
  indirect case pool(Pool)
  /// A reservation.
  indirect case reservation(Reservation)
  /// An allocation.
  case allocation(Allocation)
  /// A released address that still matters.
  indirect case released(Released)
  /// The last address that strategy `next` gave in a pool.
  indirect case cursor(PoolName, IPAddress)
  /// A request answered under an idempotency key.
  indirect case answered(IdempotencyKey, Revision, LogTime)
  /// What lets somebody in.
  case token(Token)
  /// A node, a VM, a quota or kept capacity.
  indirect case fleet(FleetRow)

  /// What identifies it: a put replaces the row with the same key.
  package var key: RowKey {
    switch self {
    case .pool(let pool): .pool(pool.name)
    case .reservation(let reservation): .reservation(reservation.pool, reservation.range.first)
    case .allocation(let allocation): .address(allocation.pool, allocation.ip)
    case .released(let released): .address(released.pool, released.block.first)
    case .cursor(let pool, _): .cursor(pool)
    case .answered(let key, _, _): .answered(key.key)
    case .token(let token): .token(token.id)
    case .fleet(let row): .fleet(row.key)
    }
  }
}

/// The identity of a row; an address has one row, allocated or released.
package enum RowKey: Hashable, Sendable {
  /// A pool by name.
  case pool(PoolName)
  /// A reservation by its first address.
  case reservation(PoolName, IPAddress)
  /// An allocated or released address.
  case address(PoolName, IPAddress)
  /// A pool's cursor.
  case cursor(PoolName)
  /// An idempotency key's digest.
  case answered(UInt128)
  /// A token by its public half.
  case token(TokenID)
  /// A row of the fleet.
  case fleet(FleetKey)
}

/// A change of one row, absolute: the row after, or the last row before it went.
package struct Effect: Sendable {
  /// Whether the row is put (or else deleted).
  package let isPut: Bool
  /// The row after a put, or the last row of a delete.
  package let row: Row
  /// The row's binary form: what is stored, logged and hashed.
  package let bytes: [UInt8]

  /// An effect as it was stored.
  package init(isPut: Bool, row: Row, bytes: [UInt8]) { (self.isPut, self.row, self.bytes) = (isPut, row, bytes) }

  /// Puts `row`.
  package static func put(_ row: Row) -> Effect { Effect(isPut: true, row: row, bytes: row.encoded) }

  /// Deletes the row with the key of `row`.
  package static func delete(_ row: Row) -> Effect { Effect(isPut: false, row: row, bytes: row.encoded) }
}
