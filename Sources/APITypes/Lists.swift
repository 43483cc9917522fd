package import Addressing
package import Domain
package import Wire

/// Where a list goes on: the key of the last item, opaque to clients.
package struct Cursor: Hashable, Sendable {
  /// The key's text.
  package let key: String

  /// Wraps the key of the last item.
  package init(_ key: String) { self.key = key }

  /// As it goes over the wire: hexadecimal, so that nobody is tempted to make one up.
  package var text: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: key.utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Most characters of a cursor.
  package static let limit = 512

  /// Reads a cursor; nil if it is none of ours.
  package init?(text: String) {
    let bytes = Array(text.utf8.prefix(Cursor.limit + 1))
    guard !bytes.isEmpty, bytes.count % 2 == 0, bytes.count <= Cursor.limit else { return nil }
    var key: [UInt8] = []
    for index in stride(from: 0, to: bytes.count, by: 2) {
      guard let high = Cursor.digit(bytes[index]), let low = Cursor.digit(bytes[index + 1]) else { return nil }
      key.append(high << 4 | low)
    }
    guard let text = String(validating: key, as: UTF8.self) else { return nil }
    self.key = text
  }

  private static func digit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 48...57: byte - 48
    case 97...102: byte - 87
    default: nil
    }
  }
}

/// One page of a list.
package struct Page<Item: Sendable>: Sendable {
  /// The items in order.
  package let items: [Item]
  /// What `cursor` of the next request must be; nil = this was the last page.
  package let next: Cursor?

  /// Makes a page.
  package init(_ items: [Item], next: Cursor?) { (self.items, self.next) = (items, next) }

  /// Reads `{"items":[...],"next_cursor":...}`.
  package init(
    decoding reader: inout JSONReader, item: (inout JSONReader) throws(JSONFault) -> Item
  ) throws(JSONFault) {
    var items: [Item] = []
    var next: Cursor?
    try reader.object { (key, reader) throws(JSONFault) in
      switch key {
      case "items": items = try reader.list(item)
      case "next_cursor": next = try reader.null() ? nil : Cursor(text: try reader.string())
      default: throw reader.unknownField(key)
      }
    }
    self.init(items, next: next)
  }

  /// The page as a document.
  package func encoded(_ write: (inout JSONWriter, Item) -> Void) -> [UInt8] {
    var out = JSONWriter(capacity: 64 + 256 * items.count)
    out.object { out in
      out.key("items")
      out.array { out in for item in items { write(&out, item) } }
      out.field("next_cursor", next?.text)
    }
    return out.finish()
  }
}

/// Where an allocation stands in a list over all pools: pool by name, then address by number.
package struct AllocationPlace: Hashable, Sendable {
  /// The pool.
  package let pool: PoolName
  /// The address; nil = before the first.
  package let ip: IPAddress?

  /// Names a place.
  package init(pool: PoolName, ip: IPAddress?) { (self.pool, self.ip) = (pool, ip) }

  /// Reads a place from a cursor's key.
  package init?(_ cursor: Cursor) {
    let parts = cursor.key.split(separator: " ", omittingEmptySubsequences: false)
    guard parts.count == 2, let pool = PoolName(String(parts[0])) else { return nil }
    guard let ip = IPAddress(parts[1]) else {
      guard parts[1].isEmpty else { return nil }
      self.init(pool: pool, ip: nil)
      return
    }
    self.init(pool: pool, ip: ip)
  }

  /// The cursor of this place.
  package var cursor: Cursor { Cursor("\(pool) \(ip?.description ?? "")") }
}
