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

  /// Two thousand times as many would be the end of the process.
  @Test func aThreadThatNobodyJoinsLeavesNothing() {
    let stacks = {
      (Files.read("/proc/self/maps").map { String(decoding: $0, as: UTF8.self) } ?? "").split(separator: "\n").count
    }
    let before = stacks()
    for _ in 0..<500 {
      let ended = Gate()
      _ = Thread(name: "alone") { ended.open() }
      ended.pass()
    }
    #expect(eventually { stacks() < before + 250 }, "\(before) mappings have become \(stacks())")
  }

  @Test func whoLooksANameUpWaitsNoLongerThanItMay() throws {
    let resolver = Shared((gate: Gate(), asked: 0))
    let names = NameLookup(host: "db.example", port: 80) { _, port throws(NetFault) in
      resolver.withLock {
        $0.asked += 1; return $0.gate
      }.pass()
      return try SocketAddress.resolve(host: "127.0.0.1", port: port)
    }
    for _ in 0..<3 {
      let fault = #expect(throws: NetFault.self) { try names.addresses(until: .now + .milliseconds(5)) }
      #expect(fault?.sentence.contains("db.example") == true)
    }
    #expect(resolver.withLock { $0.asked } == 1, "one look-up at a time")
    resolver.withLock { $0.gate }.open()
    #expect(try names.addresses(until: .now + .seconds(20)).map(\.port) == [80])
    // Hung again: what was said last serves.
    let hung = Gate()
    resolver.withLock { $0.gate = hung }
    #expect(eventually { (try? names.addresses(until: .now + .milliseconds(5)))?.map(\.port) == [80] })
    hung.open()
  }

  @Test func anAddressIsNotLookedUp() throws {
    for host in ["127.0.0.1", "::1"] {
      let names = NameLookup(host: host, port: 81) { host, port throws(NetFault) in
        Issue.record("\(host) was looked up")
        return try SocketAddress.resolve(host: host, port: port)
      }
      #expect(try names.addresses(until: MonotonicTime.now).map(\.port) == [81])
    }
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
