// A batch as the value of its key: as it is, or compressed when it is large. What a batch costs in etcd goes with its
// bytes: the gateway turns them into JSON and back for the writer and for every node that watches, and every member
// writes them twice. Entries of one batch are much alike, so that compressed they are an eighth.
//
// Compressed: a byte 2 where a batch has its version 1, the size of the batch (32 bits, little-endian), one zstd frame.
package import Log
internal import Platform

/// The value of a key of the log.
package enum BatchValue {
  static let compressed: UInt8 = 2
  private static let headBytes = 5
  /// Smaller batches are left as they are: they cost little, and a look at etcd shows what they are.
  static let compressedFrom = 1_024
  /// The fastest: what etcd does with the bytes that a better one would save costs less.
  private static let level: Int32 = 1

  /// What is stored for an encoded batch.
  package static func pack(_ batch: [UInt8]) -> [UInt8] {
    guard batch.count >= compressedFrom else { return batch }
    let frame = Zstd.compress(batch, level: level)
    guard headBytes + frame.count < batch.count else { return batch }
    let size = UInt32(batch.count)
    return [compressed] + (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) } + frame
  }

  /// The encoded batch; only its size is looked at, the rest is for whoever decodes it.
  package static func unpack(_ value: [UInt8]) throws(BatchFault) -> [UInt8] {
    guard value.first == compressed else { return value }
    guard value.count > headBytes else { throw .short }
    let size = size(value)
    guard size <= Batch.maxBytes else { throw .tooLarge }
    guard let batch = Zstd.decompress(Array(value[headBytes...]), size: size) else { throw .short }
    return batch
  }

  /// How large the batch says that it is, for bounds on many of them.
  static func size(_ value: [UInt8]) -> Int {
    guard value.first == compressed, value.count > headBytes else { return value.count }
    return value[1..<headBytes].reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// The batch and its hash.
  static func read(_ value: [UInt8]) throws(BatchFault) -> StoredBatch {
    let bytes = try unpack(value)
    return StoredBatch(batch: try Batch(decoding: bytes), hash: SHA256Digest(of: bytes))
  }
}
