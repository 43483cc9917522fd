/// Hashes of row bytes: one fixed for ever (the state hash), one seeded per process (the indexes).
enum RowHash {
  /// The 128-bit hash that a row adds to the state hash. Its definition is part of the stored format: a log replayed
  /// by newer code must come to the same sum. Two lanes of multiply-and-fold over little-endian words, the length
  /// mixed in at the end.
  static func state(_ bytes: [UInt8]) -> UInt128 { state(bytes, 0..<bytes.count) }

  /// As above, of a row that lies in `row` of `bytes`.
  static func state(_ bytes: [UInt8], _ row: Range<Int>) -> UInt128 {
    var a: UInt64 = 0x9E37_79B9_7F4A_7C15
    var b: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    var index = row.lowerBound
    while index < row.upperBound {
      let word = word(bytes, index, min(index + 8, row.upperBound))
      a = fold(a ^ word, 0xA076_1D64_78BD_642F)
      b = fold(b &+ word, 0xE703_7ED1_A0B4_28DB)
      index += 8
    }
    a = fold(a ^ UInt64(row.count), 0x8EBC_6AF0_9C88_C6E3)
    b = fold(b ^ a, 0x5899_65CC_7537_4CC3)
    return UInt128(a) << 64 | UInt128(b)
  }

  /// A 32-bit hash of `bytes[range]` for an index of this process.
  static func index(_ bytes: [UInt8], _ range: Range<Int>, seed: UInt64) -> UInt32 {
    var a = seed ^ UInt64(range.count)
    var index = range.lowerBound
    while index < range.upperBound {
      a = fold(a ^ word(bytes, index, min(index + 8, range.upperBound)), 0xA076_1D64_78BD_642F)
      index += 8
    }
    return UInt32(truncatingIfNeeded: fold(a, 0xE703_7ED1_A0B4_28DB) >> 32)
  }

  private static func word(_ bytes: [UInt8], _ start: Int, _ end: Int) -> UInt64 {
    if end - start == 8 {
      precondition(start >= 0 && end <= bytes.count, "a word outside of its bytes")
      return unsafe bytes.withUnsafeBytes {
        unsafe UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: start, as: UInt64.self))
      }
    }
    var word: UInt64 = 0
    var index = end
    while index > start {
      index -= 1
      word = word << 8 | UInt64(bytes[index])
    }
    return word
  }

  private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let (high, low) = a.multipliedFullWidth(by: b)
    return high ^ low ^ a
  }
}
