internal import COpenSSL

/// A 32-byte digest.
package struct SHA256Digest: Hashable, Sendable {
  /// The 32 bytes.
  package let bytes: [UInt8]

  /// Takes 32 bytes as they are.
  package init(bytes: [UInt8]) {
    precondition(bytes.count == 32, "a SHA-256 digest has 32 bytes, not \(bytes.count)")
    self.bytes = bytes
  }

  /// The digest of `data`.
  package init(of data: [UInt8]) {
    var out = [UInt8](repeating: 0, count: 32)
    unsafe data.withUnsafeBufferPointer { source in
      unsafe out.withUnsafeMutableBufferPointer { target in
        _ = unsafe COpenSSL.SHA256(source.baseAddress, source.count, target.baseAddress)
      }
    }
    bytes = out
  }

  /// Lower-case hexadecimal.
  package var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
