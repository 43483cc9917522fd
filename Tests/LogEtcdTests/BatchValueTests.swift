import Log
import Platform
import TestSupport
import Testing

@testable import LogEtcd

/// A batch as the value of its key in etcd.
@Suite struct BatchValueTests {
  private func batch(_ entries: Int) -> Batch {
    Batch(
      sequence: 7, epoch: 3, nonce: 11, time: 13, seed: 17, firstRevision: 19, previous: SHA256Digest(of: [1]),
      stateHash: 23, entries: (0..<entries).map { Array("entry \($0) for vm-\($0 * 7) of tenant default".utf8) })
  }

  @Test func aLargeBatchIsStoredSmallAndReadAsItWas() throws {
    let bytes = batch(256).encode()
    let value = BatchValue.pack(bytes)
    #expect(value.count * 4 < bytes.count, "\(value.count) of \(bytes.count)")
    let size = UInt32(bytes.count)
    let head: [UInt8] = [2, UInt8(size & 255), UInt8(size >> 8 & 255), UInt8(size >> 16), 0]
    #expect(Array(value.prefix(5)) == head)
    #expect(try BatchValue.unpack(value) == bytes)
    #expect(try BatchValue.read(value).batch.entries == batch(256).entries)
    #expect(try BatchValue.read(value).hash == batch(256).hash, "the hash is that of the batch, not of its value")
    #expect(BatchValue.pack(bytes) == value, "sent again, the same bytes")
  }

  @Test func aSmallBatchAndOneThatDoesNotShrinkAreStoredAsTheyAre() throws {
    let small = batch(3).encode()
    #expect(small.count < BatchValue.compressedFrom && BatchValue.pack(small) == small)
    var noise = batch(0)
    var random = SeededRandom(seed: 1)
    noise.entries = [(0..<4_000).map { _ in UInt8.random(in: 0...255, using: &random) }]
    #expect(BatchValue.pack(noise.encode()) == noise.encode())
    #expect(try BatchValue.read(noise.encode()).batch.entries == noise.entries)
  }

  @Test func aValueThatLiesOfItselfIsRefused() {
    let value = BatchValue.pack(batch(256).encode())
    func refusal(_ change: (inout [UInt8]) -> Void) -> BatchFault? {
      var bad = value
      change(&bad)
      do throws(BatchFault) { _ = try BatchValue.read(bad) } catch { return error }
      return nil
    }
    #expect(refusal { $0 = [2] } == .short)
    #expect(refusal { $0.removeLast() } == .short, "cut")
    #expect(refusal { $0.append(0) } == .short, "something follows")
    #expect(refusal { $0[1] ^= 1 } == .short, "another size")
    #expect(refusal { $0.replaceSubrange(1..<5, with: [255, 255, 255, 255]) } == .tooLarge)
    #expect(refusal { $0[0] = 3 } == .unknownVersion(3))
  }
}
