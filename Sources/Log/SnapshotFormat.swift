// The bytes of a snapshot, the same in every medium: eight bytes of magic, a version byte, chunks, a footer.
// A chunk is compressed length (4), raw length (4), revision (8), SHA-256 of these and the compressed bytes (32), then
// the compressed bytes. The footer begins with a compressed length of 0 and ends with a SHA-256 over all digests before
// it and over itself, so a snapshot that was cut, reordered or patched never opens.
package import Platform

private let magic = Array("BERTHSNP".utf8)
private let version: UInt8 = 1
private let prologueBytes = 9
private let chunkHeaderBytes = 4 + 4 + 8 + 32
private let footerBytes = 4 + 32 + 8 + 8 + 8 + 4 + 32

/// Turns chunks into the bytes of a snapshot, piece by piece; the medium writes the pieces one after another.
package struct SnapshotEncoder {
  private var digests: [UInt8] = []
  private var chunks: UInt32 = 0
  private var oldest = UInt64.max
  private var newest: UInt64 = 0

  /// Begins a snapshot.
  package init() {}

  /// The first bytes.
  package var prologue: [UInt8] { magic + [version] }

  /// The bytes of the next chunk.
  package mutating func add(chunk: [UInt8], revision: UInt64) -> [UInt8] {
    precondition(chunk.count <= SnapshotChunk.maxBytes, "a chunk of \(chunk.count) bytes is over the limit")
    precondition(chunks < SnapshotLimits.maxChunks, "a snapshot of over \(SnapshotLimits.maxChunks) chunks")
    let compressed = Zstd.compress(chunk)
    var header = ByteWriter(capacity: chunkHeaderBytes + compressed.count)
    header.fixed(UInt32(compressed.count))
    header.fixed(UInt32(chunk.count))
    header.fixed(revision)
    let digest = SHA256Digest(of: header.bytes + compressed).bytes
    header.raw(digest)
    header.raw(compressed)
    digests += digest
    chunks += 1
    oldest = min(oldest, revision)
    newest = max(newest, revision)
    return header.bytes
  }

  /// The last bytes; `sequence` is the batch that holds `revision`, the revision of the newest chunk.
  package func finish(logID: SHA256Digest, sequence: UInt64, revision: UInt64) -> [UInt8] {
    precondition(chunks == 0 || newest == revision, "a snapshot ends with the revision of its newest chunk")
    var footer = ByteWriter(capacity: footerBytes)
    footer.fixed(UInt32(0))
    footer.raw(logID.bytes)
    footer.fixed(sequence)
    footer.fixed(min(oldest, revision))
    footer.fixed(revision)
    footer.fixed(chunks)
    footer.raw(SHA256Digest(of: digests + footer.bytes).bytes)
    return footer.bytes
  }
}

/// Reads a snapshot from wherever its bytes are; verifies all of it before the first chunk is given.
package final class SnapshotDecoder: SnapshotReader {
  /// Gives `count` bytes at an offset, fewer only at the end.
  package typealias Source = (_ offset: Int, _ count: Int) throws(LogFault) -> [UInt8]

  /// What the snapshot covers.
  package let header: SnapshotHeader
  private let name: String
  private let source: Source
  private var offset = prologueBytes

  /// Verifies the snapshot called `name` (for faults), `size` bytes long.
  package init(name: String, size: Int, source: @escaping Source) throws(LogFault) {
    self.name = name
    self.source = source
    var scan = SnapshotScan(name: name, source: source)
    header = try scan.verify(size: size)
  }

  /// What a snapshot says that it covers, without any check; nil when its end is not one.
  package static func claim(size: Int, source: Source) throws(LogFault) -> SnapshotHeader? {
    guard size >= prologueBytes + footerBytes else { return nil }
    let bytes = try source(size - footerBytes, footerBytes)
    return bytes.count == footerBytes ? SnapshotHeader(footer: bytes) : nil
  }

  /// The next chunk, nil after the last.
  package func next() throws(LogFault) -> SnapshotChunk? {
    let scan = SnapshotScan(name: name, source: source)
    guard let piece = try scan.piece(at: offset) else { return nil }
    guard let bytes = Zstd.decompress(piece.compressed, size: piece.rawBytes) else {
      throw .damagedSnapshot(name: name, what: "the chunk at byte \(offset) does not decompress")
    }
    offset += chunkHeaderBytes + piece.compressed.count
    return SnapshotChunk(bytes: bytes, revision: piece.revision)
  }
}

