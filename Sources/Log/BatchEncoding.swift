// Version 1 of an encoded batch: version byte, then little-endian sequence, epoch, nonce, time, seed, first revision
// (8 bytes each), previous (32), state hash (16), number of entries (4), then each entry as LEB128 length and bytes,
// and nothing after the last. There is exactly one encoding of a batch, so equal hashes mean equal batches.
import Platform

/// What is wrong with bytes that should be a batch.
package enum BatchFault: Error, Hashable, CustomStringConvertible {
  /// Written by another version of Berth.
  case unknownVersion(UInt8)
  /// The bytes end too early.
  case short
  /// Bytes follow the last entry.
  case trailingBytes(Int)
  /// More than `Batch.maxBytes` or `Batch.maxEntries`.
  case tooLarge
  /// A number is not written in its shortest form, or does not fit.
  case malformedNumber

  /// What is wrong, in words.
  package var description: String {
    switch self {
    case .unknownVersion(let version): "it is written in format \(version), this program knows format 1"
    case .short: "it is cut short"
    case .trailingBytes(let count): "\(count) bytes follow its end"
    case .tooLarge: "it is over \(Batch.maxBytes) bytes or \(Batch.maxEntries) entries"
    case .malformedNumber: "it holds a malformed number"
    }
  }
}

extension Batch {
  /// The version that `encode` writes.
  package static let version: UInt8 = 1
  /// Bytes of an encoded batch before its first entry.
  package static let headerBytes = 1 + 6 * 8 + 32 + 16 + 4

  /// Bytes that an entry of `count` bytes takes in an encoded batch.
  package static func encodedBytes(ofEntry count: Int) -> Int {
    ByteWriter.varintBytes(UInt64(count)) + count
  }

  /// Bytes of the encoding.
  package var encodedBytes: Int {
    entries.reduce(Batch.headerBytes) { $0 + Batch.encodedBytes(ofEntry: $1.count) }
  }

  /// True when every medium takes a batch of this size.
  package var fits: Bool { entries.count <= Batch.maxEntries && encodedBytes <= Batch.maxBytes }

  /// The encoding, version 1.
  package func encode() -> [UInt8] {
    var writer = ByteWriter(capacity: encodedBytes)
    writer.byte(Batch.version)
    for number in [sequence, epoch, nonce, UInt64(bitPattern: time), seed, firstRevision] { writer.fixed(number) }
    writer.raw(previous.bytes)
    writer.fixed(stateHash)
    writer.fixed(UInt32(entries.count))
    for entry in entries { writer.prefixed(entry) }
    return writer.bytes
  }

  /// Decodes and insists on every byte.
  package init(decoding bytes: [UInt8]) throws(BatchFault) {
    guard let version = bytes.first else { throw .short }
    guard version == Batch.version else { throw .unknownVersion(version) }
    guard bytes.count <= Batch.maxBytes else { throw .tooLarge }
    do {
      var reader = ByteReader(bytes)
      _ = try reader.byte()
      sequence = try reader.fixed(UInt64.self)
      epoch = try reader.fixed(UInt64.self)
      nonce = try reader.fixed(UInt64.self)
      time = Int64(bitPattern: try reader.fixed(UInt64.self))
      seed = try reader.fixed(UInt64.self)
      firstRevision = try reader.fixed(UInt64.self)
      previous = SHA256Digest(bytes: try reader.raw(32))
      stateHash = try reader.fixed(UInt128.self)
      let count = Int(try reader.fixed(UInt32.self))
      guard count <= Batch.maxEntries else { throw BatchFault.tooLarge }
      guard !firstRevision.addingReportingOverflow(UInt64(count)).overflow else { throw BatchFault.malformedNumber }
      entries = []
      entries.reserveCapacity(min(count, reader.remaining))
      for _ in 0..<count { entries.append(try reader.prefixed()) }
      guard reader.remaining == 0 else { throw BatchFault.trailingBytes(reader.remaining) }
    } catch let fault as BatchFault {
      throw fault
    } catch ByteFault.malformedNumber {
      throw .malformedNumber
    } catch {
      throw .short
    }
  }
}
