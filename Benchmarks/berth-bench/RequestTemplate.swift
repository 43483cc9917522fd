/// The text of a request with places that differ in each: `%n` number, `%r` random number, `%a` address.
struct RequestTemplate {
  private enum Piece {
    case literal([UInt8])
    case number
    case random
    case address
  }

  /// What fills the places.
  struct Filling {
    var digits = 13
    var randomRange: UInt64 = 1
    var addressBase: UInt32 = 0
    var addressStride: UInt32 = 1
    var random = SplitMix64(state: 1)
  }

  private var pieces: [Piece] = []

  init(_ text: String) throws(Failure) {
    var literal: [UInt8] = []
    var bytes = Array(text.utf8)[...]
    while let byte = bytes.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        literal.append(byte)
        continue
      }
      let piece: Piece
      switch bytes.popFirst().map(Unicode.Scalar.init) {
      case "n": piece = .number
      case "r": piece = .random
      case "a": piece = .address
      default: throw Failure("after % a template takes n, r or a: '\(text)'")
      }
      pieces += [.literal(literal), piece]
      literal = []
    }
    pieces.append(.literal(literal))
  }

  /// The length of every text made from this, nil when addresses make it vary.
  func fixedLength(digits: Int) -> Int? {
    var total = 0
    for piece in pieces {
      switch piece {
      case .literal(let bytes): total += bytes.count
      case .number, .random: total += digits
      case .address: return nil
      }
    }
    return total
  }

  /// Appends request `number` to `out`.
  func render(_ number: Int, _ filling: inout Filling, into out: inout [UInt8]) {
    for piece in pieces {
      switch piece {
      case .literal(let bytes): out.append(contentsOf: bytes)
      case .number: Self.append(UInt64(number), digits: filling.digits, to: &out)
      case .random:
        Self.append(filling.random.next() % filling.randomRange, digits: filling.digits, to: &out)
      case .address:
        let offset = UInt32(truncatingIfNeeded: number) &* filling.addressStride
        out.append(contentsOf: Self.dotted(filling.addressBase &+ offset).utf8)
      }
    }
  }

  private static func append(_ value: UInt64, digits: Int, to out: inout [UInt8]) {
    let start = out.count
    var value = value
    out.append(contentsOf: repeatElement(48, count: digits))
    for i in stride(from: start + digits - 1, through: start, by: -1) {
      out[i] = 48 + UInt8(value % 10)
      value /= 10
    }
  }

  private static func dotted(_ address: UInt32) -> String {
    "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
  }

  /// The address of four decimal numbers with dots.
  static func address(_ text: String) throws(Failure) -> UInt32 {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    guard parts.count == 4, !parts.contains(nil) else { throw Failure("'\(text)' is no IPv4 address") }
    return parts.reduce(0) { $0 << 8 | UInt32($1!) }
  }
}

/// A small generator with a seed, so that two runs send the same requests.
struct SplitMix64 {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
