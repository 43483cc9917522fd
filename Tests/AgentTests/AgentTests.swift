import Agent
import Domain
import Testing
import VMM

private let here = VMCapabilities(pins: true, passesDevices: true)
private let room = Resources(cpu: 8_000, memory: 8_192, disk: 1 << 20, bandwidth: 10_000)

/// An agent that Berth has registered as epoch 1.
private func agent(capabilities: VMCapabilities = here) -> Agent {
  var agent = Agent(capacity: room, capabilities: capabilities)
  agent.registered(epoch: 1)
  return agent
}

private func order(
  _ id: UInt64, epoch: UInt64 = 1, cpu: Int32 = 1_000, failover: FailoverPolicy = .never
) -> VMOrder {
  var order = VMOrder(
    id: VMID(raw: id), epoch: epoch, key: VMKey(name: VMName(trusted: "vm-\(id)")),
    resources: Resources(cpu: cpu, memory: 512))
  order.failover = failover
  return order
}

private func run(_ order: VMOrder) -> WantedVM { WantedVM(order, isWanted: true, graceSeconds: 30) }
private func down(_ order: VMOrder) -> WantedVM { WantedVM(order, isWanted: false, graceSeconds: 30) }

extension Agent {
  /// A report at `now` is acknowledged, with this list.
  fileprivate mutating func hear(
    _ list: [WantedVM]?, _ observed: [ObservedVM] = [], at now: Duration = .zero, revision: UInt64 = 1
  ) {
    acknowledged(
      report(observed, now: now), Acknowledgement(epoch: epoch, lease: .seconds(15), revision: revision, desired: list))
  }
}

@Suite struct AgentTests {
  @Test func whatIsWantedAndNotThereIsStarted() {
    var agent = agent()
    agent.hear([run(order(1)), run(order(2)), down(order(3))])
    #expect(agent.actions([], now: .seconds(1)) == [.ensure(order(1)), .ensure(order(2))])
    let there = [ObservedVM(order(1), .starting), ObservedVM(order(2), .running)]
    #expect(agent.actions(there, now: .seconds(1)) == [])
  }

