internal import CLinux

/// Randomness from the kernel.
package enum Entropy {
  /// `count` random bytes (at most 256).
  package static func bytes(_ count: Int) -> [UInt8] {
    precondition(count <= 256, "ask for at most 256 random bytes at a time")
    var out = [UInt8](repeating: 0, count: count)
    let got = unsafe out.withUnsafeMutableBytes { unsafe getrandom($0.baseAddress, $0.count, 0) }
    precondition(got == count, "getrandom gave \(got) of \(count) bytes")
    return out
  }

  /// 64 random bits.
  package static func uint64() -> UInt64 { bytes(8).reduce(0) { $0 << 8 | UInt64($1) } }
}
