import Addressing

/// What kind of change an entry is: the `event` of the event stream.
package enum EntryKind: UInt8, Hashable, Sendable, CaseIterable {
  case poolCreated = 1
  case poolUpdated = 2
  case poolExpanded = 3
  case poolRolledBack = 4
  case poolDeleted = 5
  case reservationCreated = 6
  case reservationDeleted = 7
  case allocated = 8
  case allocationUpdated = 9
  case renewed = 10
  case released = 11
  case expired = 12
  case imported = 13
  case tokenCreated = 14
  case tokenRevoked = 15
  case nodeRegistered = 16
  case nodeUpdated = 17
  case nodeFenced = 18
  case nodeDeleted = 19
  case nodeLost = 20
  case vmCreated = 21
  case vmUpdated = 22
  case vmPlaced = 23
  case vmMoved = 24
  case vmReported = 25
  case vmDeleted = 26
  case quotaSet = 27
  case quotaDeleted = 28
  case capacityReserved = 29
  case capacityReleased = 30
  case nodeReclaimed = 36
  case agentEnrolled = 40

  /// As in the API.
  package var name: String {
    switch self {
    case .poolCreated: "pool_created"
    case .poolUpdated: "pool_updated"
    case .poolExpanded: "pool_expanded"
    case .poolRolledBack: "pool_rolled_back"
    case .poolDeleted: "pool_deleted"
    case .reservationCreated: "reservation_created"
    case .reservationDeleted: "reservation_deleted"
    case .allocated: "allocated"
    case .allocationUpdated: "allocation_updated"
    case .renewed: "renewed"
    case .released: "released"
    case .expired: "expired"
    case .imported: "imported"
    case .tokenCreated: "token_created"
    case .tokenRevoked: "token_revoked"
    case .nodeRegistered: "node_registered"
    case .nodeUpdated: "node_updated"
    case .nodeFenced: "node_fenced"
    case .nodeDeleted: "node_deleted"
    case .nodeLost: "node_lost"
    case .vmCreated: "vm_created"
    case .vmUpdated: "vm_updated"
    case .vmPlaced: "vm_placed"
    case .vmMoved: "vm_moved"
    case .vmReported: "vm_reported"
    case .vmDeleted: "vm_deleted"
    case .quotaSet: "quota_set"
    case .quotaDeleted: "quota_deleted"
    case .capacityReserved: "capacity_reserved"
    case .capacityReleased: "capacity_released"
    case .nodeReclaimed: "node_reclaimed"
    case .agentEnrolled: "agent_enrolled"
    }
  }
}

extension EntryKind {
  /// Whether entries of this kind change rows of nodes, VMs, quotas or kept capacity.
  package var isOfFleet: Bool { rawValue >= EntryKind.nodeRegistered.rawValue }
}

/// One command's place in history: who asked what, and every row it changed.
///
/// An entry answers again by itself: `outcome` needs nothing but the entry, so a repeat under an idempotency key gets
/// the first answer even after the rows have moved on. What an answer prints beyond its own rows (what the holder had
/// already, gateway, network) is in `told`. An immutable object, because it goes from hand to hand until it is published.
package final class Entry: Sendable {
  /// Its number.
  package let revision: Revision
  /// What kind of change.
  package let kind: EntryKind
  /// Who asked.
  package let actor: String
  /// The request's id.
  package let requestID: String
  /// What was asked, in the caller's words.
  package let asked: String
  /// The rows changed.
  package let effects: [Effect]
  /// What the answer prints beyond the rows changed.
  package let told: Told
  /// The binary form.
  package let encoded: [UInt8]

  /// Makes an entry as it is.
  package init(
    revision: Revision, kind: EntryKind, actor: String, requestID: String, asked: String, effects: [Effect], told: Told
  ) {
    (self.revision, self.kind, self.actor, self.requestID) = (revision, kind, actor, requestID)
    (self.asked, self.effects, self.told) = (asked, effects, told)
    encoded = Entry.encode(revision, kind, actor, requestID, asked, effects, told)
  }

  /// The same entry with further effects behind its own.
  package func adding(_ further: [Effect]) -> Entry {
    Entry(
      revision: revision, kind: kind, actor: actor, requestID: requestID, asked: asked, effects: effects + further,
      told: told)
  }

  /// The part of an answer that is not in the effects.
  package enum Told: Sendable {
    /// Nothing.
    case nothing
    /// Grants: rows beyond the effects in full, others by their place among the effects.
    case grants([Grant], unchanged: [String])
    /// Counts of an import.
    case report(imported: Int, already: Int, conflicts: Int)
  }
}

extension Entry {
  /// The answer that was given.
  package var outcome: Outcome {
    if let fleet = FleetOutcome(of: kind, effects, told) { return .fleet(fleet) }
    return switch (kind, told) {
    case (.allocated, .grants(let grants, let unchanged)): .granted(grants, isNew: true, unchanged: unchanged)
    case (.released, .grants(let grants, _)): .released(grants)
    case (.allocationUpdated, .grants(let grants, _)) where grants.count == 1: .allocation(grants[0])
    case (.renewed, .grants(let grants, _)) where grants.count == 1: .allocation(grants[0])
    case (.imported, .report(let imported, let already, let conflicts)):
      .imported(ImportReport(imported: imported, already: already, conflictCount: conflicts))
    default: rowOutcome
    }
  }

