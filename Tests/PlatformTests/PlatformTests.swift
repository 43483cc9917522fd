import Platform
import TestSupport
import Testing

@Suite struct PlatformTests {
  /// The first example of FIPS 180-2, appendix B.1.
  @Test func sha256AgreesWithThePublishedExample() {
    #expect(
      SHA256Digest(of: Array("abc".utf8)).hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test func aWriterIsAloneAndReadersAreNot() {
    let lock = ReaderWriterLock()
    let counts = Counts()
    let threads = (0..<4).map { number in
      Thread(name: "rw-\(number)") {
        for _ in 0..<2_000 {
          if number == 0 {
            lock.write {
              counts.a += 1
              counts.b += 1
            }
          } else {
            lock.read { precondition(counts.a == counts.b, "a reader saw half a write") }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(counts.a == 2_000)
  }

  @Test func waitingWithATimeoutEnds() {
    let lock = Lock()
    let condition = Condition()
    #expect(lock.withLock { condition.wait(lock, timeout: .milliseconds(1)) } == false)
  }

  @Test func theMonotonicClockDoesNotGoBack() {
    var last = MonotonicTime.now
    for _ in 0..<1_000 {
      let now = MonotonicTime.now
      #expect(last <= now)
      last = now
    }
  }
}

// Guarded by the lock under test.
private final class Counts: @unchecked Sendable {
  var a = 0
  var b = 0
}
