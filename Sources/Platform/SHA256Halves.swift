internal import COpenSSL

extension SHA256Digest {
  /// The digest of `data[range]` as two numbers, highest byte first; allocates nothing.
  package static func halves(of data: [UInt8], _ range: Range<Int>) -> (high: UInt128, low: UInt128) {
    precondition(range.lowerBound >= 0 && range.upperBound <= data.count, "\(range) is not in \(data.count) bytes")
    return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { target in
      unsafe data.withUnsafeBufferPointer { source in
        let start = unsafe source.baseAddress.map { unsafe $0 + range.lowerBound }
        _ = unsafe COpenSSL.SHA256(start, range.count, target.baseAddress)
      }
      var (high, low): (UInt128, UInt128) = (0, 0)
      for index in 0..<16 {
        unsafe high = high << 8 | UInt128(target[index])
        unsafe low = low << 8 | UInt128(target[16 + index])
      }
      return (high, low)
    }
  }
}