  private var rowOutcome: Outcome {
    for effect in effects {
      switch (effect.row, effect.isPut) {
      case (.pool(let pool), true): return .pool(pool)
      case (.pool(let pool), false): return .poolDeleted(pool)
      case (.reservation(let reservation), true): return .reservation(reservation)
      case (.reservation(let reservation), false): return .reservationDeleted(reservation)
      case (.token(let token), true) where kind == .agentEnrolled: return .enrolled(token, isNew: true)
      case (.token(let token), true): return .token(token, spent: effects.contains { !$0.isPut && $0.isOfOneTimeToken })
      case (.token(let token), false): return .tokenRevoked(token)
      default: continue
      }
    }
    return .expired(leases: 0, quarantines: 0)
  }
}

/// The binary form of entries, version 1.
extension Entry {
  static let version: UInt8 = 1

  private static func encode(
    _ revision: Revision, _ kind: EntryKind, _ actor: String, _ requestID: String, _ asked: String,
    _ effects: [Effect], _ told: Told
  ) -> [UInt8] {
    // What is in it beside the effects and the question is short; answers of many rows outgrow their place.
    var out = ByteWriter(capacity: effects.reduce(192 + asked.utf8.count) { $0 + $1.bytes.count + 4 })
    out.byte(Entry.version)
    out.byte(kind.rawValue)
    out.varint(revision)
    out.text(actor)
    out.text(requestID)
    out.text(asked)
    out.count(effects.count)
    for effect in effects {
      out.byte(effect.isPut ? 1 : 0)
      out.block(effect.bytes)
    }
    switch told {
    case .nothing: out.byte(0)
    case .grants(let grants, let unchanged):
      out.byte(1)
      out.grants(grants, among: effects)
      out.count(unchanged.count)
      for field in unchanged { out.text(field) }
    case .report(let imported, let already, let conflicts):
      out.byte(2)
      for number in [imported, already, conflicts] { out.varint(UInt64(number)) }
    }
    return out.bytes
  }

  /// Whether an entry is about nodes or VMs, by its bytes alone.
  package static func isOfFleet(_ bytes: [UInt8]) -> Bool {
    bytes.count > 1 && bytes[0] == version && (EntryKind(rawValue: bytes[1]).map { $0.isOfFleet } ?? false)
  }

  /// Reads an entry and nothing else.
  package convenience init(decoding bytes: [UInt8]) throws(CodingFault) {
    var reader = ByteReader(bytes)
    let version = try reader.byte()
    guard version == Entry.version else { throw .unknownVersion(version) }
    guard let kind = EntryKind(rawValue: try reader.byte()) else { throw .unknownKind("kind of entry") }
    let revision = try reader.varint()
    let (actor, requestID, asked) = (try reader.text(), try reader.text(), try reader.text())
    let effects = try reader.list { (reader) throws(CodingFault) in try Effect(decoding: &reader) }
    let told = try reader.told(among: effects)
    guard reader.isAtEnd else { throw .invalid("bytes after the entry") }
    self.init(
      revision: revision, kind: kind, actor: actor, requestID: requestID, asked: asked, effects: effects, told: told)
  }
}

extension Effect {
  fileprivate init(decoding reader: inout ByteReader) throws(CodingFault) {
    let isPut = try reader.flag()
    let bytes = try reader.block()
    self.init(isPut: isPut, row: try Row(decoding: bytes), bytes: bytes)
  }
}

extension Effect {
  fileprivate var isOfOneTimeToken: Bool { if case .token(let token) = row { token.isOneTime } else { false } }

  fileprivate func isAllocation(_ wanted: Allocation) -> Bool {
    guard case .allocation(let row) = row else { return false }
    return row === wanted || row.ip == wanted.ip && row.pool == wanted.pool
  }
}

extension ByteWriter {
  fileprivate mutating func grants(_ grants: [Grant], among effects: [Effect]) {
    count(grants.count)
    // Grants come in the order of their effects: the search goes on where the last one was found.
    var next = 0
    for grant in grants {
      let place = effects[next...].firstIndex { $0.isAllocation(grant.allocation) }
      if let place {
        varint(UInt64(place) + 1)
        next = place + 1
      } else {
        varint(0)
        block(Row.allocation(grant.allocation).encoded)
      }
      byte(grant.gateway == nil ? 0 : 1)
      if let gateway = grant.gateway { address(gateway) }
      prefix(grant.network)
    }
  }
}

extension ByteReader {
  fileprivate mutating func told(among effects: [Effect]) throws(CodingFault) -> Entry.Told {
    switch try byte() {
    case 0: return .nothing
    case 1:
      let grants = try list { (reader) throws(CodingFault) in try reader.grant(among: effects) }
      return .grants(grants, unchanged: try list { (reader) throws(CodingFault) in try reader.text() })
    case 2: return .report(imported: try small(), already: try small(), conflicts: try small())
    default: throw .unknownKind("kind of answer")
    }
  }

  private mutating func grant(among effects: [Effect]) throws(CodingFault) -> Grant {
    let place = try varint()
    guard place <= UInt64(effects.count) else { throw .invalid("grant beyond the effects") }
    let row = place == 0 ? try Row(decoding: try block()) : effects[Int(place) - 1].row
    guard case .allocation(let allocation) = row else { throw .invalid("grant is not an allocation") }
    let gateway = try flag() ? try address() : nil
    return Grant(allocation, gateway: gateway, network: try prefix())
  }
}
