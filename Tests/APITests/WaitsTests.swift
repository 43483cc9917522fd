import Platform
import TestSupport
import Testing

@testable import API

@Suite("Who waits") struct WaitsTests {
  /// Something comes just while it is looked whether it has: whoever waits hears of it then, not when time is over.
  @Test func whatComesWhileItIsLookedForIsNotMissed() {
    let looks = Shared<Int>(0)
    let later = Shared<(@Sendable () -> Void)?>(nil)
    let waits = Waits<Int>("test-waits", most: 4) { keys in
      let number = looks.withLock { count -> Int in
        count += 1
        return count
      }
      if number == 1 { later.withLock { $0 }?() }
      return keys.map { _ in number > 1 }
    }
    later.withLock { $0 = { waits.notify() } }
    let end = Shared<Bool?>(nil)
    #expect(waits.wait(for: 1, until: .now + .seconds(600)) { isHere in end.withLock { $0 = isHere } })
    #expect(eventually { end.withLock { $0 } == true })
    waits.stop()
  }

  @Test func soManyMayWaitAndTheEndAnswersAll() {
    let waits = Waits<Int>("test-waits", most: 2) { $0.map { _ in false } }
    let ends = Shared<[Bool]>([])
    let then: @Sendable (Bool) -> Void = { isHere in ends.withLock { $0.append(isHere) } }
    #expect(waits.wait(for: 1, until: .now + .seconds(600), then: then))
    #expect(waits.wait(for: 2, until: .now + .seconds(600), then: then))
    #expect(!waits.wait(for: 3, until: .now + .seconds(600), then: then) && waits.count == 2)
    waits.stop()
    #expect(ends.withLock { $0 } == [false, false])
    #expect(!waits.wait(for: 4, until: .now + .seconds(600), then: then))
  }
}