  @Test func beforeAListWasTakenNothingIsTouched() {
    var agent = agent()
    let there = [ObservedVM(order(1), .running), ObservedVM(order(2), .down)]
    #expect(agent.actions(there, now: .zero) == [])
    agent.hear([], there)
    #expect(
      agent.actions(there, now: .zero)
        == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0), .remove(VMID(raw: 2), epoch: 1)])
  }

  @Test func aVMThatIsToGoDownHasItsGraceAndIsClearedAwayAndTold() {
    var agent = agent()
    agent.hear([down(order(1))])
    let id = VMID(raw: 1)
    #expect(
      agent.actions([ObservedVM(order(1), .running)], now: .zero) == [.stop(id, epoch: 1, graceSeconds: 30)])
    #expect(agent.actions([ObservedVM(order(1), .stopping)], now: .zero) == [])
    #expect(agent.report([ObservedVM(order(1), .stopping)], now: .zero).vms == [])
    #expect(agent.actions([ObservedVM(order(1), .down)], now: .zero) == [.remove(id, epoch: 1)])
    #expect(agent.report([], now: .zero).vms == [VMReport(id: id, epoch: 1, fact: .gone)])
  }

  @Test func aLowerEpochIsNeverRunAndAHigherOneReplacesIt() {
    var agent = agent()
    agent.hear([run(order(1, epoch: 4))])
    let old = ObservedVM(order(1, epoch: 3), .running)
    #expect(agent.actions([old], now: .zero) == [.stop(VMID(raw: 1), epoch: 3, graceSeconds: 0)])
    #expect(
      agent.actions([ObservedVM(order(1, epoch: 3), .down)], now: .zero) == [.remove(VMID(raw: 1), epoch: 3)])
    #expect(agent.actions([], now: .zero) == [.ensure(order(1, epoch: 4))])
    // A list that knows less: the VM that was started under a higher epoch stays, and the lower one is not started.
    agent.hear([run(order(1, epoch: 2))], revision: 9)
    #expect(agent.actions([ObservedVM(order(1, epoch: 4), .running)], now: .zero) == [])
    #expect(agent.actions([], now: .zero) == [.ensure(order(1, epoch: 4))])
  }

  @Test func aVMThatLeavesRunsOnUntilItHasArrivedAndAlsoWhenItDoesNot() {
    var agent = agent()
    agent.hear([run(order(1, epoch: 1))])
    let there = [ObservedVM(order(1, epoch: 1), .running)]
    agent.hear(nil, there)
    // It moves: the row is at the next epoch, and this node is to keep it.
    agent.hear([run(order(1, epoch: 2))], there, revision: 2)
    #expect(agent.actions(there, now: .zero) == [])
    // The move is off: it is here again, at one more epoch.
    agent.hear([run(order(1, epoch: 3))], there, revision: 3)
    #expect(agent.actions(there, now: .zero) == [])
    #expect(agent.report(there, now: .zero).vms == [VMReport(id: VMID(raw: 1), epoch: 3, fact: .running)])
    var other = agent
    // The other way: it has arrived, and is no business of this node's any more.
    other.hear([], there, revision: 4)
    #expect(other.actions(there, now: .zero) == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)])
    // One that comes back as a migration is another machine.
    var third = agent
    var incoming = order(1, epoch: 4)
    incoming.isIncoming = true
    third.hear([run(incoming)], there, revision: 4)
    #expect(third.actions(there, now: .zero) == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)])
    // Under another registration nobody knows what was between.
    agent.registered(epoch: 2)
    agent.hear([run(order(1, epoch: 4))], there, revision: 5)
    #expect(agent.actions(there, now: .zero) == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)])
  }

  @Test func s3_16_aStandbyIsPreparedAndNeverRunUntilItTakesOver() {
    func standby(_ epoch: UInt64) -> WantedVM {
      WantedVM(order(1, epoch: epoch), isWanted: true, graceSeconds: 30, isStandby: true)
    }
    var agent = agent(capabilities: VMCapabilities(prepares: true))
    agent.hear([standby(3)])
    #expect(agent.actions([], now: .zero) == [.prepare(order(1, epoch: 3))])
    let ready = [ObservedVM(order(1, epoch: 3), .prepared)]
    #expect(agent.actions(ready, now: .zero) == [] && agent.report(ready, now: .zero, isWhole: true).vms == [])
    // It moves, and this node is told so: nothing to do.
    agent.hear([standby(4)], ready, revision: 2)
    #expect(agent.actions(ready, now: .zero) == [] && agent.deadline(ready) == nil)
    // It takes over: what was prepared is started, without being cleared away first, and only with a lease.
    agent.hear([run(order(1, epoch: 5))], ready, revision: 3)
    #expect(agent.actions(ready, now: .zero) == [.ensure(order(1, epoch: 5))])
    #expect(agent.actions(ready, now: .seconds(60)) == [] && agent.report(ready, now: .zero).vms == [])
    // It is no business of this node's any more.
    agent.hear([], ready, revision: 4)
    #expect(agent.actions(ready, now: .zero) == [.remove(VMID(raw: 1), epoch: 3)])
    // Here it ran, and here it now has its standby: what runs is ended first.
    agent.hear([standby(6)], revision: 5)
    let runs = [ObservedVM(order(1, epoch: 5), .running)]
    #expect(agent.actions(runs, now: .zero) == [.stop(VMID(raw: 1), epoch: 5, graceSeconds: 0)])
    #expect(
      agent.actions([ObservedVM(order(1, epoch: 5), .down)], now: .zero) == [.remove(VMID(raw: 1), epoch: 5)])
  }

  @Test func whoCannotPrepareIsNotAsked() {
    var agent = agent()
    agent.hear([WantedVM(order(1), isWanted: true, graceSeconds: 30, isStandby: true)])
    #expect(agent.actions([], now: .zero) == [] && agent.report([], now: .zero, isWhole: true).vms == [])
  }

  @Test func aVMThatIsOnlyKeptIsNeverStartedAndRunsOnUnderAnyRegistration() {
    func kept(_ epoch: UInt64) -> WantedVM {
      WantedVM(order(1, epoch: epoch), isWanted: true, graceSeconds: 30, isKept: true)
    }
    var agent = agent()
    agent.hear([run(order(1, epoch: 1))])
    let there = [ObservedVM(order(1, epoch: 1), .running)]
    agent.hear([kept(2)], there, revision: 2)
    #expect(agent.actions(there, now: .zero) == [])
    // Registered anew it knows nothing of before, and still leaves it alone.
    agent.registered(epoch: 2)
    agent.hear([kept(2)], there, revision: 3)
    #expect(agent.actions(there, now: .zero) == [])
    #expect(agent.mayHandOver(VMID(raw: 1), to: 2) && !agent.mayHandOver(VMID(raw: 1), to: 1))
    // When the machine is gone, the other node has it or nobody: that is for Berth to decide.
    #expect(agent.actions([], now: .zero) == [])
    #expect(agent.report([], now: .zero).vms == [VMReport(id: VMID(raw: 1), epoch: 2, fact: .gone)])
  }

  @Test func oneThatFailedAndIsPlacedHereAgainIsStartedAnew() {
    var agent = agent()
    agent.hear([run(order(1, epoch: 1))])
    let dead = [ObservedVM(order(1, epoch: 1), .failed)]
    agent.hear([run(order(1, epoch: 2))], dead, revision: 2)
    #expect(agent.actions(dead, now: .zero) == [.remove(VMID(raw: 1), epoch: 1)])
    #expect(agent.actions([], now: .zero) == [.ensure(order(1, epoch: 2))])
  }

  @Test func whoIsOnItsWayDownAndIsWaitedForByNobodyAnyMoreIsEndedAtOnce() {
    var agent = agent()
    agent.hear([down(order(1))])
    let going = [ObservedVM(order(1), .stopping)]
    #expect(agent.actions(going, now: .zero) == [])
    agent.hear([], going, revision: 2)
    #expect(agent.actions(going, now: .zero) == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 0)])
  }

  @Test func onlyWhoLeavesIsHandedOver() {
    var agent = agent()
    agent.hear([run(order(1, epoch: 2))])
    #expect(!agent.mayHandOver(VMID(raw: 1), to: 2), "it is to stay here")
  }

  @Test func whatIsDownTakesNoRoom() {
    var agent = agent()
    agent.hear([down(order(1, cpu: 1_000)), run(order(2, cpu: 6_000)), run(order(3, cpu: 2_000))])
    let there = [ObservedVM(order(1, cpu: 1_000), .stopping), ObservedVM(order(2, cpu: 6_000), .failed)]
    #expect(agent.actions(there, now: .zero).contains(.ensure(order(3, cpu: 2_000))))
  }

  /// Berth refuses a report of more.
  @Test func moreThanAReportTakesIsToldInSeveral() {
    var agent = agent()
    let orders = (1...UInt64(Limits.reports + 5)).map { order($0, cpu: 1) }
    agent.hear(orders.map(run))
    let there = orders.map { ObservedVM($0, .running) }
    #expect(agent.report(there, now: .zero).vms.count == Limits.reports)
    agent.hear(nil, there, revision: 2)
    #expect(agent.report(there, now: .zero).vms.map(\.id) == orders.suffix(5).map(\.id))
  }

  @Test func whoLeavesForAnotherNodeHasItsGraceUnderTheNextEpochToo() {
    var agent = agent()
    agent.hear([run(order(1, epoch: 1))])
    let there = [ObservedVM(order(1, epoch: 1), .running)]
    agent.hear([down(order(1, epoch: 2))], there, revision: 2)
    #expect(agent.actions(there, now: .zero) == [.stop(VMID(raw: 1), epoch: 1, graceSeconds: 30)])
    #expect(agent.report([], now: .zero).vms == [VMReport(id: VMID(raw: 1), epoch: 2, fact: .gone)])
  }

  @Test func anOlderListIsNotTaken() {
    var agent = agent()
    agent.hear([run(order(1))], revision: 7)
    agent.hear([], revision: 6)
    #expect(agent.seenRevision == 7)
    #expect(agent.actions([], now: .zero) == [.ensure(order(1))])
    agent.hear(nil, revision: 8)
    #expect(agent.seenRevision == 7)
    #expect(agent.actions([], now: .zero) == [.ensure(order(1))])
  }

  @Test func theLeaseIsCountedFromWhenTheReportWasSent() {
    var agent = agent()
    let vm = order(1, failover: .restart)
    agent.hear([run(vm)], at: .seconds(100))
    let there = [ObservedVM(vm, .running)]
    #expect(agent.leaseEnd == .seconds(115))
    #expect(agent.actions(there, now: .seconds(115) - .microseconds(1)) == [])
    #expect(agent.actions(there, now: .seconds(115)) == [.cut(VMID(raw: 1), epoch: 1)])
    #expect(agent.deadline(there) == .seconds(115))
    // The answer to an older report does not shorten it, and no answer does not prolong it.
    agent.hear(nil, there, at: .seconds(90), revision: 2)
    #expect(agent.leaseEnd == .seconds(115))
  }

  @Test func withoutALeaseNothingStartsAndWhatNobodyStartsElsewhereRunsOn() {
    var agent = agent()
    agent.hear([run(order(1)), run(order(2))])
    let there = [ObservedVM(order(1), .running)]
    #expect(agent.actions(there, now: .seconds(20)) == [])
    #expect(agent.deadline(there) == nil)
  }

  @Test func whatWasCutIsToldAsFailedAndNotStartedAgain() {
    var agent = agent()
    let vm = order(1, failover: .restart)
    agent.hear([run(vm)])
    let cut = [ObservedVM(vm, .down)]
    agent.hear(nil, cut, at: .seconds(30), revision: 2)
    #expect(agent.actions(cut, now: .seconds(31)) == [])
    #expect(agent.report(cut, now: .seconds(31), isWhole: true).vms.map(\.fact) == [.failed])
  }

  @Test func thePolicyThatBerthKnowsCounts() {
    var agent = agent()
    // It was started when nobody would have started it elsewhere; since then somebody would.
    agent.hear([run(order(1, failover: .restart))])
    #expect(
      agent.actions([ObservedVM(order(1), .running)], now: .seconds(16)) == [.cut(VMID(raw: 1), epoch: 1)])
  }

  @Test func aPreemptorWaitsForItsVictim() {
    var agent = agent()
    let victim = order(1, cpu: 6_000)
    let preemptor = order(2, cpu: 6_000)
    let small = order(3, cpu: 1_000)
    agent.hear([down(victim), run(preemptor), run(small)])
    let going = [ObservedVM(victim, .stopping)]
    // What fits beside the victim does not wait.
    #expect(agent.actions(going, now: .zero) == [.ensure(small)])
    #expect(agent.actions([ObservedVM(victim, .down)], now: .zero).first == .remove(VMID(raw: 1), epoch: 1))
    #expect(agent.actions([], now: .zero) == [.ensure(preemptor), .ensure(small)])
  }

  @Test func aSeatIsGivenOnWhenItIsFree() {
    var agent = agent()
    var victim = order(1)
    victim.seat.cpus = CPUSet(0..<4)
    var next = order(2)
    next.seat.cpus = CPUSet(3..<6)
    var other = order(3)
    other.seat.devices = [DeviceID(trusted: "gpu-0")]
    agent.hear([down(victim), run(next), run(other)])
    #expect(agent.actions([ObservedVM(victim, .stopping)], now: .zero) == [.ensure(other)])
  }

  @Test func onlyNewsAreToldUntilEverythingIsAskedForAgain() {
    var agent = agent()
    agent.hear([run(order(1)), run(order(2))])
    let there = [ObservedVM(order(1), .running), ObservedVM(order(2), .failed, detail: "no image")]
    #expect(agent.isUrgent(there))
    #expect(agent.report(there, now: .zero).vms.map(\.fact) == [.running, .failed])
    #expect(agent.report(there, now: .zero).vms.last?.detail == "no image")
    agent.hear(nil, there, revision: 2)
    #expect(!agent.isUrgent(there))
    #expect(agent.report(there, now: .zero).vms == [])
    #expect(agent.report(there, now: .zero, isWhole: true).vms.count == 2)
    agent.registered(epoch: 2)
    #expect(agent.seenRevision == 0)
    #expect(agent.report(there, now: .zero).vms.count == 2)
    // That it comes up is told, but nobody is disturbed for it.
    #expect(!agent.isUrgent([ObservedVM(order(1), .starting), ObservedVM(order(2), .starting)]))
  }

  @Test func anAnswerToAnOlderRegistrationSaysNothing() {
    var agent = agent()
    let report = agent.report([], now: .zero)
    agent.registered(epoch: 2)
    agent.acknowledged(report, Acknowledgement(epoch: 1, lease: .seconds(15), revision: 5, desired: [run(order(1))]))
    #expect(agent.leaseEnd == nil && agent.seenRevision == 0)
  }

  @Test func whatTheBackendCannotDoFailsVisibly() {
    var agent = agent(capabilities: VMCapabilities())
    var pinned = order(1)
    pinned.seat.cpus = CPUSet(0..<1)
    agent.hear([run(pinned)])
    #expect(agent.actions([], now: .zero) == [])
    #expect(agent.report([], now: .zero).vms.map(\.fact) == [.failed])
  }
}
