import Domain
import Testing
import VMM

/// What every backend does, whatever it runs.
@Suite struct VMMConformanceTests {
  @Test(arguments: backends) func whatWasOrderedIsSeenAtOnceAndRunsInTheEnd(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    #expect(backend.observe().isEmpty)
    backend.ensure(order(1, epoch: 3))
    #expect(backend.observe().map(\.order) == [order(1, epoch: 3)])
    #expect([.starting, .running].contains(backend.phase(1)))
    settle()
    #expect(backend.phase(1) == .running)
  }

  /// Whatever becomes of the machine: it has the network of its order, and no other.
  @Test(arguments: backends) func s0_38_aMachineHasTheNetworkThatWasOrdered(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    backend.ensure(guestOrder(1))
    #expect(backend.observe().map(\.order.interfaces) == [guestOrder(1).interfaces])
    settle()
    backend.ensure(order(1))
    #expect(backend.observe().map(\.order.interfaces) == [guestOrder(1).interfaces], "it is there already")
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    settle()
    #expect(backend.observe().map(\.order.interfaces) == [guestOrder(1).interfaces])
  }

  @Test(arguments: backends) func everyVerbMayBeRepeated(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    for _ in 0..<3 { backend.ensure(order(1)) }
    settle()
    #expect(backend.observe().count == 1)
    for _ in 0..<3 { backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 5) }
    settle()
    #expect(backend.phase(1) == .down)
    for _ in 0..<3 { backend.remove(VMID(raw: 1), epoch: 1) }
    #expect(backend.observe().isEmpty)
    // What is not there is not there: nothing to say.
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    #expect(backend.observe().isEmpty)
  }

  @Test(arguments: backends) func thereIsNeverASecondMachineOfAnID(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    backend.ensure(order(1, epoch: 1))
    backend.ensure(order(1, epoch: 2))
    settle()
    #expect(backend.observe().map(\.epoch) == [1])
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    settle()
    // Down is still there.
    backend.ensure(order(1, epoch: 2))
    #expect(backend.observe().map(\.epoch) == [1])
    backend.remove(VMID(raw: 1), epoch: 1)
    backend.ensure(order(1, epoch: 2))
    #expect(backend.observe().map(\.epoch) == [2])
  }

  @Test(arguments: backends) func anOrderForAnotherEpochHitsNobody(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    backend.ensure(order(1, epoch: 2))
    settle()
    for epoch: UInt64 in [1, 3] {
      backend.stop(VMID(raw: 1), epoch: epoch, graceSeconds: 0)
      backend.remove(VMID(raw: 1), epoch: epoch)
    }
    settle()
    #expect(backend.phase(1) == .running)
  }

  @Test(arguments: backends) func onlyWhatIsDownCanBeRemoved(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    backend.ensure(order(1))
    backend.remove(VMID(raw: 1), epoch: 1)
    #expect(backend.phase(1) != nil)
    settle()
    backend.remove(VMID(raw: 1), epoch: 1)
    #expect(backend.phase(1) == .running)
  }

  @Test(arguments: backends) func oneCanBeStoppedWhileItComesUp(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    backend.ensure(order(1))
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    settle()
    #expect(backend.phase(1) == .down)
  }

  @Test(arguments: backends) func whatIsPreparedIsSeenNeverRunsAndComesUpUnderItsOwnOrder(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    guard backend.capabilities.prepares else { return }
    for _ in 0..<2 { backend.prepare(order(1, epoch: 1)) }
    settle()
    #expect(backend.observe().map(\.phase) == [.prepared] && backend.observe()[0].epoch == 1)
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    backend.remove(VMID(raw: 1), epoch: 2)
    #expect(backend.phase(1) == .prepared)
    backend.ensure(order(1, epoch: 2))
    settle()
    #expect(backend.phase(1) == .running && backend.observe().map(\.epoch) == [2])
    // What runs is not prepared, and what was never started can be cleared away.
    backend.prepare(order(1, epoch: 3))
    #expect(backend.phase(1) == .running)
    backend.prepare(order(2))
    backend.remove(VMID(raw: 2), epoch: 1)
    #expect(backend.phase(2) == nil)
  }

  /// Whether it can be had is the other node's affair; it is there under its own order, alone, and can be ended.
  @Test(arguments: backends) func whatIsTakenOverIsSeenAtOnceAndRunsOrFailsUnderItsOwnOrder(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    var incoming = order(1, epoch: 2)
    incoming.isIncoming = true
    backend.ensure(incoming)
    #expect(backend.observe().map(\.order) == [incoming])
    backend.ensure(order(1, epoch: 3))
    settle()
    #expect(backend.observe().map(\.epoch) == [2] && [.running, .failed].contains(backend.phase(1)))
    backend.stop(VMID(raw: 1), epoch: 2, graceSeconds: 0)
    settle()
    #expect([.down, .failed].contains(backend.phase(1)))
    backend.remove(VMID(raw: 1), epoch: 2)
    #expect(backend.observe().isEmpty)
    // One that runs here is not taken over a second time.
    backend.ensure(order(1, epoch: 4))
    settle()
    backend.ensure(incoming)
    #expect(backend.observe().map(\.order) == [order(1, epoch: 4)] && backend.phase(1) == .running)
  }

  @Test(arguments: backends) func observingIsCompleteAndInOrder(_ under: BackendUnderTest) {
    let (backend, settle) = under.make()
    for id: UInt64 in [5, 3, 9, 1] { backend.ensure(order(id)) }
    settle()
    #expect(backend.observe().map(\.id.raw) == [1, 3, 5, 9])
  }
}
