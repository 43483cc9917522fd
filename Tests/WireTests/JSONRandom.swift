import TestSupport
import Wire

/// Random documents, as trees and as text with all the freedom that the grammar leaves.
struct JSONRandom {
  var random: SeededRandom

  mutating func value(depth: Int = 4) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .null
    case 1: return .bool(random.oneIn(2))
    case 2: return .number(number())
    case 3, 4: return .string(string())
    case 5: return .array((0..<size()).map { _ in value(depth: depth - 1) })
    default:
      // The index keeps keys apart.
      return .object((0..<size()).map { .init("\($0):" + string(), value(depth: depth - 1)) })
    }
  }

  private mutating func size() -> Int { Int.random(in: random.oneIn(10) ? 14...24 : 0...3, using: &random) }

  private mutating func number() -> String {
    var text = random.oneIn(3) ? "-" : ""
    let digits = Int.random(in: 1...Int.max, using: &random) >> Int.random(in: 0..<63, using: &random)
    text += random.oneIn(4) ? "0" : "\(digits | 1)"
    if random.oneIn(3) { text += ".\(Int.random(in: 0...999, using: &random))" }
    if random.oneIn(4) { text += random.pick(["e", "E", "e+", "E-"]) + "\(Int.random(in: 0...40, using: &random))" }
    return text
  }

  private mutating func string() -> String {
    var scalars = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0...12, using: &random) {
      switch Int.random(in: 0..<8, using: &random) {
      case 0: scalars.append(UnicodeScalar(UInt8.random(in: 0..<0x20, using: &random)))
      case 1: scalars.append(random.pick(Array("\"\\/\u{7f}".unicodeScalars)))
      case 2: scalars.append(UnicodeScalar(UInt32.random(in: 0x80..<0xD800, using: &random))!)
      case 3: scalars.append(UnicodeScalar(UInt32.random(in: 0xE000...0x10FFFF, using: &random))!)
      default: scalars.append(UnicodeScalar(UInt8.random(in: 0x20..<0x7F, using: &random)))
      }
    }
    return String(scalars)
  }

  /// One of the many texts of a value: spaces anywhere, any escape that is allowed.
  mutating func text(of value: JSONValue) -> String {
    var out = space()
    switch value {
    case .null, .bool, .number: out += String(decoding: value.encoded(), as: UTF8.self)
    case .string(let text): out += quoted(text)
    case .array(let elements): out += "[" + elements.map { text(of: $0) }.joined(separator: ",") + space() + "]"
    case .object(let members):
      let texts = members.map { space() + quoted($0.key) + space() + ":" + text(of: $0.value) }
      out += "{" + texts.joined(separator: ",") + space() + "}"
    }
    return out + space()
  }

  private mutating func space() -> String { random.oneIn(8) ? random.pick([" ", "\n", "\t", "\r", "  "]) : "" }

  private mutating func quoted(_ text: String) -> String {
    var out = String.UnicodeScalarView("\"".unicodeScalars)
    for scalar in text.unicodeScalars {
      if scalar.value >= 0x20, scalar != "\"", scalar != "\\", !random.oneIn(6) {
        out.append(scalar)
        continue
      }
      for unit in UTF16.encode(scalar)! {
        let hex = String(unit, radix: 16, uppercase: random.oneIn(2))
        out.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).unicodeScalars)
      }
    }
    out.append("\"")
    return String(out)
  }

  /// Bytes with a few of them changed, lost, doubled or thrown in.
  mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let i = Int.random(in: 0...bytes.count, using: &random)
      switch Int.random(in: 0..<4, using: &random) {
      case 0: bytes.insert(random.pick(Array("{}[]:,\"\\0123456789.-+eEutrnfalsx /".utf8)), at: i)
      case 1 where i < bytes.count: bytes[i] = UInt8.random(in: 0...255, using: &random)
      case 2 where i < bytes.count: bytes.remove(at: i)
      case 3:
        let end = min(bytes.count, i + Int.random(in: 1...12, using: &random))
        bytes.insert(contentsOf: Array(bytes[i..<end]), at: i)
      default: break
      }
    }
    return bytes
  }
}