private struct SnapshotPiece {
  let compressed: [UInt8]
  let rawBytes: Int
  let revision: UInt64
  let digest: [UInt8]
}

private struct SnapshotScan {
  let name: String
  let source: SnapshotDecoder.Source
  private var digests: [UInt8] = []

  init(name: String, source: @escaping SnapshotDecoder.Source) {
    self.name = name
    self.source = source
  }

  private func damaged(_ what: String) -> LogFault { .damagedSnapshot(name: name, what: what) }

  private func read(_ offset: Int, _ count: Int) throws(LogFault) -> ByteReader {
    let bytes = try source(offset, count)
    guard bytes.count == count else { throw damaged("it is cut short") }
    return ByteReader(bytes)
  }

  /// The chunk at `offset`, nil when the footer is there.
  func piece(at offset: Int) throws(LogFault) -> SnapshotPiece? {
    var head = try read(offset, 4)
    let length = Int(short { () throws(ByteFault) in try head.fixed(UInt32.self) })
    guard length > 0 else { return nil }
    var rest = try read(offset + 4, chunkHeaderBytes - 4)
    let rawBytes = Int(short { () throws(ByteFault) in try rest.fixed(UInt32.self) })
    let revision = short { () throws(ByteFault) in try rest.fixed(UInt64.self) }
    let digest = short { () throws(ByteFault) in try rest.raw(32) }
    guard rawBytes <= SnapshotChunk.maxBytes, length <= 2 * SnapshotChunk.maxBytes else {
      throw damaged("the chunk at byte \(offset) names an impossible size")
    }
    var body = try read(offset + chunkHeaderBytes, length)
    let compressed = short { () throws(ByteFault) in try body.raw(length) }
    var signed = ByteWriter(capacity: 16 + length)
    signed.fixed(UInt32(length))
    signed.fixed(UInt32(rawBytes))
    signed.fixed(revision)
    signed.raw(compressed)
    guard SHA256Digest(of: signed.bytes).bytes == digest else {
      throw damaged("the checksum of the chunk at byte \(offset) does not match")
    }
    return SnapshotPiece(compressed: compressed, rawBytes: rawBytes, revision: revision, digest: digest)
  }

  mutating func verify(size: Int) throws(LogFault) -> SnapshotHeader {
    var prologue = try read(0, prologueBytes)
    guard short({ () throws(ByteFault) in try prologue.raw(8) }) == magic else {
      throw damaged("it does not begin as a snapshot does")
    }
    let found = short { () throws(ByteFault) in try prologue.byte() }
    guard found == version else { throw .newerVersion(path: name, found: Int(found), known: Int(version)) }
    var offset = prologueBytes
    var count = 0
    while let piece = try piece(at: offset) {
      offset += chunkHeaderBytes + piece.compressed.count
      digests += piece.digest
      count += 1
      guard count <= SnapshotLimits.maxChunks else { throw damaged("it has too many chunks") }
    }
    guard size == offset + footerBytes else { throw damaged("its length is not what its end says") }
    return try footer(at: offset, chunks: count)
  }

  private func footer(at offset: Int, chunks: Int) throws(LogFault) -> SnapshotHeader {
    let bytes = try source(offset, footerBytes)
    guard bytes.count == footerBytes,
      SHA256Digest(of: digests + bytes.prefix(footerBytes - 32)).bytes == Array(bytes.suffix(32))
    else { throw damaged("the checksum at its end does not match") }
    let header = SnapshotHeader(footer: bytes)
    guard header.chunks == chunks else { throw damaged("it does not have the chunks that its end counts") }
    return header
  }

}

extension SnapshotHeader {
  fileprivate init(footer bytes: [UInt8]) {
    var reader = ByteReader(bytes)
    self = short { () throws(ByteFault) in
      _ = try reader.fixed(UInt32.self)
      return SnapshotHeader(
        logID: SHA256Digest(bytes: try reader.raw(32)), newestSequence: try reader.fixed(UInt64.self),
        oldestRevision: try reader.fixed(UInt64.self), newestRevision: try reader.fixed(UInt64.self),
        chunks: Int(try reader.fixed(UInt32.self)))
    }
  }
}

/// Reads from bytes whose number was checked before.
private func short<T>(_ body: () throws(ByteFault) -> T) -> T {
  do { return try body() } catch { preconditionFailure("the bytes were counted before they were read") }
}
