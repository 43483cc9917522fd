import Log
import Platform
import Testing

@Suite struct BatchEncodingTests {
  private let sample = Batch(
    sequence: 2, epoch: 3, nonce: 0x0102_0304_0506_0708, time: 1_700_000_000_000_000, seed: 5, firstRevision: 9,
    previous: SHA256Digest(bytes: Array(0..<32)), stateHash: 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100,
    entries: [[], [1, 2, 3], Array(repeating: 7, count: 130)])

  @Test func versionOneKeepsItsBytes() {
    let golden =
      "01" + "0200000000000000" + "0300000000000000" + "0807060504030201" + "00401e18240a0600" + "0500000000000000"
      + "0900000000000000" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
      + "000102030405060708090a0b0c0d0e0f" + "03000000" + "00" + "03010203" + "8201"
      + String(repeating: "07", count: 130)
    #expect(hex(sample.encode()) == golden)
    #expect(sample.encode().count == sample.encodedBytes)
    #expect(sample.hash.hex == SHA256Digest(of: sample.encode()).hex)
  }

  @Test func decodingGivesBackWhatWasEncoded() throws {
    #expect(try Batch(decoding: sample.encode()) == sample)
    for size in [0, 1, 127, 128, 16_383, 16_384, 200_000] {
      let batch = nextBatch(LogHead(empty: sample.previous), sizes: [size, 0, size])
      #expect(batch.encode().count == batch.encodedBytes)
      #expect(try Batch(decoding: batch.encode()) == batch)
    }
  }

  @Test func everyCutIsRefused() {
    let bytes = sample.encode()
    for count in bytes.indices { #expect(throws: BatchFault.short) { try Batch(decoding: Array(bytes.prefix(count))) } }
  }

  @Test func trailingBytesAreRefused() {
    #expect(throws: BatchFault.trailingBytes(1)) { try Batch(decoding: sample.encode() + [0]) }
  }

  @Test func anUnknownVersionIsNamed() {
    var bytes = sample.encode()
    bytes[0] = 2
    let fault = #expect(throws: BatchFault.self) { try Batch(decoding: bytes) }
    #expect(fault == .unknownVersion(2))
    #expect(fault?.description == "it is written in format 2, this program knows format 1")
  }

  @Test func aLongFormOfANumberIsRefused() {
    var bytes = sample.encode()
    bytes.replaceSubrange(Batch.headerBytes...Batch.headerBytes, with: [0x80, 0x00])
    #expect(throws: BatchFault.malformedNumber) { try Batch(decoding: bytes) }
  }

  @Test func tooManyEntriesOrBytesAreRefused() {
    let head = LogHead(empty: sample.previous)
    let many = nextBatch(head, sizes: Array(repeating: 0, count: Batch.maxEntries + 1))
    #expect(!many.fits)
    #expect(throws: BatchFault.tooLarge) { try Batch(decoding: many.encode()) }
    let entry = Batch.maxBytes - Batch.headerBytes - 3
    let largest = nextBatch(head, sizes: [entry])
    #expect(largest.fits && largest.encodedBytes == Batch.maxBytes)
    let large = nextBatch(head, sizes: [entry + 1])
    #expect(!large.fits)
    #expect(throws: BatchFault.tooLarge) { try Batch(decoding: large.encode()) }
  }

  @Test(arguments: [1, 2, 3] as [UInt64])
  func flippedBytesDecodeToAnotherBatchOrNotAtAll(seed: UInt64) throws {
    var random = SplitMix(state: seed)
    for _ in 0..<2000 {
      var bytes = sample.encode()
      let index = Int.random(in: bytes.indices, using: &random)
      bytes[index] ^= UInt8.random(in: 1...255, using: &random)
      if let other = try? Batch(decoding: bytes) { #expect(other != sample && other.encode() == bytes) }
    }
  }

  private func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
