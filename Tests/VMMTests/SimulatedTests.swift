import Domain
import Testing
import VMM
import VMMSimulated

@Suite struct SimulatedVMsTests {
  private func fleet(seed: UInt64, _ times: SimulatedTimes = SimulatedTimes()) -> (SimulatedVMs, HandClock) {
    let clock = HandClock()
    return (SimulatedVMs(seed: seed, times: times) { clock.now }, clock)
  }

  @Test func aMachineComesUpInTheTimeThatWasAskedForAndNotBefore() {
    let (backend, clock) = fleet(seed: 1, SimulatedTimes(startDelay: .milliseconds(200)))
    backend.ensure(order(1))
    #expect(backend.phase(1) == .starting)
    let quiet = backend.quietFor
    #expect(quiet.map { (.milliseconds(100) ... .milliseconds(300)).contains($0) } == true)
    clock.now += quiet! - .microseconds(1)
    #expect(backend.phase(1) == .starting)
    clock.now += .microseconds(1)
    #expect(backend.phase(1) == .running)
  }

  @Test func theSameSeedDoesTheSame() {
    func run(_ seed: UInt64) -> [ObservedVM.Phase?] {
      let (backend, clock) = fleet(seed: seed)
      backend.faults.startFailuresPerMillion = 400_000
      backend.faults.crashesPerMillion = 400_000
      for id in 1...50 { backend.ensure(order(UInt64(id))) }
      return (0..<20).flatMap { _ in
        clock.now += .milliseconds(1_700)
        return (1...50).map { backend.phase(UInt64($0)) }
      }
    }
    #expect(run(11) == run(11))
    #expect(run(11) != run(12))
  }

  @Test func startsFailAndMachinesDieAsOftenAsWasAsked() {
    let (backend, clock) = fleet(seed: 5)
    backend.faults.startFailuresPerMillion = 250_000
    for id in 1...2_000 { backend.ensure(order(UInt64(id))) }
    clock.now += .seconds(1)
    let failed = backend.observe().filter { $0.phase == .failed }
    #expect((400...600).contains(failed.count), "\(failed.count)")
    #expect(failed.allSatisfy { $0.detail.contains("did not come up") })

    let (other, time) = fleet(seed: 6)
    other.faults.crashesPerMillion = 500_000
    for id in 1...2_000 { other.ensure(order(UInt64(id))) }
    time.now += .seconds(1)
    #expect(other.observe().count { $0.phase == .failed } < 100)
    time.now += .seconds(70)
    let dead = other.observe().filter { $0.phase == .failed }
    #expect((850...1_150).contains(dead.count), "\(dead.count)")
    #expect(dead.allSatisfy { $0.detail.contains("died") })
  }

  @Test func aStopHangsAsLongAsTheFaultLasts() {
    let (backend, clock) = fleet(seed: 1)
    backend.ensure(order(1))
    clock.now += .seconds(1)
    backend.faults.stopsHang = true
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    clock.now += .seconds(600)
    #expect(backend.phase(1) == .stopping)
    backend.remove(VMID(raw: 1), epoch: 1)
    #expect(backend.phase(1) == .stopping)
    backend.faults = .none
    #expect(backend.phase(1) == .down)
  }

  @Test func aShorterGraceReplacesALongerOne() {
    var times = SimulatedTimes()
    times.stop = .seconds(20)
    let (backend, clock) = fleet(seed: 1, times)
    backend.ensure(order(1))
    clock.now += .seconds(1)
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 30)
    clock.now += .seconds(10)
    #expect(backend.phase(1) == .stopping)
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 30)
    backend.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)
    #expect(backend.phase(1) == .down)
  }

  private func incoming() -> VMOrder {
    var incoming = order(1, epoch: 2)
    incoming.isIncoming = true
    return incoming
  }

  @Test func whatIsTakenOverIsSilentUntilTheOtherNodeHasLetItGo() {
    let (backend, clock) = fleet(seed: 1)
    backend.load = SimulatedLoad(permille: 500)
    var asked: [VMOrder] = []
    var isFree = false
    backend.takeOver = { order in
      asked.append(order)
      return isFree
    }
    backend.ensure(incoming())
    #expect(backend.phase(1) == .starting && asked.isEmpty, "it is not ready to take anything over")
    clock.now += .seconds(1)
    #expect(backend.phase(1) == .starting && asked == [incoming()])
    #expect(backend.observe()[0].used == nil && !backend.isHere(VMID(raw: 1)))
    isFree = true
    #expect(backend.phase(1) == .running && backend.isHere(VMID(raw: 1)))
    #expect(backend.observe()[0].used != nil)
    let count = asked.count
    #expect(backend.phase(1) == .running && asked.count == count, "it has it")
  }

  @Test func whatCannotBeHadFailsAndSaysSo() {
    let (backend, clock) = fleet(seed: 1)
    backend.takeOver = { _ in false }
    backend.ensure(incoming())
    clock.now += .seconds(2)
    #expect(backend.phase(1) == .starting)
    clock.now += .seconds(2)
    #expect(backend.phase(1) == .failed && backend.observe()[0].detail.contains("could not be had"))
    backend.takeOver = { _ in true }
    #expect(backend.phase(1) == .failed && !backend.isHere(VMID(raw: 1)), "and for good")
    backend.remove(VMID(raw: 1), epoch: 2)
    #expect(backend.observe().isEmpty)
  }

  @Test func oneThatIsStoppedWhileItComesTakesNothingOver() {
    let (backend, clock) = fleet(seed: 1)
    var count = 0
    backend.takeOver = { _ in
      count += 1
      return true
    }
    backend.ensure(incoming())
    clock.now += .seconds(1)
    backend.stop(VMID(raw: 1), epoch: 2, graceSeconds: 0)
    #expect(backend.phase(1) == .down && count == 0 && !backend.isHere(VMID(raw: 1)))
    // What was never elsewhere asks nobody.
    backend.ensure(order(2))
    clock.now += .seconds(1)
    #expect(backend.phase(2) == .running && count == 0 && backend.isHere(VMID(raw: 2)))
  }
}
