internal import APITypes
internal import Addressing
internal import Domain
internal import Wire

/// An entry as a server-sent event: id, kind, and one line of JSON.
enum EventFrame {
  static func encode(_ logged: LoggedEntry, _ visibility: Visibility = .all) -> [UInt8] {
    let entry = logged.entry
    var out = Array("id: \(entry.revision)\nevent: \(entry.kind.name)\ndata: ".utf8)
    // JSON escapes every line break, so the document is one line of the stream.
    out += document(entry, logged.time, visibility)
    out += [0x0A, 0x0A]
    return out
  }

  static func document(_ entry: Entry, _ time: Int64, _ visibility: Visibility = .all) -> [UInt8] {
    var out = JSONWriter(capacity: 256 + 512 * entry.effects.count)
    out.object { out in
      out.field("revision", entry.revision)
      out.field("time", time: time)
      out.field("actor", entry.actor)
      out.field("request_id", entry.requestID)
      out.field("kind", entry.kind.name)
      out.key("changes")
      out.array { out in for effect in entry.effects where visibility.sees(effect.row) { out.change(effect) } }
    }
    return out.finish()
  }
}

extension JSONWriter {
  /// Writes a changed row; what only the ledger itself looks at (cursors, idempotency records) is left out.
  fileprivate mutating func change(_ effect: Effect) {
    let type: StaticString
    let rowKey: String
    switch effect.row {
    case .pool(let row): (type, rowKey) = ("pool", row.name.text)
    case .reservation(let row): (type, rowKey) = ("reservation", "\(row.pool)/\(row.range.first)")
    case .allocation(let row): (type, rowKey) = ("allocation", "\(row.pool)/\(row.ip)")
    case .released(let row): (type, rowKey) = ("released", "\(row.pool)/\(row.block.first)")
    case .token(let row): (type, rowKey) = ("token", row.id.description)
    case .cursor, .answered: return
    case .fleet(let row): (type, rowKey) = row.named
    }
    object { out in
      out.field("type", "\(type)")
      out.field("key", rowKey)
      out.key(effect.isPut ? "after" : "before")
      out.row(effect.row)
    }
  }

  private mutating func row(_ row: Row) {
    switch row {
    case .pool(let row): pool(PoolView(row, nil))
    case .reservation(let row): reservation(ReservationView(row))
    case .allocation(let row): allocation(row)
    case .released(let row): released(row)
    case .token(let row): token(row)
    case .cursor, .answered: null()
    case .fleet(.node(let row)): node(NodeView(row))
    case .fleet(.vm(let row)): vm(VMView(row))
    case .fleet(.quota(let row)): quota(QuotaView(row, nil))
    case .fleet(.capacity(let row)): capacity(row)
    }
  }

  /// An allocation as the routes show it, but for what belongs to its pool.
  mutating func allocation(_ row: Allocation) {
    object { out in
      out.field("pool", row.pool)
      out.field("tenant", row.tenant)
      out.field("owner", row.owner)
      out.field("interface", row.interface)
      out.field("index", row.index)
      out.field("ip", address: row.ip)
      out.field("prefix_length", row.isChildPrefix ? row.block.length : nil)
      out.field("cidr", row.isChildPrefix ? "\(row.block)" : nil)
      out.field("hostname", row.hostname)
      out.field("mac", row.mac?.description)
      out.field("node", row.node)
      out.field("static", row.isStatic)
      out.field("managed_by", row.manager?.name)
      out.field("labels", row.labels)
      out.field("created_at", time: row.createdAt)
      out.field("expires_at", time: row.expiresAt)
      out.field("generation", row.generation)
      out.field("revision", row.revision)
    }
  }

  private mutating func released(_ row: Released) {
    object { out in
      out.field("pool", row.pool)
      out.field("ip", address: row.block.first)
      out.field("prefix_length", row.block.length < row.block.family.bitCount ? row.block.length : nil)
      out.field("owner", row.owner)
      out.field("released_at", time: row.releasedAt)
      out.field("quarantine_until", time: row.quarantineUntil)
    }
  }
}

extension FleetRow {
  /// Its type and its key as events name them.
  var named: (type: StaticString, key: String) {
    switch self {
    case .node(let row): ("node", row.name.text)
    case .vm(let row): ("vm", "\(row.key.tenant)/\(row.key.name)")
    case .quota(let row): ("quota", row.tenant.text)
    case .capacity(let row): ("capacity", row.name.text)
    }
  }
}
