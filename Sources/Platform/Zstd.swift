internal import CZstd

/// Compression of byte strings whose size is known and bounded.
package enum Zstd {
  /// `bytes` as one zstd frame.
  package static func compress(_ bytes: [UInt8], level: Int32 = 3) -> [UInt8] {
    let bound = ZSTD_compressBound(bytes.count)
    return unsafe [UInt8](unsafeUninitializedCapacity: bound) { target, count in
      count = unsafe bytes.withUnsafeBytes { source in
        unsafe ZSTD_compress(target.baseAddress, bound, source.baseAddress, source.count, level)
      }
      precondition(ZSTD_isError(count) == 0, "zstd could not compress \(bytes.count) bytes")
    }
  }

  /// The content of a frame that must hold exactly `size` bytes; nil when it does not.
  package static func decompress(_ frame: [UInt8], size: Int) -> [UInt8]? {
    var whole = false
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { target, count in
      let got = unsafe frame.withUnsafeBytes { source in
        unsafe ZSTD_decompress(target.baseAddress, size, source.baseAddress, source.count)
      }
      whole = ZSTD_isError(got) == 0 && got == size
      count = whole ? size : 0
    }
    return whole ? bytes : nil
  }
}
