internal import APITypes
internal import Addressing
package import Domain

/// An entry as one line, for `berth log dump`.
package enum EntryLine {
  /// One JSON document, the same as an event's data.
  package static func json(_ entry: Entry, _ time: LogTime) -> [UInt8] { EventFrame.document(entry, time) + [0x0A] }

  /// Words for people: revision, time, kind, who, under which request, and each row.
  package static func text(_ entry: Entry, _ time: LogTime) -> [UInt8] {
    var line = "\(entry.revision) \(Instant.text(time)) \(entry.kind.name) by \(plain(entry.actor))"
    line += " request \(plain(entry.requestID))"
    for effect in entry.effects { line += "; \(effect.isPut ? "put" : "delete") \(words(effect.row))" }
    return Array(line.utf8) + [0x0A]
  }

  private static func words(_ row: Row) -> String {
    switch row {
    case .pool(let row): "pool \(row.name) \(row.cidr)"
    case .reservation(let row): "reservation \(row.pool)/\(row.range)"
    case .allocation(let row):
      "allocation \(row.pool)/\(row.isChildPrefix ? "\(row.block)" : "\(row.ip)") \(row.tenant)/\(row.owner)/\(row.interface)"
        + " generation \(row.generation)"
    case .released(let row):
      "released \(row.pool)/\(row.block.first) of \(row.owner)"
        + (row.quarantineUntil.map { " until \(Instant.text($0))" } ?? "")
    case .cursor(let pool, let ip): "cursor \(pool) \(ip)"
    case .answered(_, let revision, _): "answered \(revision)"
    case .token(let token): "token \(token.id) \(token.role.name) \(token.scope.text)"
    case .fleet(.node(let row)): "node \(row.name) \(row.state.name) epoch \(row.epoch)"
    case .fleet(.vm(let row)):
      "vm \(row.key.tenant)/\(row.key.name) \(row.state.name) epoch \(row.epoch)" + (row.node.map { " on \($0)" } ?? "")
    case .fleet(let row): "\(row.named.type) \(row.named.key)"
    }
  }

  /// What callers chose, without anything that a terminal would obey.
  private static func plain(_ text: String) -> String {
    var out = ""
    for scalar in text.unicodeScalars { out.unicodeScalars.append((33...126).contains(scalar.value) ? scalar : "?") }
    return out.isEmpty ? "-" : out
  }
}
