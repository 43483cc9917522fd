// fuzzes: Sources/Platform Sources/Log
// Batches and snapshots. The first byte chooses: a batch; a snapshot as it is; or a sound snapshot made of the input, in
// which one byte is then changed: that must be found, wherever it is.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzBatch(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: start, count: count))
  guard let mode = input.first else { return 0 }
  let bytes = Array(input.dropFirst())
  switch mode % 3 {
  case 0:
    if let batch = try? Batch(decoding: bytes) {
      precondition(batch.encode() == bytes, "a batch has two encodings")
      precondition(batch.encodedBytes == bytes.count, "a batch counts its bytes wrongly")
    }
  case 1: _ = try? readAll(bytes)
  default: flipped(bytes)
  }
  return 0
}

/// The chunks of a snapshot that lies in memory.
private func readAll(_ bytes: [UInt8]) throws -> [SnapshotChunk] {
  let decoder = try SnapshotDecoder(name: "fuzzed", size: bytes.count) { (offset, count) throws(LogFault) in
    Array(bytes.dropFirst(offset).prefix(count))
  }
  var chunks: [SnapshotChunk] = []
  while let chunk = try decoder.next() { chunks.append(chunk) }
  return chunks
}

/// The first three bytes say where to change what; the rest is cut into chunks at each zero.
private func flipped(_ input: [UInt8]) {
  guard input.count > 3 else { return }
  let pieces = input.dropFirst(3).split(separator: 0, maxSplits: 7).map { Array($0) }
  var encoder = SnapshotEncoder()
  var file = encoder.prologue
  for (number, piece) in pieces.enumerated() { file += encoder.add(chunk: piece, revision: UInt64(number + 1)) }
  file += encoder.finish(logID: SHA256Digest(of: input), sequence: 9, revision: UInt64(pieces.count))
  let whole = try? readAll(file)
  precondition(whole?.map(\.bytes) == pieces, "a sound snapshot was not read as it was written")
  let place = (Int(input[0]) << 8 | Int(input[1])) % file.count
  let change = input[2] == 0 ? 1 : input[2]
  file[place] ^= change
  precondition((try? readAll(file)) == nil, "byte \(place) was changed by \(change), and nobody saw it")
}
