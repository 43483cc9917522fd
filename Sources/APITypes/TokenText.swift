package import Domain

/// A text that must not be printed by accident.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  /// The text, for the one place that hands it out.
  package let text: String

  /// Wraps a secret.
  package init(_ text: String) { self.text = text }

  /// Not the text.
  package var description: String { "(secret)" }
  /// Not the text.
  package var debugDescription: String { "(secret)" }
}

/// How a token is written: `berth_`, 16 characters of id, `_`, 52 of secret, 7 of checksum; all base 32.
///
/// The checksum (CRC-32 of what stands before it) lets scanners tell a token from chance, and people notice a lost
/// character before a server counts it as a failed login. The server itself compares the hash of the 52 characters.
package enum TokenText {
  /// What every token begins with.
  package static let prefix = "berth_"
  /// Characters of the secret: 256 bits in base 32.
  package static let secretLength = 52
  private static let checkLength = 7
  /// Where the id stands.
  package static let idRange = 6..<22
  /// Where the secret stands.
  package static let secretRange = 23..<75
  /// Characters of the whole.
  package static let length = 82

  /// The text of an id and 32 random bytes.
  package static func make(_ id: TokenID, _ random: [UInt8]) -> Secret {
    precondition(random.count == 32, "a secret has 256 bits")
    let halves = [random[..<16], random[16...]].map { $0.reduce(UInt128(0)) { $0 << 8 | UInt128($1) } }
    // 130 bits each: two zero bits in front, so that both halves are whole characters.
    let secret = halves.map { TokenID.text(of: $0, count: secretLength / 2) }.joined()
    let text = "\(prefix)\(id)_\(secret)"
    return Secret(text + check(Array(text.utf8)))
  }

  /// What is wrong with a text that should be a token; nil = nothing that can be seen from here.
  package static func flaw(in text: String) -> String? {
    let bytes = Array(text.utf8)
    guard text.hasPrefix(prefix) else { return "a token begins with \(prefix)" }
    guard bytes.count == length else {
      return "a token has \(length) characters and this has \(bytes.count): was it copied whole?"
    }
    let body = bytes.prefix(length - checkLength)
    guard TokenID(bytes, idRange) != nil, bytes[22] == UInt8(ascii: "_"),
      check(Array(body)) == String(decoding: bytes.suffix(checkLength), as: UTF8.self)
    else { return "a character of the token is wrong: copy it again" }
    return nil
  }

  /// Whether something that looks like a token stands in `bytes[range]`.
  package static func isIn(_ bytes: [UInt8], _ range: Range<Int>) -> Bool {
    guard range.count >= secretRange.lowerBound + 16 else { return false }
    let mark = Array(prefix.utf8)
    var start = range.lowerBound
    while start + secretRange.lowerBound < range.upperBound {
      if bytes[start] == mark[0], bytes[start..<start + mark.count].elementsEqual(mark),
        TokenID(bytes, start + idRange.lowerBound..<start + idRange.upperBound) != nil,
        bytes[start + idRange.upperBound] == UInt8(ascii: "_")
      {
        return true
      }
      start += 1
    }
    return false
  }

  private static func check(_ bytes: [UInt8]) -> String {
    var crc: UInt32 = .max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
    }
    return TokenID.text(of: UInt128(~crc), count: checkLength)
  }
}
