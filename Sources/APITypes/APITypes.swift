// APITypes: the JSON shapes of the HTTP contract, for both ends.
//
// Writing: extensions of `JSONWriter` that put a Domain value into a document. Reading: extensions of `JSONReader` that
// take it out again, strictly: an unknown field, a duplicate key, a wrong type or a name that breaks its rule is a
// `JSONFault` with the path of the field and the rule in words. What has been read is a Domain value, so nothing behind
// this room meets unchecked text.
//
// Shapes: `snake_case`; times are RFC 3339 in UTC with microseconds; counts of addresses are exact integers of any
// length; a field that has no value is `null`, never absent, except where the contract says "only when". Refused: a
// second set of structs beside Domain's that only copy them (what the wire needs beyond a noun is an argument), trees
// of `JSONValue` on the way of a request, decoding by reflection.
package import Addressing
package import Domain
package import Wire

extension JSONWriter {
  /// Writes an address as a string, `null` for nil.
  package mutating func field(_ key: StaticString, address: IPAddress?) {
    guard let address else { return fieldNull(key) }
    field(key, room: IPAddress.textBytesMax + 2) { $0.quoted(address) }
  }

  /// Writes an address as a string.
  package mutating func address(_ address: IPAddress) {
    value(room: IPAddress.textBytesMax + 2) { $0.quoted(address) }
  }

  /// Writes a network as a string.
  package mutating func field(_ key: StaticString, prefix: Prefix) {
    field(key, room: IPAddress.textBytesMax + 6) { $0.quoted(prefix) }
  }

  /// Writes a network as a string.
  package mutating func prefix(_ prefix: Prefix) {
    value(room: IPAddress.textBytesMax + 6) { $0.quoted(prefix) }
  }

  /// Writes a name as a string, `null` for nil.
  package mutating func field(_ key: StaticString, _ name: (some Name)?) { field(key, name?.text) }

  /// Writes a number of addresses with all its digits.
  package mutating func field(_ key: StaticString, _ count: AddressCount) {
    self.key(key)
    if let exact = count.exact { number(exact) } else { number(text: count.description) }
  }

  /// Writes labels as an object.
  package mutating func field(_ key: StaticString, _ labels: Labels) {
    self.key(key)
    object { writer in
      for pair in labels.pairs {
        writer.key(pair.key)
        writer.string(pair.value)
      }
    }
  }
}

extension OutputSpan<UInt8> {
  fileprivate mutating func quoted(_ address: IPAddress) {
    append(UInt8(ascii: "\""))
    address.append(to: &self)
    append(UInt8(ascii: "\""))
  }

  fileprivate mutating func quoted(_ prefix: Prefix) {
    append(UInt8(ascii: "\""))
    prefix.first.append(to: &self)
    append(UInt8(ascii: "/"))
    if prefix.length >= 100 { append(UInt8(ascii: "1")) }
    if prefix.length >= 10 { append(48 + UInt8(prefix.length / 10 % 10)) }
    append(48 + UInt8(prefix.length % 10))
    append(UInt8(ascii: "\""))
  }
}

extension JSONReader {
  /// Reads a string that follows the rule of a name.
  package mutating func name<N: Name>(_ type: N.Type = N.self) throws(JSONFault) -> N {
    guard let name = N(try string()) else { throw invalid("must be \(N.rule)") }
    return name
  }

  /// Reads a name from an answer: of what is there already, so that it may follow an earlier, wider rule.
  package mutating func storedName<N: Name>(_ type: N.Type = N.self) throws(JSONFault) -> N {
    guard let name = N(stored: try string()) else { throw invalid("must be 1 to \(N.maxBytes) bytes") }
    return name
  }

  /// Reads a name or `null`.
  package mutating func nameOrNull<N: Name>(_ type: N.Type = N.self) throws(JSONFault) -> N? {
    try null() ? nil : try name(type)
  }

  /// Reads an address, strictly.
  package mutating func address() throws(JSONFault) -> IPAddress {
    let text = try string()
    guard let address = IPAddress(text) else { throw invalid("\(quoted(text)) is not an IP address") }
    return address
  }

  /// Reads an address or `null`.
  package mutating func addressOrNull() throws(JSONFault) -> IPAddress? { try null() ? nil : try address() }

  /// Reads a network; host bits are an error.
  package mutating func prefix() throws(JSONFault) -> Prefix {
    let text = try string()
    do throws(Prefix.Fault) { return try Prefix(parsing: text) } catch { throw invalid(Self.words(error, text)) }
  }

  /// Reads `A-B`, `A/length` or `A`.
  package mutating func range() throws(JSONFault) -> AddressRange {
    let text = try string()
    do throws(AddressRange.Fault) {
      return try AddressRange(parsing: text)
    } catch {
      switch error {
      case .malformed: throw invalid("\(quoted(text)) is not a range: write A-B, A/length or A")
      case .reversed: throw invalid("\(quoted(text)): the first address is above the last")
      case .mixedFamilies: throw invalid("\(quoted(text)) mixes IPv4 and IPv6")
      case .prefix(let fault): throw invalid(Self.words(fault, text))
      }
    }
  }

  /// Reads a unicast hardware address or `null`.
  package mutating func macOrNull() throws(JSONFault) -> MACAddress? {
    if try null() { return nil }
    let text = try string()
    guard let mac = MACAddress(text), mac.isUnicast else {
      throw invalid("\(quoted(text)) is not a unicast MAC address: six pairs of hexadecimal digits joined by ':'")
    }
    return mac
  }

  /// Reads an object of strings.
  package mutating func labels() throws(JSONFault) -> Labels {
    var pairs: [(key: String, value: String)] = []
    try object { (key, reader) throws(JSONFault) in pairs.append((key.text, try reader.string())) }
    guard let labels = Labels(pairs) else { throw invalid(Labels.rule) }
    return labels
  }

  /// Reads a place in the fleet.
  package mutating func topology() throws(JSONFault) -> Topology {
    var topology = Topology()
    try object { (key, reader) throws(JSONFault) in
      switch key {
      case "datacenter": topology.datacenter = try reader.level()
      case "zone": topology.zone = try reader.level()
      case "rack": topology.rack = try reader.level()
      default: throw reader.unknownField(key)
      }
    }
    return topology
  }

  private mutating func level() throws(JSONFault) -> String? {
    if try null() { return nil }
    let text = try string()
    guard Topology.accepts(text) else { throw invalid("must be \(Topology.rule)") }
    return text
  }

  /// Reads a number of addresses of any length.
  package mutating func addressCount() throws(JSONFault) -> AddressCount {
    let text = try integerText()
    if let value = UInt128(text) { return AddressCount(value) }
    let whole = AddressCount(of: Prefix(containing: IPAddress(v6: 0), length: 0).range)
    guard text == whole.description else { throw invalid("is not a number of addresses") }
    return whole
  }

  /// What is wrong with a network's text.
  package static func words(_ fault: Prefix.Fault, _ text: String) -> String {
    switch fault {
    case .malformed: "\(quoted(text)) is not a network: write address/length"
    case .lengthOutOfRange: "\(quoted(text)): the length is 0 to 32 for IPv4, 0 to 128 for IPv6"
    case .hostBits(let meant): "\(quoted(text)) has bits set beyond its length: did you mean \(meant)?"
    }
  }

  private func quoted(_ text: String) -> String { Self.quoted(text) }

  private static func quoted(_ text: String) -> String { "'\(text.prefix(64))'" }
}
