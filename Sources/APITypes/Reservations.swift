package import Addressing
package import Domain
package import Wire

/// Body of `POST /api/v1/pools/{pool}/reservations`.
package struct ReserveBody: Sendable {
  /// The addresses.
  package let range: AddressRange
  /// Why.
  package let reason: String

  /// Reads a body.
  package init(decoding body: [UInt8]) throws(JSONFault) {
    var reader = JSONReader(body)
    var range: AddressRange?
    var reason = ""
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "range": range = try reader.range()
      case "reason":
        reason = try reader.string()
        if reason.utf8.count > Limits.reasonBytes { throw reader.invalid("at most \(Limits.reasonBytes) bytes") }
      default: throw reader.unknownField(key)
      }
    }
    try reader.end()
    guard let range else { throw reader.missing("range") }
    (self.range, self.reason) = (range, reason)
  }
}

/// Excluded addresses as the API shows them.
package struct ReservationView: Hashable, Sendable {
  /// The addresses.
  package let range: AddressRange
  /// Why.
  package let reason: String
  /// When it was made; nil = it is there by itself (network, broadcast, gateway).
  package let createdAt: LogTime?
  /// The entry that made it; nil = as above.
  package let revision: Revision?

  /// A reservation made by hand.
  package init(_ reservation: Reservation) {
    (range, reason) = (reservation.range, reservation.reason)
    (createdAt, revision) = (reservation.createdAt, reservation.revision)
  }

  /// An address that reserves itself.
  package init(automatic address: IPAddress, _ reason: String) {
    (range, self.reason, createdAt, revision) = (AddressRange(address, address), reason, nil, nil)
  }

  /// Reads one from an answer.
  package init(decoding reader: inout JSONReader) throws(JSONFault) {
    var range: AddressRange?
    var reason = ""
    var createdAt: LogTime?
    var revision: Revision?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "range": range = try reader.range()
      case "reason": reason = try reader.string()
      case "automatic": _ = try reader.bool()
      case "created_at": createdAt = try reader.timeOrNull()
      case "revision": revision = try reader.null() ? nil : try reader.integer()
      default: throw reader.unknownField(key)
      }
    }
    guard let range else { throw reader.missing("range") }
    (self.range, self.reason, self.createdAt, self.revision) = (range, reason, createdAt, revision)
  }
}

extension JSONWriter {
  /// Writes excluded addresses.
  package mutating func reservation(_ view: ReservationView) {
    beginObject()
    field("range", view.range.description)
    field("reason", view.reason)
    field("automatic", view.revision == nil)
    field("created_at", time: view.createdAt)
    field("revision", view.revision)
    endObject()
  }
}
